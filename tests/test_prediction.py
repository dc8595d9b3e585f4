"""A predictor gives rows that a program holds what the command gives a file of them."""

import contextlib
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

import graphfuse as gf
from graphfuse.core import cache
from graphfuse.core.errors import InputError
from graphfuse.prediction import Predictor

POSTS = Path(__file__).parents[1] / "data" / "posts"
EXPERIMENT = """
dataset:
  name: table
  path: posts/posts.csv
  sample_id: post_id
  target: label
  user_id: author
  time: created
  pictures: {columns: [image], folder: images}
  users: {path: users.csv, user_id: id}
  interactions: {path: replies.csv, interaction_id: id, sample_id: post_id, user_id: who, time: when, reply_to: parent, text: body}
  split: {by: column, column: split}
modalities:
  - {name: text, column: text, encoder: {name: hashed_ngrams, channels: 64}}
  - {name: image, grid: 2, encoder: {name: image_statistics}}
  - {name: user, numeric: [followers]}
  - {name: interaction, text: body}
edges: [{name: sequence}, {name: similarity, dimensions: 8}, {name: membership}, {name: authorship}, {name: reference}]
task: {name: classification}
model: {name: relational_mean, hidden_channels: 8}
train: {epochs: 2, threads: 1}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with posts and a run that was trained on them."""
    folder = tmp_path_factory.mktemp("prediction")
    shutil.copytree(POSTS, folder / "posts")
    (folder / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    gf.convert(folder / "experiment.yaml", folder / "store")
    gf.train(folder / "experiment.yaml", folder / "store", folder / "run")
    return folder


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Predictor:
    return gf.open_predictor(folder / "run", folder=folder)


def posts(folder: Path) -> pd.DataFrame:
    rows = pd.read_csv(folder / "posts" / "posts.csv", dtype=str, keep_default_na=False)
    return rows[rows["split"] == "test"].drop(columns=["split"])


def test_the_test_rows_get_the_numbers_of_the_evaluation_to_the_last_bit(folder: Path, predictor: Predictor) -> None:
    predictions, quarantine = predictor.predict(posts(folder))
    evaluated = pd.read_parquet(folder / "run" / "predictions-test.parquet")
    pd.testing.assert_frame_equal(predictions, evaluated, check_exact=True)
    assert len(quarantine) == 0


def test_a_run_without_edges_predicts_rows_as_it_was_evaluated(folder: Path) -> None:
    (folder / "plain.yaml").write_text(
        re.sub(r"edges: .*", "edges: []", EXPERIMENT).replace("relational_mean, hidden_channels: 8", "concat"), encoding="utf-8"
    )
    gf.convert(folder / "plain.yaml", folder / "plain-store")
    gf.train(folder / "plain.yaml", folder / "plain-store", folder / "plain-run")
    predictions, _ = gf.open_predictor(folder / "plain-run", folder=folder).predict(posts(folder))
    pd.testing.assert_frame_equal(predictions, pd.read_parquet(folder / "plain-run" / "predictions-test.parquet"), check_exact=True)


def test_a_file_of_the_same_rows_gets_the_same_answers_and_the_same_quarantine(folder: Path, predictor: Predictor) -> None:
    rows = [
        {"post_id": "a", "text": "Someone drew a red cross.", "image": "gone.png", "author": "nobody"},
        {"post_id": "b", "text": "", "image": "../posts.csv", "author": ""},
        {"post_id": "", "text": "Without an id."},
    ]
    pd.DataFrame(rows).to_csv(folder / "posts" / "new.csv", index=False)
    with contextlib.chdir(folder):
        gf.predict("run", "posts/new.csv", "new.parquet")
    predictions, quarantine = predictor.predict(rows)
    pd.testing.assert_frame_equal(predictions, pd.read_parquet(folder / "new.parquet"), check_exact=True)
    assert {"picture_missing", "path_outside", "user_without_row", "empty_id"} <= set(quarantine["reason"])
    other = pd.read_parquet(folder / "new.quarantine.parquet")
    columns = ["table", "row", "key", "reason", "dropped"]
    assert sorted(quarantine[columns].itertuples(index=False)) == sorted(other[columns].itertuples(index=False))


def test_one_by_one_rows_get_what_they_get_together(folder: Path, predictor: Predictor) -> None:
    together = predictor.predict(posts(folder).head(4))[0].filter(like="probability_")
    alone = [predictor.predict([row])[0].filter(like="probability_") for row in posts(folder).head(4).to_dict("records")]
    pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), together, rtol=1e-5)


