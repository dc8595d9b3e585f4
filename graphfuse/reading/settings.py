"""Settings of the parts of a table data set: what is linked, grouped, pictured and split."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from graphfuse.core.tables import CANONICAL

Format = Literal["csv", "tsv", "tsv-unquoted", "jsonl", "parquet"]
Paths = str | tuple[str, ...]
"""One file, or several with the same columns that are read one below the other."""

SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("dev", "devel", "development", "val", "valid", "validation"),
    "test": ("test", "testing"),
}


def split_of(word: str) -> str:
    """Return `train`, `validation` or `test` for a word people use, or "" if it is none of them."""
    plain = word.strip().lower()
    return next((split for split, words in SPLIT_WORDS.items() if plain in words), "")


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Base of the parts: unknown settings are refused."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Group(_Part):
    """Rows that belong together and stay in one split."""

    column: str
    pattern: str | None = None
    """Regular expression whose first group, matched at the start of the cell, is the name; None takes the whole cell."""

    def __post_init__(self) -> None:
        if self.pattern is None:
            return
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise ValueError(f"the pattern must be a regular expression ({error})") from error
        if groups < 1:
            raise ValueError("the pattern must have a group in brackets, which is the name, such as ^([a-z]+)_")


@dataclass(frozen=True, kw_only=True)
class Pictures(_Part):
    """Columns that name picture files."""

    columns: tuple[str, ...]
    separator: str | None = ","
    """What stands between several names in one cell; None takes the whole cell as one name. List cells need none."""
    folder: str = "."
    """Where the pictures lie, relative to the table's folder; a name without extension is looked up there by its stem."""

    def __post_init__(self) -> None:
        if self.separator == "":
            raise ValueError("separator must be at least one character, or null for one name per cell")


@dataclass(frozen=True, kw_only=True)
class Users(_Part):
    """The table of users, one row each."""

    path: Paths
    user_id: str = "user_id"
    """Column of the key that the samples' `user_id` holds."""
    format: Format | None = None


@dataclass(frozen=True, kw_only=True)
class Interactions(_Part):
    """The table of replies, likes, shares: one row each, belonging to one sample."""

    path: Paths
    sample_id: str
    interaction_id: str | None = None
    """None takes the row number."""
    user_id: str | None = None
    kind: str | None = None
    time: str | None = None
    reply_to: str | None = None
    """Column with the id of the interaction that is answered; empty, or the sample's id, where the sample itself is."""
    text: str | None = None
    format: Format | None = None

    def columns(self) -> dict[str, str]:
        """Return the column that each canonical column is read from, where there is one."""
        return {name: getattr(self, name) for name in CANONICAL["interactions"] if getattr(self, name) is not None}


@dataclass(frozen=True, kw_only=True)
class Join(_Part):
    """A table with one row per key, whose columns are added to the samples."""

    path: Paths
    key: str
    """Column of the key, of the same name in the samples and in this table."""
    format: Format | None = None


@dataclass(frozen=True, kw_only=True)
class Weight(_Part):
    """How much a row counts in training: rows of one split that say the same count together as one."""

    repeats: str
    """Column whose equal cells are repeats, upper or lower case; a row without a value repeats no other."""
    ignore: str | None = None
    """Regular expression of what does not tell cells apart, such as addresses and blanks."""

    def __post_init__(self) -> None:
        try:
            re.compile(self.ignore or "")
        except re.error as error:
            raise ValueError(f"ignore must be a regular expression ({error})") from error


@dataclass(frozen=True, kw_only=True)
class Split(_Part):
    """Which rows are train, validation and test."""

    by: Literal["column", "random", "group", "time"]
    column: str | None = None
    """The column that says it (`by: column`): train, dev, val, valid, validation or test, in any case."""
    validation: float = 0.1
    """Share of validation rows; where the data names none, they are taken out of train."""
    test: float = 0.2
    """Share of test rows; used where the data does not name them."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by == "column" and self.column is None:
            raise ValueError("split by column needs the setting `column`")
        if not (0 <= self.validation < 1 and 0 <= self.test < 1 and self.validation + self.test < 1):
            raise ValueError("validation and test are shares of the rows, at least 0 and together below 1")


def listed(paths: str | Iterable[str]) -> tuple[str, ...]:
    """Return one or several names as a tuple."""
    return (paths,) if isinstance(paths, str) else tuple(paths)
