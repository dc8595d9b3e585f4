import json

import numpy as np
import pandas as pd
import pytest
from guessing_toys import cycle, pictures, read, sentences, settings, table
from PIL import Image

from graphfuse.core.errors import InputError
from graphfuse.core.strict_yaml import parse_yaml
from graphfuse.core.tables import CANONICAL
from graphfuse.datasets.table import Table
from graphfuse.guessing.experiment_text import guess_experiment
from graphfuse.guessing.table_roles import Roles, guess_roles
from graphfuse.pipeline import convert, init


def main_roles(roles: Roles) -> dict[str, object]:
    names = ("target", "sample_id", "user_id", "time", "split", "group", "text", "task")
    return {name: getattr(roles, name) for name in names} | {"pictures": tuple(item.column for item in roles.pictures)}


def test_every_role_of_made_posts_is_found(posts):
    roles = guess_roles(posts)
    assert main_roles(roles) == {
        "target": "label",
        "task": "classification",
        "sample_id": "post_id",
        "user_id": "author",
        "time": "created",
        "split": "split",
        "group": "story",
        "text": ("text",),
        "pictures": ("image",),
    }
    assert roles.users is not None
    assert roles.users[1] == "id"
    assert roles.interactions is not None
    assert roles.interactions[1] == {
        "interaction_id": "id",
        "sample_id": "post_id",
        "user_id": "who",
        "kind": "kind",
        "time": "when",
        "reply_to": "parent",
        "text": "body",
    }
    assert roles.of_user.all == ("followers", "verified", "country")
    assert not roles.leaks


def test_names_are_not_needed(posts):
    frame = pd.read_csv(posts, dtype=str, keep_default_na=False)
    frame.columns = [f"column {letter}" for letter in "abcdefgh"]
    frame.to_csv(posts, index=False)
    assert main_roles(guess_roles(posts)) == {
        "target": "column h",
        "task": "classification",
        "sample_id": "column a",
        "user_id": "column d",
        "time": "column e",
        "split": "column g",
        "group": "column f",
        "text": ("column b",),
        "pictures": ("column c",),
    }
    assert len(read(posts)) == 200


def test_sentences_without_blanks_between_words_are_text(tmp_path):
    rng = np.random.default_rng(0)
    texts = ["".join(chr(0x4E00 + k) for k in rng.integers(2000, size=20)) for _ in range(60)]
    path = table(tmp_path, label=cycle(["a", "b"]))
    pd.read_csv(path).assign(body=texts).to_csv(path, index=False)
    assert guess_roles(path).text == ("body",)


@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_several_stems_in_one_cell_are_found_in_a_folder_below(tmp_path, separator):
    pictures(tmp_path / "media", [f"shot{k}" for k in range(60)])
    cells = [f"shot{k}{separator}shot{(k + 1) % 60}" for k in range(60)]
    path = table(tmp_path, photo=cells, label=cycle(["yes", "no"]))
    assert settings(path)["dataset"]["pictures"] == {"columns": ["photo"], "separator": separator, "folder": "media"}
    assert read(path).samples["pictures"].str.len().eq(2).all()


def test_lists_of_pictures_in_json_lines_are_found(tmp_path):
    pictures(tmp_path / "media", [f"shot{k}" for k in range(40)])
    lines = [json.dumps({"text": text, "photos": [f"shot{k}.png"], "label": k % 2 == 0}) for k, text in enumerate(sentences(40))]
    (tmp_path / "posts.jsonl").write_text("\n".join(lines))
    roles = guess_roles(tmp_path / "posts.jsonl")
    assert [item.column for item in roles.pictures] == ["photos"]
    assert roles.target == "label"
    assert len(read(tmp_path / "posts.jsonl")) == 40


def test_numbers_that_happen_to_be_names_of_pictures_are_no_pictures(tmp_path):
    pictures(tmp_path / "media", [str(k) for k in range(60)])
    assert not guess_roles(table(tmp_path, likes=cycle(range(7)), label=cycle(["a", "b"]))).pictures