def test_users_and_interactions_can_be_given_instead_of_those_on_disk(folder: Path, predictor: Predictor) -> None:
    row = posts(folder).iloc[[0]]
    users = pd.read_csv(folder / "posts" / "users.csv", dtype=str)
    same, _ = predictor.predict(row, users=users)
    pd.testing.assert_frame_equal(same, predictor.predict(row)[0], check_exact=True)
    other, quarantine = predictor.predict(
        row,
        users=[{"id": "somebody", "followers": 3}],
        interactions=[{"id": "r", "post_id": row["post_id"].iloc[0], "who": "somebody", "when": "", "parent": "", "body": "No."}],
    )
    assert quarantine["reason"].tolist() == ["user_without_row"]
    assert not other.filter(like="probability_").equals(same.filter(like="probability_"))


def test_an_empty_list_is_a_table_without_rows(folder: Path, predictor: Predictor) -> None:
    row = posts(folder).iloc[[0]]
    replies = pd.read_csv(folder / "posts" / "replies.csv").iloc[:0]
    users = pd.read_csv(folder / "posts" / "users.csv").iloc[:0]
    expected, _ = predictor.predict(row, interactions=replies, users=users)
    found, _ = predictor.predict(row, interactions=[], users=[])
    pd.testing.assert_frame_equal(found, expected)
    with_replies, _ = predictor.predict(row)
    assert not found.equals(with_replies)


def test_numbers_and_missing_cells_of_a_frame_mean_what_they_mean_in_a_file(folder: Path, predictor: Predictor) -> None:
    rows = posts(folder).head(2).assign(image=[None, float("nan")])
    expected = predictor.predict(rows.assign(image=""))[0]
    pd.testing.assert_frame_equal(predictor.predict(rows)[0], expected, check_exact=True)


def test_nothing_is_read_from_or_written_to_a_cache(folder: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a cache was opened")

    monkeypatch.setattr(cache.FeatureCache, "_connect", refuse)
    assert len(predictor.predict([{"post_id": "c", "text": "A new sentence about a blue square.", "image": ""}])[0]) == 1


def test_rows_of_which_none_can_be_used_are_refused_with_the_reasons(folder: Path, predictor: Predictor) -> None:
    with pytest.raises(InputError, match="must have an id"):
        predictor.predict([{"post_id": "", "text": "x", "image": "", "author": "", "created": ""}])
    with pytest.raises(InputError, match="must have rows"):
        predictor.predict(posts(folder).head(0))


@pytest.mark.parametrize("rows", [{"post_id": "a", "text": "b"}, ["p1"], [3]])
def test_one_row_alone_is_asked_for_in_a_list(predictor: Predictor, rows: object) -> None:
    with pytest.raises(InputError, match=r"a list of mappings \(got .* as one row\)\. Put a row in a list"):
        predictor.predict(rows)  # type: ignore[arg-type]


def test_names_and_ids_may_stand_alone_and_be_numbers(folder: Path, tmp_path: Path) -> None:
    looked = gf.analyse(
        folder / "run", folder / "store", tmp_path / "looks", analyses="attention", samples=posts(folder)["post_id"].iloc[0]
    )
    assert list(looked["scores"]) == ["attention"]
    with pytest.raises(InputError, match=r"A sample must be in the store \(got '59999'\)"):
        gf.analyse(folder / "run", folder / "store", tmp_path / "none", analyses="attention", samples=[59999])  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"A sample must be in the store \(got '59999'\)"):
        gf.inspect(folder / "store", 59999)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"must be among the scored \(got '59999'\)"):
        gf.export(tmp_path / "looks", "json", tmp_path / "none.json", 59999)  # type: ignore[arg-type]
