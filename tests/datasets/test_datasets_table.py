"""A table becomes a manifest; every row is a sample or a dropped rejection."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError, InputError
from graphfuse.core.tables import Manifest
from graphfuse.datasets.table import Table
from graphfuse.reading.raw_table import read_table

POSTS = pd.DataFrame({"id": [f"p{i}" for i in range(20)], "text": ["words"] * 20, "label": ["a", "b"] * 10})


def table(folder: Path, frame: pd.DataFrame = POSTS, **settings) -> Manifest:
    frame.to_csv(folder / "posts.csv", index=False)
    return build("datasets", {"name": "table", "path": "posts.csv", **settings}, "dataset").manifest(folder)


def message(folder: Path, frame: pd.DataFrame = POSTS, **settings) -> str:
    with pytest.raises(InputError) as error:
        table(folder, frame, **settings)
    return str(error.value)


def test_a_manifest_has_the_canonical_columns_beside_those_of_the_file(tmp_path):
    frame = POSTS.assign(who="u1", when="2020-01-01", event=["x_1", "y_2"] * 10)
    manifest = table(
        tmp_path,
        frame,
        sample_id="id",
        target="label",
        user_id="who",
        time="when",
        group={"column": "event", "pattern": "^([a-z]+)_"},
        split={"by": "random"},
    )
    samples = manifest.samples
    assert set(frame.columns) | {"sample_id", "source_row", "user_id", "time", "group", "split"} == set(samples.columns)
    assert isinstance(samples.index, pd.RangeIndex)
    assert samples["sample_id"].tolist() == frame["id"].tolist()
    assert samples["source_row"].tolist() == list(range(20))
    assert samples["time"].tolist() == [1577836800.0] * 20
    assert samples["group"].tolist() == ["x", "y"] * 10
    assert manifest.target == ("label",)
    assert manifest.root == tmp_path
    assert manifest.rejections == ()


def test_without_an_id_column_the_row_number_is_the_id(tmp_path):
    assert table(tmp_path).samples["sample_id"].tolist() == [str(i) for i in range(20)]


def test_several_targets_are_kept(tmp_path):
    assert table(tmp_path, target=["label", "text"]).target == ("label", "text")


def test_all_missing_columns_are_named_at_once_with_the_nearest_names(tmp_path):
    text = message(
        tmp_path,
        sample_id="idd",
        target=["labl", "text"],
        user_id="nobody",
        split={"by": "column", "column": "x"},
        rename={"image": "image_id(s)"},
    )
    assert "Setting 'sample_id' must name a column of the table (got 'idd'). Did you mean 'id'?" in text
    assert "Setting 'target' must name a column of the table (got 'labl'). Did you mean 'label'?" in text
    assert "'user_id' must name a column of the table (got 'nobody'). Known names: id, label, text." in text
    assert "'split.column'" in text
    assert "'rename.image'" in text
    assert len(text.splitlines()) == 5


def test_all_missing_files_are_named_at_once_with_the_nearest_name(tmp_path):
    text = message(
        tmp_path,
        path="post.csv",
        users={"path": "users.csv"},
        interactions={"path": "no/replies.csv", "sample_id": "id"},
        pictures={"columns": ["text"], "folder": "img"},
    )
    assert "post.csv). Did you mean 'posts.csv'?" in text
    assert "users.csv). Did you mean 'posts.csv'?" in text
    assert f"There is no folder {tmp_path / 'no'}" in text
    assert "The picture folder must be a folder that exists" in text
    assert "Name the file in it." in message(tmp_path, path=".")


def test_a_repeated_id_names_both_rows(tmp_path):
    frame = pd.DataFrame({"id": ["a", "b", "a", "b", "a"]})
    text = message(tmp_path, frame, sample_id="id")
    assert "A sample id must stand in one row (got 'a' in posts.csv row 0 and posts.csv row 2" in text
    assert "1 more ids repeat" in text


def test_ids_that_only_compose_differently_are_the_same_id_and_others_are_not(tmp_path):
    assert "posts.csv row 1" in message(tmp_path, pd.DataFrame({"id": ["é", "e\u0301"]}), sample_id="id")
    ids = ["1", "01", "1.0", " 1", "1 ", "A", "a", "NA", "\u200b1"]
    assert table(tmp_path, pd.DataFrame({"id": ids}), sample_id="id").samples["sample_id"].tolist() == ids


def test_rows_without_an_id_are_dropped_and_counted(tmp_path):
    frame = pd.DataFrame({"id": ["a", "", " ", "d"], "text": "x"})
    manifest = table(tmp_path, frame, sample_id="id", split={"by": "random", "test": 0})
    assert manifest.samples["sample_id"].tolist() == ["a", "d"]
    assert manifest.samples["source_row"].tolist() == [0, 3]
    assert [(r.table, r.row, r.reason, r.dropped) for r in manifest.rejections] == [
        ("samples", 1, "empty_id", True),
        ("samples", 2, "empty_id", True),
    ]


def test_an_empty_table_says_so(tmp_path):
    assert "posts.csv has none). Add rows to it." in message(tmp_path, POSTS[:0])
    assert "The first was left out: A sample must have an id" in message(tmp_path, pd.DataFrame({"id": ["", ""], "t": "x"}), sample_id="id")


def test_times_that_cannot_be_read_are_rejected_and_the_row_stays(tmp_path):
    frame = POSTS.assign(when=[f"2020-01-{day:02}" for day in range(1, 19)] + ["soon", ""])
    manifest = table(tmp_path, frame, time="when")
    assert np.isnan(manifest.samples["time"]).sum() == 2
    reasons = [(r.row, r.reason) for r in manifest.rejections]
    assert reasons == [(18, "bad_time"), (18, "unknown_split"), (19, "unknown_split")]
    assert "(got 'soon')" in manifest.rejections[0].detail


def test_a_group_that_does_not_match_is_rejected_and_stands_for_itself(tmp_path):
    frame = POSTS.assign(event=["a_1", "b_1", "c_1", "d_1"] * 4 + ["", "??", "a_2", "b_2"])
    manifest = table(tmp_path, frame, group={"column": "event", "pattern": "^([a-z])_"})
    assert manifest.samples["group"].tolist()[-4:] == ["", "??", "a", "b"]
    assert [(r.row, r.reason) for r in manifest.rejections] == [(17, "group_unmatched")]


@pytest.mark.parametrize("name", ["user_id", "time", "group", "pictures", "sample_id", "source_row", "split"])
def test_a_canonical_name_is_set_aside_while_its_setting_is_null(tmp_path, name):
    manifest = table(tmp_path, POSTS.assign(**{name: "x"}), split={"by": "random"})
    assert manifest.samples[f"{name}_in_file"].tolist() == ["x"] * 20
    assert (name in manifest.samples) == (name in ("sample_id", "source_row", "split"))


def test_a_column_called_split_says_the_split_only_where_it_is_asked(tmp_path):
    frame = POSTS.assign(split=["train", "test"] * 10, fold=["test", "train"] * 10)
    asked = table(tmp_path, frame, split={"by": "column", "column": "split", "validation": 0})
    assert asked.samples["split"].tolist() == frame["split"].tolist()
    other = table(tmp_path, frame, split={"by": "column", "column": "fold", "validation": 0})
    assert other.samples["split"].tolist() == frame["fold"].tolist()
    assert other.samples["split_in_file"].tolist() == frame["split"].tolist()


def test_a_column_whose_name_means_something_else_is_refused(tmp_path):
    text = message(tmp_path, POSTS.assign(time="x", group="y"), time="label", target="group")
    assert "Column 'time' of the table has a fixed meaning here, and setting 'time' is read from 'label'." in text
    assert "Set `group: group`, or rename the column: `rename: {group_in_file: group}`." in text
    renamed = table(tmp_path, POSTS.assign(group="x"), rename={"kind": "group"}, target="kind")
    assert renamed.target == ("kind",)


def test_a_name_that_renaming_would_repeat_is_refused(tmp_path):
    assert "posts.csv repeats 'text'" in message(tmp_path, rename={"text": "label"})


def test_files_with_different_names_and_order_agree_by_renaming(tmp_path):
    POSTS[:15].rename(columns={"label": "label(s)"}).to_csv(tmp_path / "dev.csv", index=False)
    POSTS[15:][["label", "text", "id"]].to_csv(tmp_path / "test.csv", index=False)
    manifest = table(tmp_path, path={"train": "dev.csv", "test": "test.csv"}, rename={"label": "label(s)"}, sample_id="id", target="label")
    samples = manifest.samples
    assert samples["sample_id"].tolist() == POSTS["id"].tolist()
    assert (samples["split"][15:] == "test").all()
    assert set(samples["split"][:15]) == {"train", "validation"}
    assert samples["label"].tolist() == POSTS["label"].tolist()


def test_a_repeated_id_in_another_file_names_both_files(tmp_path):
    POSTS[:5].to_csv(tmp_path / "b.csv", index=False)
    assert "posts.csv row 0 and b.csv row 0" in message(tmp_path, path=["posts.csv", "b.csv"], sample_id="id")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"split": {"by": "group"}}, "split by group needs the setting `group`"),
        ({"split": {"by": "time"}}, "split by time needs the setting `time`"),
        ({"split": {"by": "column"}}, "split by column needs the setting `column`"),
        ({"split": {"by": "random", "test": 0.9, "validation": 0.2}}, "together below 1"),
        ({"split": {"by": "chance"}}, "'column', 'random', 'group' or 'time'"),
        ({"split": {"by": "random", "sed": 1}}, "dataset.split.sed"),
        ({"path": {"learn": "posts.csv"}}, "not 'learn'"),
        ({"path": {"train": "posts.csv"}, "split": {"by": "column", "column": "x"}}, "gives the split by file already"),
        ({"group": {"column": "text", "pattern": "("}}, "must be a regular expression"),
        ({"group": {"column": "text", "pattern": "x"}}, "must have a group in brackets"),
        ({"pictures": {"columns": ["text"], "separator": ""}}, "at least one character"),
        ({"format": "xlsx"}, "dataset.format"),
        ({"sampel_id": "id"}, "Did you mean 'sample_id'?"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, words):
    with pytest.raises(ConfigError) as error:
        build("datasets", {"name": "table", "path": "posts.csv", **settings}, "dataset")
    assert words in str(error.value)


def test_new_rows_need_no_target_no_split_and_no_group(tmp_path):
    frame = POSTS.assign(event=["x", "y"] * 10, part=["train"] * 19 + ["test"])
    frame.to_csv(tmp_path / "posts.csv", index=False)
    data = build(
        "datasets",
        {
            "name": "table",
            "path": "posts.csv",
            "sample_id": "id",
            "target": "label",
            "group": "event",
            "split": {"by": "column", "column": "part"},
        },
        "dataset",
    )
    assert data.manifest(tmp_path).target == ("label",)
    elsewhere = tmp_path / "new"
    elsewhere.mkdir()
    POSTS.drop(columns="label")[:2].to_parquet(elsewhere / "fresh.parquet")
    manifest = data.for_prediction(elsewhere / "fresh.parquet").manifest(tmp_path)
    assert manifest.target == ()
    assert manifest.samples["split"].tolist() == ["", ""]
    assert manifest.samples["sample_id"].tolist() == ["p0", "p1"]
    frame[:1].to_csv(elsewhere / "old.csv", index=False)
    assert data.for_prediction(elsewhere / "old.csv").manifest(tmp_path).target == ("label",)


def test_new_rows_may_come_without_author_pictures_and_linked_tables_and_it_is_counted(tmp_path):
    (tmp_path / "images").mkdir()
    POSTS.assign(who="u", image="a.png").to_csv(tmp_path / "posts.csv", index=False)
    pd.DataFrame({"user_id": ["u"]}).to_csv(tmp_path / "users.csv", index=False)
    section = {"name": "table", "path": "posts.csv", "sample_id": "id", "user_id": "who", "users": {"path": "users.csv"}}
    data = build("datasets", {**section, "pictures": {"columns": ["image"], "folder": "images"}}, "dataset")
    data.manifest(tmp_path)
    new = tmp_path / "new"
    new.mkdir()
    POSTS[:2].to_csv(new / "rows.csv", index=False)
    manifest = data.for_prediction(new / "rows.csv").manifest(Path("/nowhere"))
    assert len(manifest) == 2
    assert manifest.linked == {}
    assert not {"user_id", "pictures"} & set(manifest.samples)
    assert [(r.table, r.row, r.column, r.reason) for r in manifest.rejections] == [
        ("users", -1, "", "table_missing"),
        ("samples", -1, "who", "column_missing"),
        ("samples", -1, "image", "column_missing"),
    ]


def test_new_rows_still_need_a_file_and_their_ids(tmp_path):
    POSTS.to_csv(tmp_path / "posts.csv", index=False)
    data = build("datasets", {"name": "table", "path": "posts.csv", "sample_id": "id"}, "dataset")
    POSTS.drop(columns="id").to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(InputError, match="Setting 'sample_id' must name a column of the table"):
        data.for_prediction(tmp_path / "new.csv").manifest(tmp_path)
    with pytest.raises(InputError, match=r"Did you mean 'new\.csv'"):
        data.for_prediction(tmp_path / "nwe.csv").manifest(tmp_path)


def test_linked_tables_of_new_rows_are_found_beside_them_first(tmp_path):
    POSTS.assign(who="u").to_csv(tmp_path / "posts.csv", index=False)
    pd.DataFrame({"id": POSTS["id"], "extra": "old"}).to_csv(tmp_path / "extra.csv", index=False)
    pd.DataFrame({"user_id": ["u"], "f": [1]}).to_csv(tmp_path / "users.csv", index=False)
    section = {"name": "table", "path": "posts.csv", "sample_id": "id", "user_id": "who", "users": {"path": "users.csv"}}
    data = build("datasets", {**section, "joins": [{"path": "extra.csv", "key": "id"}]}, "dataset")
    new = tmp_path / "new"
    new.mkdir()
    POSTS.assign(who=["u", "w"] * 10)[:2].to_csv(new / "rows.csv", index=False)
    pd.DataFrame({"id": ["p0"], "extra": ["new"]}).to_csv(new / "extra.csv", index=False)
    manifest = data.for_prediction(new / "rows.csv").manifest(tmp_path)
    assert manifest.samples["extra"].tolist() == ["new", ""]
    assert manifest.linked["users"]["user_id"].tolist() == ["u"]
    assert [(r.key, r.reason) for r in manifest.rejections] == [("p1", "no_joined_row"), ("p1", "user_without_row")]


CELL = st.sampled_from(["", " ", "a", "b", "NA", 'x"', "1,2", "l\nm", "é"])


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(CELL, min_size=1, max_size=3), max_size=8), seed=st.integers(0, 3))
def test_rows_in_the_file_are_samples_plus_dropped_rejections(tmp_path_factory, rows, seed):
    folder = tmp_path_factory.mktemp("any")
    lines = [",".join([f"{'' if cells[0] in ' ' else number}", *cells]) for number, cells in enumerate(rows)]
    (folder / "posts.csv").write_text("id,x,y\n" + "\n".join(lines) + "\n", encoding="utf-8", newline="")
    data = Table(path="posts.csv", sample_id="id", split=None)
    try:
        manifest = data.manifest(folder)
    except InputError as error:
        assert "must have rows that can be used" in str(error) or "must stand in one row" in str(error)
        return
    dropped = [rejection for rejection in manifest.rejections if rejection.dropped]
    used = sorted([*manifest.samples["source_row"], *(rejection.row for rejection in dropped)])
    assert used == list(range(read_table(folder / "posts.csv").num_rows))