def test_a_file_that_only_looks_like_a_picture_is_none(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    assert not guess_roles(table(tmp_path, photo=cycle(["a.png"]), label=cycle(["a", "b"]))).pictures


def test_pictures_are_found_beside_a_column_that_is_only_called_so(tmp_path):
    pictures(tmp_path, [f"shot{k}" for k in range(60)])
    path = table(tmp_path, photo=[f"shot{k}" for k in range(60)], pictures=cycle(range(7)), label=cycle(["a", "b"]))
    assert settings(path)["dataset"]["pictures"]["columns"] == ["photo"]
    init(path, tmp_path / "experiment.yaml")
    assert convert(tmp_path / "experiment.yaml", tmp_path / "store")["rejections"] == {}


@pytest.mark.parametrize(
    ("ending", "form", "found"), [("jfif", "JPEG", True), ("JPE", "JPEG", True), ("tif", "TIFF", False), ("png", "TIFF", False)]
)
def test_pictures_are_those_that_can_be_read(tmp_path, ending, form, found):
    for k in range(60):
        Image.new("RGB", (8, 8)).save(tmp_path / f"shot{k}.{ending}", format=form)
    path = table(tmp_path, photo=[f"shot{k}.{ending}" for k in range(60)], label=cycle(["a", "b"]))
    assert bool(guess_roles(path).pictures) == found
    assert len(read(path)) == 60


def test_posts_that_share_pictures_are_split_by_the_event_in_their_names(tmp_path):
    names = [f"{event}_{kind}_{k}" for event in ("flood", "fire", "storm") for kind in ("old", "new") for k in range(3)]
    pictures(tmp_path / "media", names)
    path = table(tmp_path, 180, photo=cycle(names, 180), label=cycle(["fake", "real", "real"], 180))
    text = guess_experiment(path)
    dataset = parse_yaml(text, "x")["dataset"]
    assert dataset["group"] == {"column": "photo", "pattern": "^([A-Za-z]+)"}
    assert dataset["split"]["by"] == "group"
    assert "100.0% of the rows share their pictures with another row; a random split would" in text
    assert read(path).samples.groupby("group")["split"].nunique().eq(1).all()


def test_posts_that_share_texts_are_grouped_by_text(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]))
    frame = pd.read_csv(path)
    frame["body"] = frame["body"].to_numpy()[np.arange(60) // 2 * 2]
    frame.to_csv(path, index=False)
    dataset = settings(path)["dataset"]
    assert (dataset["group"], dataset["split"]["by"]) == ("body", "group")


def test_rows_in_time_are_split_by_time_and_other_rows_at_random(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]), day=[f"2024-01-{k % 28 + 1:02d}" for k in range(60)])
    assert settings(path)["dataset"]["split"]["by"] == "time"
    assert settings(table(tmp_path, label=cycle(["a", "b"])))["dataset"]["split"]["by"] == "random"


def test_a_column_that_spells_the_answer_is_left_out(tmp_path):
    path = table(tmp_path, code=cycle(["x1", "x2", "y1"]), size=cycle(range(11)), label=cycle(["x", "x", "y"]))
    roles = guess_roles(path)
    assert roles.giveaways == ("code",)
    assert roles.of_sample.all == ("size",)
    assert "Left out as features, since each of their values goes with one answer only: code" in guess_experiment(path)


def test_columns_that_describe_the_author_become_the_user_and_others_the_sample(tmp_path):
    authors = [f"anna{k % 20}" for k in range(60)]
    path = table(tmp_path, author=authors, followers=cycle(range(9)), is_verified=cycle(["true", "false", "false"]),
                 likes=cycle(range(13)), lang=cycle(["en", "de", "fr"]), label=cycle(["a", "b"]))  # fmt: skip
    roles = guess_roles(path)
    assert (roles.user_id, roles.of_user.all, roles.of_sample.all) == ("author", ("followers", "is_verified"), ("likes", "lang"))
    assert {"name": "user", "table": "samples", "numeric": ["followers"], "boolean": ["is_verified"]} in settings(path)["modalities"]


def test_a_table_with_one_row_per_sample_beside_it_is_joined(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]))
    extra = pd.DataFrame({"post": [f"p{k}" for k in range(60)], " num_words": range(60)})
    extra.to_csv(tmp_path / "extra.csv", index=False)
    assert settings(path)["dataset"]["joins"] == [{"path": "extra.csv", "key": "post"}]
    assert {"name": "sample", "numeric": ["num_words"]} in settings(path)["modalities"]
    assert "num_words" in read(path).samples


