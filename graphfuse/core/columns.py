"""Columns of cells as people write them -> numbers, flags, times and texts.

Every reader of a table parses cells here and nowhere else, so that `null` or `1e5` mean the same in every room.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

MISSING_WORDS = ("", "na", "n/a", "nan", "null", "none")
"""Cells that mean 'no value' in a column of numbers, flags or times; compared in lower case, without blanks around."""

TRUE_WORDS = ("true", "yes", "t", "y", "1", "1.0")
FALSE_WORDS = ("false", "no", "f", "n", "0", "0.0")

NUMBER = r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf|infinity))"
DATE_DIGITS = r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:\.0)?"
"""Eight digits that are a day (`20130417`, or `20130417.0` if pandas took a column with gaps for numbers), not seconds since 1970."""
FIRST_SECOND, END_SECOND = -62_135_596_800, 253_402_300_800
"""Begin and end of the years 1 to 9999, in which a time lies; others are wrong, or no times."""

DATE_FORMATS = ("%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d")
"""Tried in this order after ISO 8601; the first is Twitter's (`Wed Apr 17 18:57:37 +0000 2013`), the second that of e-mail."""

EPOCH_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""Numbers from this size on count nano-, micro- or milliseconds since 1970 (1e11 seconds would be the year 5138)."""

TEXT = pd.StringDtype(na_value=np.nan)
"""What pandas calls `str`."""
TextArray = pd.arrays.ArrowStringArray


@dataclass(frozen=True, kw_only=True)
class Cells:
    """A parsed column."""

    values: npt.NDArray[np.float64]
    """One finite value per cell, NaN where it is missing or bad.  [num_rows]"""
    bad: npt.NDArray[np.bool_]
    """Cells that hold something that cannot be used (unreadable, infinite); a missing cell is not bad.  [num_rows]"""

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Return which cells hold nothing.  [num_rows]."""
        return np.isnan(self.values) & ~self.bad


@dataclass(frozen=True, kw_only=True)
class Texts:
    """A column as text."""

    values: pd.Series
    """One `str` per cell, "" where it is missing; every one can be written as UTF-8.  [num_rows]"""
    cleaned: npt.NDArray[np.bool_]
    """Cells in which something that is not Unicode text (a lone surrogate, a broken byte) became U+FFFD.  [num_rows]"""


