"""Splits depend on the seed and the ids alone, and keep together what belongs together."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphfuse.core.errors import InputError
from graphfuse.reading.settings import Split
from graphfuse.reading.splits import assign_splits


def samples(n: int = 200, **columns) -> pd.DataFrame:
    ids = pd.Series([f"s{i}" for i in range(n)], dtype="str")
    return pd.DataFrame({"sample_id": ids, "y": ["a", "b", "b", "b"] * (n // 4), **columns})


def counts(labels) -> dict[str, int]:
    return pd.Series(labels).value_counts().to_dict()


def test_a_random_split_has_its_shares_in_every_class():
    frame = samples()
    labels, _ = assign_splits(frame, Split(by="random"), "y", None)
    assert counts(labels) == {"train": 140, "test": 40, "validation": 20}
    assert counts(labels[frame["y"] == "a"]) == {"train": 35, "test": 10, "validation": 5}


@pytest.mark.parametrize("by", ["random", "group", "time"])
def test_the_order_of_the_rows_does_not_matter_and_the_seed_does(by):
    frame = samples(group=[f"g{i % 37}" for i in range(200)], time=np.arange(200.0))
    labels, _ = assign_splits(frame, Split(by=by), "y", None)
    shuffled = frame.sample(frac=1, random_state=0)
    again, _ = assign_splits(shuffled, Split(by=by), "y", None)
    assert pd.Series(again, index=shuffled.index).sort_index().tolist() == labels.tolist()
    if by != "time":
        other, _ = assign_splits(frame, Split(by=by, seed=1), "y", None)
        assert other.tolist() != labels.tolist()


def test_a_class_of_one_row_stays_in_train():
    frame = samples(40)
    frame.loc[3, "y"] = "rare"
    for seed in range(20):
        labels, _ = assign_splits(frame, Split(by="random", seed=seed), "y", None)
        assert labels[3] == "train"


@pytest.mark.parametrize(("rows", "values"), [(200, 200), (40, 40), (60, 46)])
def test_a_target_whose_values_hardly_repeat_is_not_stratified(rows, values):
    frame = samples(rows).assign(y=[str(i % values / 7) for i in range(rows)])
    labels, _ = assign_splits(frame, Split(by="random"), "y", None)
    assert counts(labels) == {"train": 0.7 * rows, "test": 0.2 * rows, "validation": 0.1 * rows}


def test_lists_as_target_can_be_split():
    labels, _ = assign_splits(samples(8).assign(y=[["a"], ["a", "b"]] * 4), Split(by="random"), "y", None)
    assert set(labels) == {"train", "validation", "test"}


def test_groups_stay_whole_and_rows_without_one_stand_alone():
    frame = samples(group=[f"g{i % 20}" if i < 180 else "" for i in range(200)])
    labels, _ = assign_splits(frame, Split(by="group"), "y", None)
    known = frame["group"] != ""
    assert pd.Series(labels)[known].groupby(frame["group"][known]).nunique().max() == 1
    assert counts(labels)["test"] == pytest.approx(40, abs=9)
    assert counts(labels)["validation"] == pytest.approx(20, abs=9)


def test_one_huge_group_does_not_swallow_a_small_split():
    frame = samples(group=["huge"] * 130 + [f"g{i}" for i in range(70)])
    for seed in range(10):
        labels, _ = assign_splits(frame, Split(by="group", seed=seed), "y", None)
        assert labels[0] == "train"


def test_too_few_groups_for_the_splits_is_an_error():
    with pytest.raises(InputError, match=r"needs a group for each of train, test, validation \(got 2\). Split by random"):
        assign_splits(samples(group=["a", "b"] * 100), Split(by="group"), "y", None)


def test_a_split_by_time_is_in_order_and_one_moment_is_not_cut():
    times = np.repeat(np.arange(50.0), 4)
    labels, _ = assign_splits(samples(time=times), Split(by="time"), "y", None)
    latest = {split: times[labels == split].max() for split in ("train", "validation", "test")}
    earliest = {split: times[labels == split].min() for split in ("train", "validation", "test")}
    assert latest["train"] < earliest["validation"] <= latest["validation"] < earliest["test"]
    assert counts(labels) == {"train": 140, "test": 40, "validation": 20}


def test_of_few_moments_each_split_takes_those_that_bring_it_nearest_to_its_share():
    times = np.repeat([1.0, 2.0, 3.0, 4.0], [5, 85, 4, 6])
    frame = pd.DataFrame({"sample_id": pd.Series([f"s{i}" for i in range(100)], dtype="str"), "y": ["a", "b"] * 50, "time": times})
    labels, _ = assign_splits(frame, Split(by="time", test=0.2, validation=0.1), "y", None)
    assert counts(labels) == {"train": 90, "test": 6, "validation": 4}


def test_a_moment_is_left_for_each_split_where_there_are_enough():
    times = np.repeat([1.0, 2.0, 3.0], [20, 20, 160])
    labels, _ = assign_splits(samples(time=times), Split(by="time", test=0.9, validation=0.05), "y", None)
    assert counts(labels) == {"train": 20, "validation": 20, "test": 160}


def test_the_earliest_moment_stays_in_train():
    for times in ([0, 0, 0, 1], [0, 1, 1, 1], [5, 5, 5, 5], [0, 0, 1, 2]):
        labels, _ = assign_splits(samples(4, time=np.array(times, dtype=float)), Split(by="time", test=0.5, validation=0.4), "y", None)
        assert labels[0] == "train"


def test_rows_without_a_time_belong_to_no_split_and_are_counted():
    times = np.arange(200.0)
    times[7] = np.nan
    labels, rejections = assign_splits(samples(time=times), Split(by="time"), "y", None)
    assert labels[7] == ""
    assert [(r.row, r.reason, r.dropped) for r in rejections] == [(7, "unknown_split", False)]


def test_the_words_people_use_for_splits_are_understood():
    words = ["Train", "training", "dev", "VAL", "valid", " validation", "test", "Testing"]
    frame = samples(8, part=words)
    labels, rejections = assign_splits(frame, Split(by="column", column="part"), "y", None)
    assert labels.tolist() == ["train", "train", *["validation"] * 4, "test", "test"]
    assert rejections == []


def test_an_unknown_split_word_is_rejected_and_the_row_stays():
    frame = samples(8, part=["train"] * 5 + ["dev", "holdout", ""])
    labels, rejections = assign_splits(frame, Split(by="column", column="part"), "y", None)
    assert labels.tolist()[-2:] == ["", ""]
    assert [(r.row, r.reason, r.dropped) for r in rejections] == [(6, "unknown_split", False), (7, "unknown_split", False)]
    assert rejections[0].detail.startswith("A split must be one of train, training, dev")
    assert "(got 'holdout')" in rejections[0].detail


def test_validation_comes_out_of_train_where_none_is_named():
    by_file = pd.Series(["train"] * 160 + ["test"] * 40)
    labels, _ = assign_splits(samples(), Split(by="random", validation=0.25), "y", by_file)
    assert counts(labels) == {"train": 120, "validation": 40, "test": 40}
    assert (labels[160:] == "test").all()
    labels, _ = assign_splits(samples(part=by_file), Split(by="column", column="part", validation=0), "y", None)
    assert counts(labels) == {"train": 160, "test": 40}
    grouped = samples(part=by_file, group=[f"g{i % 10}" for i in range(200)])
    labels, _ = assign_splits(grouped, Split(by="column", column="part"), "y", None)
    assert grouped["group"][labels == "validation"].nunique() * 16 == counts(labels)["validation"]


def test_no_row_of_train_is_an_error_that_counts_the_others():
    with pytest.raises(InputError, match=r"At least one row must be in train \(got 7 in test, 1 in no split\)"):
        assign_splits(samples(8, part=["test"] * 7 + ["?"]), Split(by="column", column="part"), "y", None)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 60),
    by=st.sampled_from(["random", "time"]),
    validation=st.sampled_from([0.0, 0.1, 0.4]),
    test=st.sampled_from([0.0, 0.2, 0.5]),
    seed=st.integers(0, 5),
)
def test_every_row_has_one_split_and_train_is_never_empty_while_rows_suffice(n, by, validation, test, seed):
    frame = samples(4 * n, time=np.arange(4.0 * n))
    labels, rejections = assign_splits(frame, Split(by=by, validation=validation, test=test, seed=seed), "y", None)
    assert set(labels) <= {"train", "validation", "test"}
    assert rejections == []
    found = counts(labels)
    for split, share in (("validation", validation), ("test", test)):
        assert found.get(split, 0) == pytest.approx(share * 4 * n, abs=1.5)
