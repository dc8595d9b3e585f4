"""Numeric, boolean and categorical columns -> features; statistics and vocabularies from train rows."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import PositiveInt

from graphfuse.core.columns import as_flags, as_numbers, as_texts, is_missing, known_places
from graphfuse.core.errors import InputError, suggest
from graphfuse.core.files import pack_strings, unpack_strings
from graphfuse.core.tables import CANONICAL, FILE_ROW, FloatArray, Rejection, State

LIMIT = 20.0
"""Standardised values are kept within this many deviations, so that one outlier cannot overflow float16 or swamp training."""


@dataclass(frozen=True, kw_only=True)
class ColumnSettings:
    """Settings of every modality that makes features of columns."""

    numeric: tuple[str, ...] = ()
    boolean: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    log: bool = True
    """Take numbers through a signed logarithm before they are standardised."""
    missing_flag: bool = False
    """Add a feature per number that says whether it is missing (missingness can leak the answer)."""
    max_categories: PositiveInt = 64
    """Most frequent values that get their own slot; the rest share one."""

    def columns_of(self, table: str, key: str) -> "Columns":
        """Return these columns of a table whose ids are in the column `key`."""
        return Columns(table=table, key=key, **{item.name: getattr(self, item.name) for item in fields(ColumnSettings)})


@dataclass(frozen=True, kw_only=True)
class Columns(ColumnSettings):
    """Columns of one table, and how they become features.

    Numeric columns are taken through a signed logarithm (`log`), then standardised; a missing value is the train mean (0).
    Boolean columns are 1, -1 or 0 (missing). Categorical columns are one-hot over the train vocabulary, with one slot for any
    other value; a missing one is all zeros. With no columns at all the one feature is the constant 1.
    """

    table: str
    """The table's name in rejections."""
    key: str
    """The id column."""

    @property
    def all(self) -> tuple[str, ...]:
        """Return every column."""
        return self.numeric + self.boolean + self.categorical

    def fit(self, frame: pd.DataFrame) -> State:
        """Return means, deviations and vocabularies of train rows."""
        values, _ = self._numbers(frame)
        state: State = {"mean": np.zeros(len(self.numeric)), "std": np.ones(len(self.numeric))}
        for position in range(len(self.numeric)):
            known = values[~np.isnan(values[:, position]), position]
            if len(known):
                deviation = float(known.std())
                state["mean"][position] = known.mean()
                state["std"][position] = deviation if deviation > 1e-12 * max(1.0, abs(float(known.mean()))) else 1.0
        for position, name in enumerate(self.categorical):
            counts = category_values(frame[name]).value_counts().drop("", errors="ignore")
            ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[: self.max_categories]
            state[f"vocabulary_{position}"] = pack_strings(sorted(str(value) for value, _ in ordered))
        return state

    def channels(self, state: State) -> int:
        """Return the number of features."""
        slots = sum(len(unpack_strings(state[f"vocabulary_{position}"])) + 1 for position in range(len(self.categorical)))
        return max(1, len(self.numeric) * (1 + self.missing_flag) + len(self.boolean) + slots)

    def features(self, frame: pd.DataFrame, state: State) -> tuple[FloatArray, tuple[Rejection, ...]]:
        """Return the features of some rows [num_rows, channels], and the cells that could not be used."""
        if not self.all:
            return np.ones((len(frame), 1), dtype=np.float32), ()
        values, rejections = self._numbers(frame)
        missing = np.isnan(values)
        scaled = np.where(missing, 0.0, (np.where(missing, 0.0, values) - state["mean"]) / state["std"])
        parts: list[npt.NDArray[Any]] = [np.clip(scaled, -LIMIT, LIMIT)]
        if self.missing_flag:
            parts.append(missing)
        for name in self.boolean:
            flags = as_flags(frame[name])
            parts.append(np.nan_to_num(2 * flags.values - 1)[:, None])
            rejections += self._rejections(frame, name, flags.bad, "not_a_boolean", "A boolean must be true or false, yes or no, 1 or 0")
        for position, name in enumerate(self.categorical):
            vocabulary = unpack_strings(state[f"vocabulary_{position}"])
            one_hot = _one_hot(frame[name], vocabulary)
            parts.append(one_hot)
            if len(vocabulary) < self.max_categories:  # else the last slot also stands for rare values of the train rows
                rule = "A category must be one of the train rows"
                rejections += self._rejections(frame, name, one_hot[:, -1] > 0, "unknown_category", rule, "any other. Mend a misspelt cell")
        return np.concatenate(parts, axis=1).astype(np.float32), tuple(rejections)

    def absent(self, frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Return which rows hold none of the columns' values; no row where there are no columns."""
        if not self.all:
            return np.zeros(len(frame), dtype=bool)
        missing = np.stack([is_missing(frame[name]) for name in self.all])
        return np.asarray(missing.all(axis=0), dtype=bool)

    def _numbers(self, frame: pd.DataFrame) -> tuple[npt.NDArray[np.float64], list[Rejection]]:
        """Return the numeric columns as numbers, NaN where missing or unusable.  [num_rows, num_numeric]."""
        values = np.full((len(frame), len(self.numeric)), np.nan)
        rejections: list[Rejection] = []
        for position, name in enumerate(self.numeric):
            cells = as_numbers(frame[name])
            infinite = cells.bad & np.isinf(pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
            rejections += self._rejections(frame, name, infinite, "not_finite", "A number must be finite")
            rejections += self._rejections(frame, name, cells.bad & ~infinite, "not_a_number", "A number must be written in digits")
            values[:, position] = cells.values
        values = np.clip(values, -1e100, 1e100)  # squares stay finite
        return (np.sign(values) * np.log1p(np.abs(values)) if self.log else values), rejections

    def _rejections(
        self, frame: pd.DataFrame, name: str, wrong: npt.NDArray[np.bool_], reason: str, rule: str, end: str = "missing. Mend the cell"
    ) -> list[Rejection]:
        if not wrong.any():
            return []
        rows, keys, cells = file_rows(frame, self.table), frame[self.key].tolist(), as_texts(frame[name]).values.tolist()
        return [
            Rejection(
                table=self.table,
                row=rows[position],
                key=str(keys[position]),
                column=name,
                reason=reason,
                detail=f"{rule} (got '{cells[position][:40]}'); it counts as {end}.",
            )
            for position in np.flatnonzero(wrong).tolist()
        ]


BOOKKEEPING = ("split", "source_row")
"""Columns of the samples that say which rows train and where they stood: no property of a sample."""


def require_columns(frame: pd.DataFrame, names: Iterable[str], table: str, setting: str) -> None:
    """Check that columns exist, and that they are those of the file where a name has a meaning of its own.

    Raises:
        InputError: Naming all that are missing, and the nearest one that is there.
    """
    known = [str(name) for name in frame.columns]
    hints = []
    for name in names:
        own = f"{name}_in_file"
        if name not in known:
            hints.append(f"'{name}' is not there. {suggest(name, known)}")
        elif name in CANONICAL[table] and (own in known or name in BOOKKEEPING):
            ending = f" Did you mean '{own}', the file's own column of that name?" if own in known else ""
            hints.append(f"'{name}' is not read from the file.{ending}")
    if hints:
        raise InputError(f"{setting} must name columns of {table}: {' '.join(hints)}")


def file_rows(frame: pd.DataFrame, table: str) -> list[int]:
    """Return each row's number in its source file, -1 where that is not known."""
    name = "source_row" if table == "samples" else FILE_ROW
    return [int(row) for row in frame[name]] if name in frame else [-1] * len(frame)


def category_values(cells: pd.Series) -> pd.Series:
    """Return a column as trimmed text, "" where missing (empty, null, nan ...)."""
    return as_texts(cells).values.str.strip().mask(is_missing(cells), "")


def _one_hot(cells: pd.Series, vocabulary: list[str]) -> FloatArray:
    """Return one slot per known value and a last one for any other; missing is all zeros.  [num_rows, vocabulary + 1]."""
    values = category_values(cells)
    slot = known_places(values, vocabulary)
    slot = np.where(slot < 0, len(vocabulary), slot)
    one_hot = np.zeros((len(values), len(vocabulary) + 1), dtype=np.float32)
    known = np.flatnonzero(values.ne("").to_numpy())
    one_hot[known, slot[known]] = 1.0
    return one_hot