def as_numbers(column: pd.Series) -> Cells:
    """Return numbers; an infinite number (or one too large to be finite) is bad.

    Text is read as `float` reads it, exactly; `1,5` and `1_000` are bad, since nobody knows what they mean.
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _finite(column.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(column), dtype=bool))
    words = _words(column)
    return _parse(words, words.str.fullmatch(NUMBER).to_numpy(dtype=bool), _floats)


def as_flags(column: pd.Series) -> Cells:
    """Return 1 for yes, 0 for no; words such as `true`, `no`, `T`, `0`, in any case."""
    words = _words(column).str.lower()
    yes, no = words.isin(TRUE_WORDS).to_numpy(), words.isin(FALSE_WORDS).to_numpy()
    values = np.where(yes, 1.0, np.where(no, 0.0, np.nan))
    return Cells(values=values, bad=~(yes | no | _is_missing(words)))


def as_times(column: pd.Series) -> Cells:
    """Return seconds since 1970 (UTC); a time without a zone is UTC.

    Understood are ISO 8601, seconds, milli-, micro- and nanoseconds since 1970, and the formats of `DATE_FORMATS`, in the years 1 to 9999.
    """
    words = _words(column)
    number = (words.str.fullmatch(NUMBER) & ~words.str.fullmatch(DATE_DIGITS)).to_numpy(dtype=bool)
    cells = _parse(words, number, _epoch_seconds)
    values = cells.values.copy()
    open_rows = np.flatnonzero(cells.bad & ~number)
    words = (
        words.iloc[open_rows].str.replace(r":\s+", ":", regex=True).str.removesuffix(".0")
    )  # as in 23: 59: 22, and of days read as numbers
    # a time finer than microseconds would leave all others of the column fewer years
    words = words.str.replace(r"([.,][0-9]{6})[0-9]+", r"\1", regex=True)
    words = words.where(words.str.contains("[0-9]", regex=True), "")  # not `now`, which pandas would read from the clock
    for form in ("ISO8601", *DATE_FORMATS):
        if not len(open_rows):
            break
        times = pd.to_datetime(words, format=form, utc=True, errors="coerce").dt.as_unit("us")
        values[open_rows] = ((times - pd.Timestamp(0, tz="UTC").as_unit("us")) / pd.Timedelta(seconds=1)).to_numpy(dtype=np.float64)
        left = np.isnan(values[open_rows])
        open_rows, words = open_rows[left], words[left]
    values[(values < FIRST_SECOND) | (values >= END_SECOND)] = np.inf
    return _finite(values, np.isnan(values) & cells.bad)


def as_texts(column: pd.Series) -> Texts:
    """Return text: numbers in their shortest exact form, `true` and `false`, times in ISO form, lists as JSON, nothing as "".

    A lone surrogate, which no file format can hold, becomes U+FFFD.
    """
    if isinstance(column.dtype, pd.StringDtype):
        filled = column.fillna("") if arrow_texts(column).null_count else column
        return Texts(values=filled if filled.dtype == TEXT else filled.astype("str"), cleaned=np.zeros(len(column), dtype=bool))
    values, changed = text_cells(column.astype(object))
    return Texts(values=pd.Series(values, index=column.index, name=column.name), cleaned=changed)


def text_cells(cells: Iterable[Any]) -> tuple[TextArray, npt.NDArray[np.bool_]]:
    """Return cells as text, as `as_texts` does, and which of them had to be cleaned."""
    raw = [cell_text(cell) for cell in cells]
    clean = [clean_text(text) for text in raw]
    return text_array(clean), np.fromiter((a is not b for a, b in zip(raw, clean, strict=True)), dtype=bool, count=len(raw))


def text_array(texts: Sequence[str]) -> TextArray:
    """Return texts as a column of a frame; of a few, pandas makes one in three times the time.

    Raises:
        UnicodeEncodeError: If one cannot be written as UTF-8 (`clean_text`).
    """
    return TextArray(pa.array(texts, type=pa.large_string()), dtype=TEXT)  # type: ignore[call-arg]  # pandas' annotations lack it


def cell_text(cell: Any) -> str:
    """Return one cell as text; "" for None, NaN, NaT and NA."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "surrogateescape")
    if isinstance(cell, list | tuple | dict | np.ndarray):
        return json.dumps(cell.tolist() if isinstance(cell, np.ndarray) else cell, ensure_ascii=False, default=str)
    if pd.isna(cell):
        return ""
    if isinstance(cell, float | np.floating):
        return repr(float(cell)).removesuffix(".0")
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def clean_text(text: str) -> str:
    """Return the text itself if it can be written as UTF-8; otherwise with lone surrogates as U+FFFD and pairs joined."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def is_missing(column: pd.Series) -> npt.NDArray[np.bool_]:
    """Return which cells mean 'no value' (`MISSING_WORDS`)."""
    return _is_missing(_words(column))


def frame_of(columns: Mapping[str, Any], index: pd.Index | None = None) -> pd.DataFrame:
    """Return a frame of arrays; of a few rows, `pd.DataFrame` makes one in four times the time, most of it on names and types.

    The frame may share memory with the arrays, which pandas does not know of: nobody may write into either in place.

    Args:
        columns: Arrays of numpy or pandas by name, all of one length; texts as `text_array` makes them.
        index: The rows' labels; None numbers them, which takes a column.
    """
    arrays = list(columns.values())
    rows = pd.RangeIndex(len(arrays[0])) if index is None else index
    frame: pd.DataFrame = pd.DataFrame._from_arrays(arrays, _names(tuple(columns)).view(), rows, verify_integrity=False)  # type: ignore[attr-defined]
    return frame


@lru_cache(maxsize=1024)
def _names(names: tuple[str, ...]) -> pd.Index:
    """Return names as columns of a frame; the same few come again and again, and pandas looks long at each."""
    return pd.Index(names, dtype=TEXT)


def with_columns(frame: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return a frame with further columns, made at once: `DataFrame.assign` adds one after the other, at a frame's cost each."""
    arrays = {str(name): column.array for name, column in frame.items()}
    return frame_of(arrays | {name: getattr(column, "array", column) for name, column in columns.items()}, frame.index)


