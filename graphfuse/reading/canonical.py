"""Columns of the source -> the canonical columns of a manifest."""

import re
from collections.abc import Collection, Mapping

import pandas as pd
import pyarrow.compute as pc

from graphfuse.core.columns import arrow_texts, is_missing
from graphfuse.core.errors import InputError
from graphfuse.core.tables import Rejection
from graphfuse.reading.raw_table import RawTable
from graphfuse.reading.rejecting import as_ids, reject
from graphfuse.reading.settings import Group

SETTINGS = ("sample_id", "user_id", "time", "group")
"""Canonical columns with a setting of the same name that takes a column."""


def identify(raw: RawTable, frame: pd.DataFrame, column: str | None, rejections: list[Rejection]) -> tuple[pd.DataFrame, pd.Series]:
    """Return the rows that have an id, and these ids.

    Raises:
        InputError: If an id stands in two rows, or no row is left.
    """
    ids = as_ids(frame[column]) if column is not None else frame.index.to_series().astype("str")
    empty = pc.equal(arrow_texts(ids), "").to_numpy(zero_copy_only=False)
    if empty.any():
        rule = "A sample must have an id (row {value} has none). Fill it in to use the row."
        rows = frame.index.to_series()
        rejections += reject(empty, "samples", ids, rows, column=column or "", reason="empty_id", detail=rule, dropped=True)
        frame, ids = frame[~empty], ids[~empty]
    _check_unique(raw, ids)
    if not len(ids):
        first = f" The first was left out: {rejections[0].detail}" if rejections else " Add rows to it."
        raise InputError(f"A table must have rows that can be used ({raw.origin[0][0]} has none).{first}")
    return frame, ids


def _check_unique(raw: RawTable, ids: pd.Series) -> None:
    if ids.is_unique:
        return
    again = ids[ids.duplicated(keep=False)]
    name = str(again.iloc[0])
    first, second = again.index[again == name][:2]
    others = again.nunique() - 1
    more = f"; {others:,} more ids repeat" if others else ""
    raise InputError(
        f"A sample id must stand in one row (got '{name[:40]}' in {raw.place(first)} and {raw.place(second)}, "
        f"counted from 0 below the header{more}). Remove one of the rows, or choose another column as `sample_id`."
    )


def group_names(cells: pd.Series, group: Group, keys: pd.Series, rejections: list[Rejection]) -> pd.Series:
    """Return the group of each row; "" where the cell says that there is none, the whole cell where the pattern finds nothing in it."""
    cells = as_ids(cells)
    cells = cells.mask(is_missing(cells) | (cells == "[]"), "")
    if group.pattern is None:
        return cells
    found = {cell: match.group(1) for cell in cells.unique() if (match := re.match(group.pattern, cell)) and match.group(1)}
    unmatched = (~cells.isin(list(found)) & (cells != "")).to_numpy(dtype=bool)
    rule = "A group must match the pattern (got {value}). Widen `group.pattern`; the whole cell is the group."
    rejections += reject(unmatched, "samples", keys, cells, column=group.column, reason="group_unmatched", detail=rule)
    return cells.map(found).fillna(cells).astype("str")


def name_conflicts(columns: list[str], source_of: Mapping[str, tuple[str, ...]], used: Collection[str]) -> list[str]:
    """Return one sentence per column that settings use, but whose name means something else in a manifest.

    Args:
        columns: Columns of the source.
        source_of: For each canonical column the columns that it is read from; empty where the setting is null.
        used: Columns that other settings name.
    """
    problems = []
    for name, sources in source_of.items():
        if name in columns and name not in sources and (sources or name in used or f"{name}_in_file" in columns):
            read = f", and setting '{name}' {_is_read(sources)}. Set `{name}: {name}`, or rename" if name in SETTINGS else ". Rename"
            problems.append(
                f"Column '{name}' of the table has a fixed meaning here{read} the column: `rename: {{{name}_in_file: {name}}}`."
            )
    return problems


def _is_read(sources: tuple[str, ...]) -> str:
    return f"is read from '{', '.join(sources)[:40]}'" if sources else "is not set"


def set_aside(frame: pd.DataFrame, source_of: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """Return the frame with `time_in_file` for a column `time` that the setting `time` does not read, and so on.

    A manifest has a canonical column only where its setting says what it is read from.
    """
    columns = set(frame.columns)
    aside = {name: free_name(name, columns) for name, sources in source_of.items() if name not in sources and name in columns}
    return frame.rename(columns=aside) if aside else frame


def free_name(name: str, columns: Collection[str]) -> str:
    """Return what a column is called whose name means something else here."""
    new = f"{name}_in_file"
    while new in columns:
        new += "_in_file"
    return new
