"""What the cells of a column are, without asking for its name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from graphfuse.core.columns import as_flags, as_numbers, as_texts, as_times, is_missing

SAMPLE = 2000
"""Cells that are looked at closely, evenly spread over the rows."""

UNSPACED = "[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]"
"""Characters of scripts that put no blanks between words; two of them count as a word."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Facts of one column; shares are of its filled cells, 0 where there are none."""

    name: str
    rows: int
    filled: int
    """Cells that hold something."""
    distinct: int
    """Different values among them."""
    numbers: float
    whole: bool
    """Whether all numbers are whole."""
    flags: float
    """Share of cells that say yes or no (`true`, `n`, `0` ...)."""
    times: float
    """Share of cells that are dates or times; for plain numbers, that are seconds (or milliseconds ...) of the years 1990 to 2035."""
    words: float
    """Mean number of words."""
    lists: float
    """Share of cells that are lists."""
    top: tuple[tuple[str, int], ...]
    """The most frequent values with their counts, at most 20."""

    @property
    def is_key(self) -> bool:
        """Return whether every row has a value of its own, one word long."""
        return self.filled == self.rows == self.distinct > 0 and self.words == 1 and self._names_things

    @property
    def is_nearly_key(self) -> bool:
        """Return whether all but two rows in a hundred (in a small table, all but one row) have a value of their own, one word long."""
        few = self.rows - self.distinct <= max(0.02 * self.rows, 1)
        return few and self.distinct > 5 and self.words == 1 and self._names_things

    @property
    def is_repeated_key(self) -> bool:
        """Return whether the values are single words that name things: many, and some more than once."""
        many = self.filled >= 0.5 * self.rows and 5 < self.distinct < self.filled
        return many and self.words < 1.2 and self._names_things and not any("/" in value for value, _ in self.top)

    @property
    def _names_things(self) -> bool:
        return not self.is_fraction and not self.lists and self.times < 0.9

    @property
    def is_fraction(self) -> bool:
        """Return whether the column holds numbers with a decimal part."""
        return self.numbers > 0.9 and not self.whole

    @property
    def is_number(self) -> bool:
        """Return whether nearly all cells are numbers."""
        return self.numbers >= 0.95

    @property
    def is_flag(self) -> bool:
        """Return whether the cells say yes or no."""
        return self.flags >= 0.95 and self.distinct <= 4

    @property
    def is_text(self) -> bool:
        """Return whether the cells are sentences rather than names: several words, seldom the same."""
        return self.words >= 3 and self.distinct >= 0.2 * self.filled and self.times < 0.5

    @property
    def few_values(self) -> bool:
        """Return whether the column has 2 to 20 values that all come up more than once on average."""
        return 2 <= self.distinct <= 20 and self.distinct * 3 <= self.filled and not self.lists


def profile(column: pd.Series, *, classes: bool = False) -> Profile:
    """Return the facts of a column as `read_table` gives it; among classes, words such as `none` are values like others."""
    lists = column.map(lambda cell: isinstance(cell, list | dict)).mean() if column.dtype == object and len(column) else 0.0
    cells = as_texts(column).values.str.strip()
    cells = cells[cells != ""] if classes else cells[~is_missing(cells)]
    close = spread(cells)
    counts = cells.value_counts()
    numbers = as_numbers(cells).values
    return Profile(
        name=str(column.name),
        rows=len(column),
        filled=len(cells),
        distinct=len(counts),
        numbers=_share(~np.isnan(numbers)),
        whole=bool(np.all(np.mod(numbers[~np.isnan(numbers)], 1) == 0)),
        flags=_share(~np.isnan(as_flags(close).values)),
        times=_times(close),
        words=float((close.map(lambda text: len(text.split())) + close.str.count(UNSPACED) // 2).mean()) if len(close) else 0.0,
        lists=float(lists),
        top=tuple((str(value), int(count)) for value, count in counts.head(20).items()),
    )


def spread(cells: pd.Series) -> pd.Series:
    """Return at most `SAMPLE` cells, evenly spread."""
    return cells.iloc[:: max(1, -(-len(cells) // SAMPLE))]


def _times(cells: pd.Series) -> float:
    times, numbers = as_times(cells).values, as_numbers(cells).values
    digits = ~np.isnan(numbers) & (cells.str.len().to_numpy() != 8)  # eight digits are a day
    recent = (times > 631_152_000) & (times < 2_051_222_400)
    return _share(~np.isnan(times) & (recent | ~digits))


def _share(mask: np.ndarray) -> float:
    return float(mask.mean()) if len(mask) else 0.0


def hinted(name: str, hints: Iterable[str]) -> bool:
    """Return whether one of the words in a column name (`userId`, `is_fake`, `created-at`) is among the hints."""
    words = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
    return not set(hints).isdisjoint(words) or name.lower() in set(hints)