def is_among(texts: pd.Series, values: pd.Series) -> npt.NDArray[np.bool_]:
    """Return which texts are among some values; `Series.isin` would take the values through Python one by one, some µs each."""
    found: npt.NDArray[np.bool_] = pc.is_in(arrow_texts(texts), value_set=arrow_texts(values)).to_numpy(zero_copy_only=False)
    return found


def places_among(texts: pd.Series, values: pd.Series) -> npt.NDArray[np.int64]:
    """Return where each text stands first among some values, -1 where it does not."""
    found = pc.index_in(arrow_texts(texts), value_set=arrow_texts(values)).fill_null(-1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def known_places(texts: pd.Series, known: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return which of some known texts each text is, -1 where it is none.  [num_rows].

    What is not there as it is written is looked for by what it means, if only one known text means that: a program that reads
    the same file as numbers and truth values has `1` and `true` where the file says `1.0` and `True`.
    """
    place = pd.Index(known).get_indexer(pd.Index(texts)).astype(np.int64)
    strange = np.flatnonzero(place < 0)
    if len(strange):
        meanings = [_meaning(text) for text in known]
        counts = Counter(meanings)
        alone = {meaning: number for number, meaning in enumerate(meanings) if counts[meaning] == 1}
        cells = texts.iloc[strange]
        place[strange] = cells.map({text: alone.get(_meaning(text), -1) for text in cells.unique()})
    return place


def _meaning(text: str) -> str:
    """Return a text that is the same for all ways to write a number or a truth value."""
    word = text.strip()
    if re.fullmatch(NUMBER, word):
        return repr(float(word))
    return word.lower() if word.lower() in ("true", "false") else text


def arrow_texts(texts: pd.Series) -> "pa.ChunkedArray | pa.Array":
    """Return a column of texts as Arrow has it; what is text already is not copied."""
    return pa.array((texts if texts.dtype == TEXT else texts.astype("str")).array)


def _words(column: pd.Series) -> pd.Series:
    """Return the cells as text without blanks around."""
    return as_texts(column).values.str.strip()


def _is_missing(words: pd.Series) -> npt.NDArray[np.bool_]:
    return words.str.lower().isin(MISSING_WORDS).to_numpy(dtype=bool)


def _parse(words: pd.Series, readable: npt.NDArray[np.bool_], read: Callable[[list[str]], npt.NDArray[np.float64]]) -> Cells:
    """Return the readable words as values; the others are missing or bad."""
    values = np.full(len(words), np.nan)
    values[readable] = read(words[readable].tolist())
    return _finite(values, ~readable & ~_is_missing(words))


def _finite(values: npt.NDArray[np.float64], bad: npt.NDArray[np.bool_]) -> Cells:
    """Return cells in which infinite values are bad."""
    infinite = np.isinf(values)
    return Cells(values=np.where(infinite, np.nan, values), bad=bad | infinite)


def _floats(words: list[str]) -> npt.NDArray[np.float64]:
    return np.array([float(word) for word in words], dtype=np.float64)


def _epoch_seconds(words: list[str]) -> npt.NDArray[np.float64]:
    """Return seconds since 1970 of numbers, whose unit is told by their size."""
    values = _floats(words)
    size = np.abs(values)
    unit = np.ones(len(values))
    for limit, per_second in reversed(EPOCH_UNITS):
        unit[size >= limit] = per_second
    return values / unit


def clean_name(name: str) -> str:
    """Return a column name that is text (`clean_text`), without blanks around it; runs of blanks inside become one."""
    return " ".join(clean_text(name).split())