def test_a_table_beside_it_whose_names_are_taken_is_not_joined_and_it_says_why(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]), likes=cycle(range(7)))
    for name, column in (("again.csv", "likes"), ("clock.csv", "time"), ("one.csv", "views"), ("two.csv", "views")):
        pd.DataFrame({"post": [f"p{k}" for k in range(60)], column: range(60), f"more of {name}": range(60)}).to_csv(
            tmp_path / name, index=False
        )
    text = guess_experiment(path)
    assert [join["path"] for join in parse_yaml(text, "x")["dataset"]["joins"]] == ["one.csv"]
    for name in ("again", "clock", "two"):
        assert f"# {name}.csv has one row per sample, too. To join it, rename these columns" in text
    assert len(read(path)) == 60


@pytest.mark.parametrize(
    ("column", "values", "task"),
    [
        ("label", ["a", "b", "c"], "classification"),
        ("rating", [1.5, 2.25, 3.75, 4.5, 0.5], "regression"),
        ("score", list(range(0, 600, 7)), "regression"),
        ("tags", ["red,green", "blue", "red", "green,blue"], "multilabel"),
    ],
)
def test_the_task_goes_by_the_values_of_the_target(tmp_path, column, values, task):
    path = table(tmp_path, 120, **{column: cycle(values, 120)})
    assert (guess_roles(path).target, guess_roles(path).task) == (column, task)
    assert len(read(path)) == 120


def test_a_table_without_a_target_is_refused_with_the_nearest_columns(tmp_path):
    path = table(tmp_path, town=[f"town {k // 2}" for k in range(60)])
    with pytest.raises(InputError, match=r"A target must be a column with 2 to 20 values .* Nearest are: 'town' \(30 values\)"):
        guess_experiment(path)


def test_a_target_with_one_value_only_is_named_as_the_reason(tmp_path):
    with pytest.raises(InputError, match="'label' is always the same"):
        guess_experiment(table(tmp_path, label=cycle(["fake"])))


def test_every_name_that_a_table_may_not_have_by_accident_is_reserved():
    assert set(Table(path="table.csv")._source_columns()) <= set(CANONICAL["samples"])


ROLES = {
    "when": [f"2024-01-{k % 28 + 1:02d}" for k in range(60)],
    "event": cycle(["fire", "flood", "storm"]),
    "author": cycle([f"u{k}" for k in range(9)]),
}


@pytest.mark.parametrize("roles", [(), ("when",), ("event", "author")])
def test_columns_that_are_not_what_their_name_means_here_are_renamed(tmp_path, roles):
    columns = {name: cycle([k * 1.5 for k in range(7)]) for name in CANONICAL["samples"]} | {role: ROLES[role] for role in roles}
    path = table(tmp_path, label=cycle(["a", "b"]), **columns)
    dataset = settings(path)["dataset"]
    assert dataset["rename"] == {f"{name}_in_file": name for name in CANONICAL["samples"]}
    assert "time_in_file" in settings(path)["modalities"][-1]["numeric"]
    samples = read(path).samples
    assert samples["time_in_file"].tolist() == [str(value) for value in columns["time"]]
    assert samples["split"].isin(["train", "validation", "test"]).all()


def test_columns_that_are_what_their_name_means_keep_it(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]), time=ROLES["when"], group=ROLES["event"], user_id=ROLES["author"])
    dataset = settings(path)["dataset"]
    assert (dataset["time"], dataset["group"], dataset["user_id"]) == ("time", "group", "user_id")
    assert "rename" not in dataset


def test_a_new_name_is_no_name_that_the_file_has(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]), time=cycle(range(7)), time_in_file=cycle(range(9)))
    assert settings(path)["dataset"]["rename"] == {"time_in_file_in_file": "time"}
    assert len(read(path)) == 60


def test_a_target_and_a_text_with_such_names_are_renamed_too(tmp_path):
    path = table(tmp_path, pictures=cycle(["few", "many"]), time=sentences(60))
    pd.read_csv(path).drop(columns="body").to_csv(path, index=False)
    assert (settings(path)["dataset"]["target"], settings(path)["modalities"][0]["column"]) == ("pictures_in_file", "time_in_file")
    assert read(path).target == ("pictures_in_file",)


def test_interactions_with_such_names_are_called_as_they_are_once_read(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]))
    replies = {"post": [f"p{k // 2}" for k in range(120)], "at": [f"2024-01-{k % 28 + 1:02d}" for k in range(120)]}
    replies |= {"time": np.arange(120) % 7 / 4, "reply_to": sentences(120)}
    pd.DataFrame(replies).to_csv(tmp_path / "replies.csv", index=False)
    assert {"name": "interaction", "numeric": ["time_in_file"], "text": "reply_to_in_file"} in settings(path)["modalities"]
    init(path, tmp_path / "experiment.yaml")
    assert convert(tmp_path / "experiment.yaml", tmp_path / "store")["rejections"] == {}


