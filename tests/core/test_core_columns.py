"""Cells mean the same in every room."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphfuse.core.columns import (
    as_flags,
    as_numbers,
    as_texts,
    as_times,
    frame_of,
    is_among,
    is_missing,
    places_among,
    text_array,
    with_columns,
)


def test_numbers_are_read_exactly_and_missing_words_are_not_bad():
    cells = as_numbers(pd.Series([" 1.5", "1e-3", "-.5", "+7", "", "null", "NA", "NaN", " None "]))
    np.testing.assert_array_equal(cells.values, [1.5, 1e-3, -0.5, 7.0, *[math.nan] * 5])
    assert not cells.bad.any()
    assert cells.missing.tolist() == [False] * 4 + [True] * 5


def test_infinite_overflowing_and_unreadable_numbers_are_flagged():
    cells = as_numbers(pd.Series(["inf", "-Infinity", "1e999", "1,5", "1_000", "0x10", "many"]))
    assert cells.bad.all()
    assert np.isnan(cells.values).all()


def test_numbers_in_typed_columns_are_taken_as_they_are():
    np.testing.assert_array_equal(as_numbers(pd.Series([1.5, math.nan])).values, [1.5, math.nan])
    assert as_numbers(pd.Series([math.inf, 1.0])).bad.tolist() == [True, False]
    assert as_numbers(pd.Series([True, False])).values.tolist() == [1.0, 0.0]
    assert as_numbers(pd.Series([1, None], dtype="Int64")).missing.tolist() == [False, True]
    assert as_numbers(pd.Series([1, "2", None, 2.5], dtype=object)).values[:2].tolist() == [1.0, 2.0]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_a_number_written_as_text_comes_back_bit_for_bit(values):
    column = pd.Series(values, dtype=object)
    np.testing.assert_array_equal(as_numbers(as_texts(column).values).values, np.array(values, dtype=np.float64))


def test_flags_know_the_words_people_write():
    cells = as_flags(pd.Series(["true", "FALSE", "yes", "No", "0", "1", "null", "", "maybe"]))
    np.testing.assert_array_equal(cells.values, [1, 0, 1, 0, 0, 1, math.nan, math.nan, math.nan])
    assert cells.bad.tolist() == [False] * 8 + [True]
    assert as_flags(pd.Series([True, False])).values.tolist() == [1.0, 0.0]
    assert as_flags(pd.Series([1.0, 0.0])).values.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    "text",
    [
        "Wed Apr 17 18:57:37 +0000 2013",
        "Wed Apr 17 18: 57: 37 +0000 2013",
        "Wed, 17 Apr 2013 18:57:37 +0000",
        "2013-04-17T18:57:37Z",
        "2013-04-17 18:57:37",
        "2013-04-17T20:57:37+02:00",
        "2013/04/17 18:57:37",
        "1366225057",
        "1366225057000",
        "1366225057000000",
        " 1366225057.0 ",
    ],
)
def test_times_in_many_styles_are_the_same_second(text):
    cells = as_times(pd.Series([text]))
    assert cells.values.tolist() == [1366225057.0]
    assert not cells.bad.any()


def test_times_may_mix_and_bad_ones_are_flagged():
    cells = as_times(pd.Series(["2013-04-17", "20130417", "17", "", "yesterday", "inf", "2013-13-45"]))
    np.testing.assert_array_equal(cells.values, [1366156800.0, 1366156800.0, 17.0, *[math.nan] * 4])
    assert cells.bad.tolist() == [False, False, False, False, True, True, True]


def test_times_of_any_year_are_read_whatever_stands_beside_them():
    days = ["0001-01-01", "1001-01", "2300-01-01", "9999-12-31", "2020-01-01T00:00:00.123456789Z", "20130417.0"]
    cells = as_times(pd.Series(days))
    expected = [-62135596800.0, -30578688000.0, 10413792000.0, 253402214400.0, 1577836800.123456, 1366156800.0]
    np.testing.assert_array_equal(cells.values, expected)
    np.testing.assert_array_equal([as_times(pd.Series([day])).values[0] for day in days], expected)


@pytest.mark.parametrize("text", ["now", "today", "10000-01-01", "-2020-01-01", "1e30", "-7e10"])
def test_times_that_are_none_or_lie_beyond_all_years_are_bad(text):
    assert as_times(pd.Series([text])).bad.tolist() == [True]


def test_typed_times_are_understood():
    cells = as_times(pd.Series(pd.to_datetime(["2013-04-17T18:57:37Z", None])))
    np.testing.assert_array_equal(cells.values, [1366225057.0, math.nan])


def test_texts_lose_only_what_no_file_can_hold():
    texts = as_texts(pd.Series(["a\ud83d", "\ud83d\ude00", "é", None, 3.0, 2.5, True, 7, ["a", 1], b"x\xff"], dtype=object))
    assert texts.values.tolist() == ["a\ufffd", "😀", "é", "", "3", "2.5", "true", "7", '["a", 1]', "x\ufffd"]
    assert texts.cleaned.tolist() == [True, True, *[False] * 7, True]


def test_texts_keep_words_that_look_like_nothing():
    assert as_texts(pd.Series(["NA", "001", "1.0", "null"])).values.tolist() == ["NA", "001", "1.0", "null"]
    assert is_missing(pd.Series(["NA", "001", " "])).tolist() == [True, False, True]


def test_empty_columns_are_fine():
    for read in (as_numbers, as_flags, as_times):
        assert len(read(pd.Series([], dtype="str")).values) == 0
    assert len(as_texts(pd.Series([], dtype=object)).values) == 0


def test_texts_are_found_among_values_as_pandas_finds_them():
    texts, values = pd.Series(["b", "x", "", "é", "b"], index=[3, 1, 4, 0, 2]), pd.Series(["é", "b", "b", ""])
    assert is_among(texts, values).tolist() == texts.isin(values).tolist() == [True, False, True, True, True]
    assert places_among(texts, values).tolist() == [1, -1, 3, 0, 1]
    assert is_among(texts, pd.Series([], dtype="str")).tolist() == [False] * 5


def test_texts_are_laid_out_as_pandas_does_it():
    texts = ["", "one", "é", "twice"]
    pd.testing.assert_series_equal(pd.Series(text_array(texts)), pd.Series(texts, dtype="str"))
    assert text_array([]).dtype == pd.Series([], dtype="str").dtype


def test_columns_are_added_behind_the_others_or_in_place_of_them_and_rows_keep_their_numbers():
    frame = pd.DataFrame({"a": ["x", "y"], "b": [1, 2]}, index=[3, 5])
    found = with_columns(frame, {"c": np.array([0.5, 1.5]), "b": frame["b"] * 10})
    pd.testing.assert_frame_equal(found, frame.assign(b=[10, 20], c=[0.5, 1.5]))
    assert frame["b"].tolist() == [1, 2]


def test_a_frame_of_arrays_is_what_pandas_makes_of_them():
    columns = {"text": text_array(["a", "ñ"]), "row": np.arange(2), "end": np.arange(2), "x": np.ones(2, dtype=np.float32)}
    columns["list"] = np.array([[], ["a"]], dtype=object)
    index = pd.Index([3, 5])
    pd.testing.assert_frame_equal(frame_of(columns), pd.DataFrame(columns), check_column_type="exact")
    pd.testing.assert_frame_equal(frame_of(columns, index), pd.DataFrame(columns, index=index))
    empty = {name: column[:0] for name, column in columns.items()}
    pd.testing.assert_frame_equal(frame_of(empty), pd.DataFrame(empty))


def test_a_frame_of_arrays_shares_no_names_with_the_next():
    frame_of({"a": np.arange(2)}).columns.name = "mine"
    assert frame_of({"a": np.arange(2)}).columns.name is None


def test_a_frame_of_arrays_refuses_arrays_of_different_lengths():
    with pytest.raises(ValueError, match="length"):
        frame_of({"a": np.arange(2), "b": np.arange(3)})
