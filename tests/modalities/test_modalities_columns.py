"""Columns become features with what train rows taught; odd cells are counted."""

import numpy as np
import pandas as pd
import pytest

from graphfuse.core.errors import InputError
from graphfuse.modalities._columns import LIMIT, Columns, require_columns


def columns(**settings):
    return Columns(table="samples", key="sample_id", **settings)


def frame(**cells):
    count = len(next(iter(cells.values())))
    return pd.DataFrame({"sample_id": [f"s{row}" for row in range(count)], "source_row": np.arange(count) + 10, **cells})


def test_numbers_are_standardised_with_train_figures():
    setting = columns(numeric=("n",), log=False)
    state = setting.fit(frame(n=["1", "3"]))
    x, _ = setting.features(frame(n=["1", "3", "5", "null"]), state)
    assert x[:, 0].tolist() == [-1, 1, 3, 0]


def test_the_logarithm_is_signed():
    setting = columns(numeric=("n",))
    state = setting.fit(frame(n=[-1e9, 0, 1e9]))
    x, _ = setting.features(frame(n=[-1e9, 0, 1e9]), state)
    assert x[0, 0] == -x[2, 0] != 0
    assert x[1, 0] == 0


def test_infinite_and_unreadable_numbers_count_as_missing_and_are_counted():
    setting = columns(numeric=("n",), log=False)
    state = setting.fit(frame(n=["1", "inf", "3"]))
    x, rejections = setting.features(frame(n=["-Infinity", "many", "2"]), state)
    assert x[:, 0].tolist() == [0, 0, 0]
    assert [(item.row, item.key, item.column, item.reason) for item in rejections] == [
        (10, "s0", "n", "not_finite"),
        (11, "s1", "n", "not_a_number"),
    ]
    assert rejections[0].detail == "A number must be finite (got '-Infinity'); it counts as missing. Mend the cell."
    assert rejections[1].detail == "A number must be written in digits (got 'many'); it counts as missing. Mend the cell."


def test_an_infinite_float_is_refused_too_and_nan_is_missing():
    setting = columns(numeric=("n",))
    state = setting.fit(frame(n=[1.0, 2.0]))
    x, rejections = setting.features(frame(n=[np.inf, np.nan]), state)
    assert x[:, 0].tolist() == [0, 0]
    assert [item.reason for item in rejections] == ["not_finite"]


@pytest.mark.parametrize("cells", [[1e308, -1e308], [5, 5], [np.nan, np.nan], [1e-300, 2e-300]])
@pytest.mark.parametrize("log", [True, False])
def test_features_are_finite_and_small_whatever_the_numbers(cells, log):
    setting = columns(numeric=("n",), log=log)
    state = setting.fit(frame(n=cells))
    x, _ = setting.features(frame(n=[*cells, 1.7e308, 0]), state)
    assert np.isfinite(x).all()
    assert np.abs(x).max() <= LIMIT


def test_missingness_is_a_feature_only_when_asked_for():
    state = columns(numeric=("n",)).fit(frame(n=["1", "3"]))
    assert columns(numeric=("n",)).features(frame(n=[""]), state)[0].tolist() == [[0]]
    assert columns(numeric=("n",), missing_flag=True).features(frame(n=[""]), state)[0].tolist() == [[0, 1]]


def test_flags_are_one_minus_one_or_nothing():
    setting = columns(boolean=("b",))
    x, rejections = setting.features(frame(b=["true", "No", "null", "maybe"]), setting.fit(frame(b=["true"])))
    assert x[:, 0].tolist() == [1, -1, 0, 0]
    assert rejections[0].reason == "not_a_boolean"
    assert rejections[0].detail == "A boolean must be true or false, yes or no, 1 or 0 (got 'maybe'); it counts as missing. Mend the cell."


def test_a_category_that_train_rows_do_not_have_gets_the_slot_of_others():
    setting = columns(categorical=("c",))
    state = setting.fit(frame(c=["red", "blue", "red", ""]))
    x, _ = setting.features(frame(c=["blue", "red", "green", "", "null"]), state)
    assert x.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert setting.channels(state) == 3


def test_the_most_frequent_categories_are_kept_and_ties_go_by_name():
    setting = columns(categorical=("c",), max_categories=2)
    state = setting.fit(frame(c=["z", "b", "a", "z"]))
    assert setting.features(frame(c=["a", "z", "b"]), state)[0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_without_columns_there_is_one_constant():
    assert columns().features(frame(n=[1, 2]), {})[0].tolist() == [[1], [1]]
    assert columns().channels(columns().fit(frame(n=[1]))) == 1


def test_nothing_to_learn_from_still_gives_a_state():
    setting = columns(numeric=("n",), categorical=("c",))
    state = setting.fit(frame(n=[], c=[]))
    assert setting.features(frame(n=["7"], c=["x"]), state)[0].shape == (1, setting.channels(state))


def test_all_missing_columns_are_named_at_once():
    with pytest.raises(InputError) as caught:
        require_columns(frame(likes=[1]), ["like", "zzz"], "users", "modalities.user")
    message = str(caught.value)
    assert message.startswith("modalities.user must name columns of users: 'like' is not there. Did you mean 'likes'?")
    assert "'zzz' is not there. Known names: likes, sample_id, source_row." in message


def test_a_category_that_train_rows_lack_is_counted_unless_rare_ones_were_merged():
    train, new = frame(land=["ch", "fr", "ch"]), frame(land=["xx", ""])
    every = columns(categorical=("land",))
    x, (rejection,) = every.features(new, every.fit(train))
    assert x.tolist() == [[0, 0, 1], [0, 0, 0]]
    assert (rejection.key, rejection.row, rejection.reason) == ("s0", 10, "unknown_category")
    assert rejection.detail == "A category must be one of the train rows (got 'xx'); it counts as any other. Mend a misspelt cell."
    few = columns(categorical=("land",), max_categories=1)
    assert few.features(new, few.fit(train))[1] == ()
