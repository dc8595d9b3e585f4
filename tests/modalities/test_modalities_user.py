"""Users are shared where a table of users says so; each person of a sample is there once."""

import pandas as pd
import pytest
from modality_toys import manifest, modality, reasons

from graphfuse.core.errors import InputError
from graphfuse.core.tables import FILE_ROW


@pytest.fixture
def posts():
    users = pd.DataFrame({"user_id": ["ann", "bob", "cid", "dan"], "followers": ["1", "100", "1e6", "x"], "land": ["de", "fr", "", "it"]})
    replies = pd.DataFrame(
        {
            "interaction_id": ["i1", "i2", "i3", "i4"],
            "sample_id": ["a", "a", "b", "a"],
            "user_id": ["cid", "ann", "ghost", "bob"],
            "time": [9.0, 1.0, 2.0, 3.0],
        }
    )
    return manifest(user_id=["ann", "", "bob"], linked={"users": users, "interactions": replies})


def test_the_author_comes_first_then_who_interacts_by_time_each_once(posts):
    user = modality(name="user")
    table = user.nodes(posts, user.fit(posts))
    assert table.sample.tolist() == [0, 0, 0, 2]
    assert table.units["user_id"].tolist() == ["ann", "bob", "cid", "bob"]
    assert table.entity.tolist() == [0, 1, 2, 1]


def test_nodes_carry_the_features_of_their_entity(posts):
    user = modality(name="user", numeric=["followers"], categorical=["land"])
    state = user.fit(posts)
    table = user.nodes(posts, state)
    entities = user.entities(posts, state)
    assert entities.shape == (4, user.channels(state))
    assert (table.x == entities[table.entity]).all()


def test_a_user_without_a_row_has_no_node(posts):
    user = modality(name="user")
    table = user.nodes(posts.take([1]), user.fit(posts))
    assert len(table) == 0
    assert table.x.shape == (0, 1)


def test_users_are_found_alike_in_any_chunk(posts):
    user = modality(name="user", numeric=["followers"])
    state = user.fit(posts)
    whole, part = user.nodes(posts, state), user.nodes(posts.take([2]), state)
    assert part.entity.tolist() == whole.entity[whole.sample == 2].tolist()
    assert (part.x == whole.x[whole.sample == 2]).all()


def test_only_users_of_train_rows_are_learned_from(posts):
    user = modality(name="user", numeric=["followers"], categorical=["land"])
    state = user.fit(posts)
    changed = posts.linked["users"].assign(followers=["1", "100", "1e6", "5"], land=["de", "fr", "", "xx"])  # dan is in no train row
    again = user.fit(manifest(user_id=["ann", "", "bob"], linked={**posts.linked, "users": changed}))
    assert all((state[name] == again[name]).all() for name in state)


def test_a_cell_that_is_no_number_is_counted_with_its_user(posts):
    user = modality(name="user", numeric=["followers"])
    table = user.nodes(manifest(user_id=["dan"], linked={"users": posts.linked["users"]}), user.fit(posts))
    assert reasons(table) == [("dan", "not_a_number")]
    assert table.rejections[0].table == "users"


def test_a_cell_is_counted_with_its_row_in_the_file_if_that_is_known(posts):
    user = modality(name="user", numeric=["followers"])
    users = posts.linked["users"]
    chosen = manifest(user_id=["dan"], linked={"users": users})
    assert [each.row for each in user.nodes(chosen, user.fit(posts)).rejections] == [-1]
    numbered = manifest(user_id=["dan"], linked={"users": users.assign(**{FILE_ROW: range(70, 70 + len(users)), "source_row": "z"})})
    (rejection,) = user.nodes(numbered, user.fit(posts)).rejections
    assert rejection.row == 70 + users["user_id"].tolist().index("dan")


def test_without_a_table_of_users_fitting_says_what_to_do_and_new_rows_have_none(posts):
    user = modality(name="user", numeric=["followers"])
    lonely = manifest(user_id=["ann"])
    with pytest.raises(InputError, match=r"`table: users` needs a table of users .got none.. Give dataset.users, or `table: samples`"):
        user.fit(lonely)
    assert len(user.nodes(lonely, user.fit(posts))) == 0
    assert user.entities(lonely, user.fit(posts)).shape == (0, 1)


def test_a_row_can_describe_its_own_author_who_is_not_shared():
    rows = manifest(user_id=["ann", "ann", "bob"], followers=["1", "2", ""], verified=["true", "", "null"])
    user = modality(name="user", table="samples", numeric=["followers"], boolean=["verified"])
    table = user.nodes(rows, user.fit(rows))
    assert table.sample.tolist() == [0, 1]  # of the third row's author nothing is known
    assert table.units["user_id"].tolist() == ["ann", "ann"]
    assert table.entity is None
    assert user.entities(rows, {}) is None


def test_authors_need_no_id():
    user = modality(name="user", table="samples")
    table = user.nodes(manifest(text=["x"]), user.fit(manifest(text=["x"])))
    assert table.units["user_id"].tolist() == [""]


def test_a_missing_column_is_named_with_the_nearest(posts):
    with pytest.raises(InputError, match=r"'follower' is not there. Did you mean 'followers'\?"):
        modality(name="user", numeric=["follower"]).fit(posts)
