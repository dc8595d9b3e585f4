"""Users, interactions and joined columns hang on their samples, and what does not is counted."""

import math

import pandas as pd
import pytest

from graphfuse.core.build import build
from graphfuse.core.errors import InputError
from graphfuse.core.tables import FILE_ROW

POSTS = "id,who,text\np1,u1,a\np2,u2,b\np3,,c\np4,u9,d\n"
USERS = "name,fans\nu1,10\nu2,20\n,5\nu1,30\n"
REPLIES = """rid,post,by,what,when,parent
r1,p1,u2,reply,100,
r2,p1,u1,reply,200,r1
r3,p1,u7,like,soon,p1
r4,p2,u1,reply,300,r1
r5,p2,u1,reply,,r5
r6,p2,u1,reply,,gone
r1,p2,u1,reply,,
,p2,u1,reply,,
r8,p99,u1,reply,,
"""


def manifest(folder, *, posts=POSTS, **settings):
    (folder / "posts.csv").write_text(posts)
    for name, content in (("users.csv", USERS), ("replies.csv", REPLIES)):
        if not (folder / name).exists():
            (folder / name).write_text(content)
    section = {"name": "table", "path": "posts.csv", "sample_id": "id", "user_id": "who", "split": {"by": "random", "test": 0}}
    return build("datasets", section | settings, "dataset").manifest(folder)


USERS_SETTINGS = {"path": "users.csv", "user_id": "name"}
REPLIES_SETTINGS = {
    "path": "replies.csv",
    "interaction_id": "rid",
    "sample_id": "post",
    "user_id": "by",
    "kind": "what",
    "time": "when",
    "reply_to": "parent",
}


def reasons(result, table):
    return [(r.row, r.key, r.reason) for r in result.rejections if r.table == table]


def test_users_have_one_row_each_and_the_rest_is_counted(tmp_path):
    result = manifest(tmp_path, users=USERS_SETTINGS)
    assert result.linked["users"][["user_id", "fans"]].to_dict("list") == {"user_id": ["u1", "u2"], "fans": ["10", "20"]}
    assert reasons(result, "users") == [(2, "", "empty_id"), (3, "u1", "duplicate_id")]
    assert "the first is taken" in result.rejections[1].detail


def test_a_user_key_without_a_row_is_counted_and_its_sample_stays(tmp_path):
    result = manifest(tmp_path, users=USERS_SETTINGS)
    assert result.samples["user_id"].tolist() == ["u1", "u2", "", "u9"]
    assert reasons(result, "samples") == [(3, "p4", "user_without_row")]
    assert not result.rejections[-1].dropped
    assert "A user must have a row in the users table (got 'u9')" in result.rejections[-1].detail


def test_interactions_have_their_canonical_columns(tmp_path):
    result = manifest(tmp_path, interactions=REPLIES_SETTINGS)
    frame = result.linked["interactions"]
    assert frame["interaction_id"].tolist() == ["r1", "r2", "r3", "r4", "r5", "r6"]
    assert frame["sample_id"].tolist() == ["p1"] * 3 + ["p2"] * 3
    assert frame["user_id"].tolist() == ["u2", "u1", "u7", "u1", "u1", "u1"]
    assert frame["kind"].tolist()[2] == "like"
    assert frame["time"].tolist()[:2] == [100.0, 200.0]
    assert math.isnan(frame["time"][2])
    assert isinstance(frame.index, pd.RangeIndex)


def test_a_reply_answers_an_interaction_of_its_own_sample_or_the_sample(tmp_path):
    result = manifest(tmp_path, interactions=REPLIES_SETTINGS)
    assert result.linked["interactions"]["reply_to"].tolist() == ["", "r1", "", "", "", ""]
    assert reasons(result, "interactions") == [
        (7, "", "empty_id"),
        (8, "r8", "unknown_sample"),
        (6, "r1", "duplicate_id"),
        (2, "r3", "bad_time"),
        (3, "r4", "unknown_reply"),
        (4, "r5", "unknown_reply"),
        (5, "r6", "unknown_reply"),
    ]
    assert not any(rejection.dropped for rejection in result.rejections)


def test_linked_rows_keep_their_place_in_the_file(tmp_path):
    result = manifest(tmp_path, users=USERS_SETTINGS, interactions=REPLIES_SETTINGS)
    assert result.linked["users"][FILE_ROW].tolist() == [0, 1]
    assert result.linked["interactions"][FILE_ROW].tolist() == [0, 1, 2, 3, 4, 5]


def test_an_id_that_sample_and_interaction_share_is_answered_as_the_interaction(tmp_path):
    (tmp_path / "replies.csv").write_text("rid,post,by,what,when,parent\np1,p1,u1,a,1,p1\nr2,p1,u2,a,2,p1\nr3,p2,u2,a,2,p2\n")
    result = manifest(tmp_path, interactions=REPLIES_SETTINGS)
    assert result.linked["interactions"]["reply_to"].tolist() == ["", "p1", ""]
    assert reasons(result, "interactions") == []


def test_users_of_interactions_are_looked_up_too(tmp_path):
    result = manifest(tmp_path, users=USERS_SETTINGS, interactions=REPLIES_SETTINGS)
    assert (2, "r3", "user_without_row") in reasons(result, "interactions")


def test_interactions_need_no_more_than_a_sample(tmp_path):
    result = manifest(tmp_path, interactions={"path": "replies.csv", "sample_id": "post"})
    frame = result.linked["interactions"]
    assert frame["interaction_id"].tolist() == [str(i) for i in range(8)]
    assert set(frame["user_id"]) == set(frame["kind"]) == set(frame["reply_to"]) == {""}
    assert frame["time"].isna().all()


