"""Columns of ids that are not quite in order."""

import json

import numpy as np
import pandas as pd
import pytest
from guessing_toys import read, sentences

from graphfuse.core.errors import InputError
from graphfuse.core.strict_yaml import parse_yaml
from graphfuse.guessing.experiment_text import guess_experiment
from graphfuse.guessing.table_roles import guess_roles

ROWS = 200


def posts(folder, ids: dict[int, str], rows: int = ROWS, **columns):
    """Write posts, some ids of which are changed, and replies to them."""
    names = [ids.get(k, f"p{k}") for k in range(rows)]
    labels = np.random.default_rng(0).choice(["a", "b"], rows)
    pd.DataFrame({"post_id": names, "text": sentences(rows), "label": labels, **columns}).to_csv(folder / "posts.csv", index=False)
    replies = {"reply_id": [f"r{k}" for k in range(3 * rows)], "post_id": [f"p{k % rows}" for k in range(3 * rows)]}
    replies |= {"who": [f"u{k % 31}" for k in range(3 * rows)], "when": [f"2024-01-{k % 28 + 1:02d}" for k in range(3 * rows)]}
    pd.DataFrame(replies | {"body": sentences(3 * rows, 1)}).to_csv(folder / "replies.csv", index=False)
    return folder / "posts.csv"


@pytest.mark.parametrize("rows", [30, ROWS])
def test_an_id_that_repeats_once_is_still_the_id_and_it_says_which(tmp_path, rows):
    path = posts(tmp_path, {9: "p3"}, rows)
    text = guess_experiment(path)
    dataset = parse_yaml(text, "x")["dataset"]
    assert (dataset["sample_id"], dataset["interactions"]["sample_id"]) == ("post_id", "post_id")
    assert "user_id" not in dataset
    assert "# Beware: post_id repeats in 1 row, such as p3." in text
    assert "# convert refuses ids that repeat: remove those rows." in text
    with pytest.raises(InputError, match="A sample id must stand in one row"):
        read(path)


def test_rows_without_an_id_are_counted_and_left_out_by_convert(tmp_path):
    path = posts(tmp_path, {5: "", 7: " "})
    assert "# Beware: post_id is empty in 2 rows. convert leaves out rows without an id" in guess_experiment(path)
    assert len(read(path)) == ROWS - 2


def test_a_word_for_nothing_is_an_id_like_others(tmp_path):
    path = posts(tmp_path, {5: "NA"})
    assert "sample_id: post_id   # every row has a value of its own" in guess_experiment(path)
    assert len(read(path)) == ROWS


def test_a_second_column_of_ids_is_no_user(tmp_path):
    tweets = [f"t{k % 198}" for k in range(ROWS)]
    roles = guess_roles(posts(tmp_path, {}, tweet_id=tweets))
    assert (roles.sample_id, roles.user_id) == ("post_id", None)


@pytest.mark.parametrize("name", ["user_id", "story_id"])
def test_users_and_groups_that_seldom_repeat_are_no_samples(tmp_path, name):
    rows = [{name: f"x{k % 198}", "text": text, "label": "ab"[k * k % 3 % 2]} for k, text in enumerate(sentences(ROWS))]
    (tmp_path / "posts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert guess_roles(tmp_path / "posts.jsonl").sample_id is None


@pytest.mark.parametrize("order", [["score", "text", "slug"], ["slug", "text", "score"], ["score", "text"]])
def test_numbers_that_all_differ_are_a_target_rather_than_an_id(tmp_path, order):
    columns = {"score": np.arange(ROWS) * 7 % 997, "text": sentences(ROWS), "slug": [f"s{k}" for k in range(ROWS)]}
    pd.DataFrame(columns)[order].to_csv(tmp_path / "table.csv", index=False)
    roles = guess_roles(tmp_path / "table.csv")
    assert (roles.target, roles.task) == ("score", "regression")
    assert roles.sample_id == ("slug" if "slug" in order else None)
