"""Results by group: columns of the raw table, found by id, cut where train rows say so."""

import numpy as np
import pandas as pd
import pytest
import torch
from rule_network import network
from store_of_posts import store_of_posts

from graphfuse.comparison.groups import MOST_GROUPS, OTHERS, UNKNOWN, _order, measure_groups, name_groups, read_groups
from graphfuse.core.errors import ConfigError
from graphfuse.store.graph_store import open_store
from graphfuse.tasks.classification import Classification
from graphfuse.training.predict import Outputs, collect

TRAIN = pd.Series(["train"] * 100)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(store_of_posts(tmp_path_factory.mktemp("store"), 40))


def table_of(folder, store, **columns):
    """Write the raw table of a store, in another order, with a row that the store has not."""
    frame = pd.DataFrame({"id": [*store.samples["sample_id"], "left out"], "label": [*store.samples["label"], "yes"]})
    frame = frame.assign(**{name: [*values, values[0]] for name, values in columns.items()})
    frame.iloc[::-1].to_csv(folder / "posts.csv", index=False)
    return {"name": "table", "path": "posts.csv", "sample_id": "id", "target": "label"}


def test_a_column_of_the_raw_table_is_found_by_id(tmp_path, store):
    language = [["de", "en", ""][i % 3] for i in range(40)]
    groups = read_groups(store, table_of(tmp_path, store, language=language), tmp_path, ["language"])
    assert groups["language"].tolist() == [word or UNKNOWN for word in language]


def test_authors_are_grouped_by_how_much_they_wrote(tmp_path, store):
    authors = ["a"] * 30 + ["b"] * 8 + ["", "c"]
    dataset = {**table_of(tmp_path, store, who=authors), "user_id": "who"}
    groups = read_groups(store, dataset, tmp_path, ["author_activity"])
    # the row that the store has not is the author's as well
    assert groups["author_activity"].tolist() == ["31"] * 30 + ["8"] * 8 + [UNKNOWN, "1"]


def test_all_columns_that_are_not_there_are_named_at_once(tmp_path, store):
    dataset = table_of(tmp_path, store, language=["de"] * 40)
    with pytest.raises(ConfigError) as caught:
        read_groups(store, dataset, tmp_path, ["langauge", "author_activity"])
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0] == "compare.groups: the data set has no column 'langauge'. Did you mean 'language'?"


def test_numbers_are_cut_at_the_quartiles_of_the_train_rows():
    values = pd.Series([*range(1, 101), *(1000 + number for number in range(1, 101)), None], dtype=object)
    split = pd.Series(["train"] * 100 + ["test"] * 101)
    groups = name_groups(values, split)
    assert groups[:100].value_counts().to_dict() == {
        "1. up to 25": 25,
        "2. above 25 up to 50": 25,
        "3. above 50 up to 75": 25,
        "4. above 75": 25,
    }
    assert set(groups[100:200]) == {"4. above 75"}
    assert groups[200] == UNKNOWN
    assert groups[24] == "1. up to 25"


def test_groups_are_in_the_order_of_their_numbers_and_what_is_no_value_is_told_from_values(store):
    cells = ["10", "9", "unknown", "", "others"] * 8
    groups = name_groups(pd.Series(cells, name="c"), pd.Series(["test"] * 40))
    assert groups.tolist() == ["10", "9", "unknown", UNKNOWN, "others"] * 8
    assert sorted(set(groups), key=_order) == ["9", "10", "others", "unknown", UNKNOWN]


def test_few_different_numbers_are_groups_of_their_own():
    assert set(name_groups(pd.Series([0, 1, 5] * 33 + [0]), TRAIN)) == {"0", "1", "5"}


def test_one_value_in_most_rows_makes_fewer_parts():
    groups = name_groups(pd.Series([0] * 80 + list(range(1, 21))), TRAIN)
    assert groups.value_counts().to_dict() == {"1. up to 0": 80, "2. above 0": 20}


def test_times_are_cut_at_days():
    times = pd.Series([f"2013-0{1 + i // 25}-{1 + i % 25:02d}T12:00:00" for i in range(100)])
    assert sorted(set(name_groups(times, TRAIN)))[:2] == ["1. up to 2013-01-25", "2. above 2013-01-25 up to 2013-02-25"]


def test_texts_that_are_rare_among_the_test_rows_are_together():
    events = [f"event {i % 30:02d}" for i in range(60)] + ["event 07"] * 30 + ["only in train"] * 10
    split = pd.Series(["test"] * 90 + ["train"] * 10)
    groups = name_groups(pd.Series(events), split)
    assert len(set(groups)) == MOST_GROUPS + 1
    assert groups[7] == "event 07"
    assert groups[99] == OTHERS


def test_each_group_is_measured_on_its_test_rows_over_seeds(store):
    groups = pd.Series(np.where(np.arange(40) < 20, "early", "late"), name="half")
    networks = [network(), network()]
    outputs = [collect([one], store.batches("test", batch_size=7)) for one in networks]
    wrong = Outputs(logits=(outputs[1].logits[0].flip(1),), positions=outputs[1].positions, y=outputs[1].y)
    entries = measure_groups("rule", [outputs[0], wrong], groups, Classification(), store.target, "accuracy")
    assert [(entry["group"], entry["rows"]) for entry in entries] == [("early", 5), ("late", 5)]
    assert all(entry["mean"] == 0.5 and entry["low"] < 0.5 < entry["high"] for entry in entries), "one seed right, one wrong"
    assert {(entry["name"], entry["column"]) for entry in entries} == {("rule", "half")}


def test_the_groups_together_are_the_whole(store):
    rng = np.random.default_rng(0)
    positions = torch.arange(40)
    outputs = Outputs(logits=(torch.tensor(rng.normal(size=(40, 2))),), positions=positions, y=torch.tensor(rng.integers(0, 2, 40)))
    groups = pd.Series(rng.choice(["x", "y", "z"], 40), name="letter")
    entries = measure_groups("any", [outputs], groups, Classification(), store.target, "accuracy")
    whole = Classification().metrics(outputs.logits[0], outputs.y, store.target)["accuracy"]
    assert sum(entry["rows"] * entry["mean"] for entry in entries) / 40 == pytest.approx(whole)
    assert entries[0]["low"] is None


def test_rows_without_target_do_not_count_and_an_undefined_metric_is_none(store):
    outputs = Outputs(logits=(torch.zeros(4, 2),), positions=torch.arange(4), y=torch.tensor([1, 1, -1, -1]))
    groups = pd.Series(["a", "a", "a", "b"] + ["c"] * 36, name="letter")
    entries = measure_groups("any", [outputs], groups, Classification(), store.target, "roc_auc")
    assert entries == [{"name": "any", "column": "letter", "group": "a", "rows": 2, "mean": None, "low": None, "high": None}]
    assert measure_groups("failed", [], groups, Classification(), store.target, "accuracy") == []