def test_missing_columns_of_linked_tables_are_named_together(tmp_path):
    settings = REPLIES_SETTINGS | {"kind": "wat", "text": "body"}
    with pytest.raises(InputError) as error:
        manifest(
            tmp_path, users={"path": "users.csv", "user_id": "nam"}, interactions=settings, joins=[{"path": "users.csv", "key": "idd"}]
        )
    assert "'users.user_id' must name a column of users.csv (got 'nam'). Did you mean 'name'?" in str(error.value)
    assert "'interactions.kind' must name a column of replies.csv (got 'wat'). Did you mean 'what'?" in str(error.value)
    assert "'interactions.text'" in str(error.value)
    assert "'joins.0.key' must name a column of the table (got 'idd'). Did you mean 'id'?" in str(error.value)


def test_an_interactions_table_may_be_empty(tmp_path):
    (tmp_path / "replies.csv").write_text("rid,post,by,what,when,parent\n")
    assert len(manifest(tmp_path, interactions=REPLIES_SETTINGS, users=USERS_SETTINGS).linked["interactions"]) == 0


def test_interactions_of_other_samples_are_passed_over_for_new_rows(tmp_path):
    manifest(tmp_path)
    (tmp_path / "new.csv").write_text("id,who\np2,u2\n")
    section = {"name": "table", "path": "posts.csv", "sample_id": "id", "user_id": "who", "interactions": REPLIES_SETTINGS}
    result = build("datasets", section, "dataset").for_prediction(tmp_path / "new.csv").manifest(tmp_path)
    assert result.linked["interactions"]["interaction_id"].tolist() == ["r4", "r5", "r6", "r1"]
    assert not [r for r in result.rejections if r.reason == "unknown_sample"]


def test_joined_columns_come_from_the_table_that_has_the_row(tmp_path):
    (tmp_path / "a.csv").write_text("id, x, y\np1,1,2\np2,3,4\np1,9,9\n")
    (tmp_path / "b.csv").write_text("id, x, y\np3,5,6\np77,0,0\n")
    result = manifest(tmp_path, joins=[{"path": "a.csv", "key": "id"}, {"path": "b.csv", "key": "id"}])
    assert result.samples["x"].tolist() == ["1", "3", "5", ""]
    assert result.samples["y"].tolist() == ["2", "4", "6", ""]
    assert reasons(result, "a.csv") == [(2, "p1", "duplicate_key")]
    assert reasons(result, "samples") == [(3, "p4", "no_joined_row")]


def test_a_target_may_come_from_a_joined_table(tmp_path):
    (tmp_path / "a.csv").write_text("id,label\n" + "".join(f"p{i},{i % 2}\n" for i in range(1, 5)))
    result = manifest(tmp_path, joins=[{"path": "a.csv", "key": "id"}], target="label")
    assert result.samples["label"].tolist() == ["1", "0", "1", "0"]


def test_a_joined_table_may_not_overwrite(tmp_path):
    (tmp_path / "a.csv").write_text("id,text\np1,z\n")
    with pytest.raises(InputError, match=r"may not bring a column that the samples have \('text' of a.csv\)"):
        manifest(tmp_path, joins=[{"path": "a.csv", "key": "id"}])
    (tmp_path / "b.csv").write_text("id,x\np1,z\n")
    with pytest.raises(InputError, match="Two joined tables may not give 'x' to the same row"):
        manifest(tmp_path, joins=[{"path": "b.csv", "key": "id"}, {"path": "b.csv", "key": "id"}])


def test_bad_rows_of_linked_tables_do_not_count_as_samples(tmp_path):
    (tmp_path / "users.csv").write_text("name,fans\nu1\nu2,3\n")
    result = manifest(tmp_path, users=USERS_SETTINGS)
    assert reasons(result, "users") == [(0, "", "bad_row")]
    assert not any(rejection.dropped for rejection in result.rejections)


def test_linked_tables_may_be_of_other_formats_and_lie_beside_the_table(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "users.jsonl").write_text('{"name": "u1", "verified": true}\n')
    (data / "posts.csv").write_text(POSTS)
    section = {"name": "table", "path": "data/posts.csv", "sample_id": "id", "user_id": "who", "split": {"by": "random"}}
    section["users"] = {"path": "users.jsonl", "user_id": "name"}
    result = build("datasets", section, "dataset").manifest(tmp_path)
    assert result.linked["users"]["verified"].tolist() == ["true"]
    assert result.root == data


def test_columns_that_settings_do_not_read_keep_their_cells_under_another_name(tmp_path):
    (tmp_path / "users.csv").write_text("name,user_id\nu1,7\nu2,8\n")
    (tmp_path / "replies.csv").write_text("post,by,time,kind,sample,kind_in_file\np1,u2,31,a,x,f\np2,u1,45,b,y,g\n")
    result = manifest(tmp_path, users=USERS_SETTINGS, interactions={"path": "replies.csv", "sample_id": "post", "kind": "time"})
    users, replies = result.linked["users"], result.linked["interactions"]
    assert users[["user_id", "user_id_in_file"]].to_numpy().tolist() == [["u1", "7"], ["u2", "8"]]
    cells = replies[["time_in_file", "kind", "kind_in_file_in_file", "kind_in_file", "sample"]].to_numpy().tolist()
    assert cells == [["31", "31", "a", "f", "x"], ["45", "45", "b", "g", "y"]]
    assert replies["time"].isna().all()