def test_rows_without_a_column_of_ids_are_numbered(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]))
    pd.read_csv(path).drop(columns="post").to_csv(path, index=False)
    assert settings(path)["dataset"]["sample_id"] is None
    assert len(read(path)) == 60


def ratings(folder, **columns):
    """Write ratings of items p0 to p59 by people 0 to 39, whose numbers are among those of the items; then what was changed."""
    rows = 600
    frame = pd.DataFrame(
        {
            "user_id": [k * 7 % 40 for k in range(rows)],
            "item_id": [k % 60 for k in range(rows)],
            "rating": cycle([5, 3, 4], rows),
            "when": [881_250_949 + 60 * k for k in range(rows)],
        }
    ).assign(**columns)
    frame.to_csv(folder / "ratings.csv", index=False)


@pytest.mark.parametrize("name", ["item_id", "film"])
def test_ratings_hang_on_the_items_and_not_on_people_of_the_same_numbers(tmp_path, name):
    frame = pd.read_csv(table(tmp_path, label=cycle(["a", "b"])))
    frame.assign(post=range(60)).rename(columns={"post": "item_id"}).to_csv(tmp_path / "table.csv", index=False)
    ratings(tmp_path)
    if name != "item_id":
        pd.read_csv(tmp_path / "ratings.csv").rename(columns={"item_id": name}).to_csv(tmp_path / "ratings.csv", index=False)
    pd.DataFrame({"person": range(40), "age": range(20, 60)}).to_csv(tmp_path / "people.csv", index=False)
    roles = guess_roles(tmp_path / "table.csv")
    assert roles.interactions is not None
    assert roles.interactions[1] == {"sample_id": name, "user_id": "user_id", "time": "when"}
    assert roles.users is not None
    assert (roles.users[0].path.name, roles.users[1], roles.user_id) == ("people.csv", "person", None)
    assert len(read(tmp_path / "table.csv").linked["interactions"]) == 600


def test_columns_of_joined_tables_that_spell_the_answer_are_left_out(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]))
    extra = {"post": [f"p{k}" for k in range(59, -1, -1)], "decision": cycle(["bad", "ok"]), "views": range(60)}
    pd.DataFrame(extra).to_csv(tmp_path / "extra.csv", index=False)
    roles = guess_roles(path)
    assert roles.giveaways == ("decision",)
    assert roles.of_sample.all == ("views",)


def test_columns_of_users_that_spell_the_answer_are_left_out(tmp_path):
    path = table(tmp_path, author=cycle([f"anna{k}" for k in range(12)]), label=cycle(["a", "b"]))
    people = {"name": [f"anna{k}" for k in range(12)], "status": cycle(["good", "barred"], 12), "age": cycle([30, 31, 32, 33, 34], 12)}
    pd.DataFrame(people).to_csv(tmp_path / "people.csv", index=False)
    roles = guess_roles(path)
    assert roles.giveaways == ("status",)
    assert roles.of_user.all == ("age",)


def test_linked_tables_are_named_from_where_the_experiment_lies(tmp_path):
    (tmp_path / "data").mkdir()
    path = table(tmp_path / "data", author=cycle([f"anna{k}" for k in range(12)]), label=cycle(["a", "b"]))
    pd.DataFrame({"name": [f"anna{k}" for k in range(12)], "age": range(12)}).to_csv(tmp_path / "data" / "people.csv", index=False)
    dataset = parse_yaml(guess_experiment(path, tmp_path), "x")["dataset"]
    assert dataset["users"]["path"] == "data/people.csv"


def test_two_groups_are_too_few_to_split_by(tmp_path):
    path = table(tmp_path, group=cycle(["control", "treatment"]), label=cycle(["a", "b", "b", "a", "a"]))
    roles = guess_roles(path)
    assert roles.group is None
    assert len(read(path)) == 60


@pytest.mark.parametrize("join", [json.dumps, "|".join])
def test_lists_of_labels_are_a_target_however_many_combinations_there_are(tmp_path, join):
    words = [f"tag{k}" for k in range(10)]
    values = [join([words[k % 10], words[k * 3 % 10], words[k // 7 % 10]]) for k in range(60)]
    roles = guess_roles(table(tmp_path, tags=values))
    assert (roles.target, roles.task) == ("tags", "multilabel")
