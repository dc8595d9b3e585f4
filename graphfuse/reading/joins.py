"""Tables with one row per key, whose columns are added to the samples."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graphfuse.core.errors import InputError
from graphfuse.core.tables import Rejection
from graphfuse.reading.raw_table import RawTable
from graphfuse.reading.rejecting import as_ids, missing_columns, reject
from graphfuse.reading.settings import Join


def missing_keys(joins: Sequence[tuple[Join, RawTable]], own: list[str]) -> list[str]:
    """Return one sentence per join whose key is not a column of the samples or of the joined table."""
    problems = []
    for number, (join, table) in enumerate(joins):
        wanted = [(f"joins.{number}.key", join.key)]
        problems += missing_columns(wanted, own, "the table")
        problems += missing_columns(wanted, table.frame.columns, table.origin[0][0])
    return problems


def join_tables(samples: pd.DataFrame, joins: Sequence[tuple[Join, RawTable]]) -> tuple[pd.DataFrame, list[Rejection]]:
    """Add the columns of the joined tables to the samples; several tables may give a column, each for its own rows.

    Raises:
        InputError: If a table would give a column that the samples have of their own, or two tables one to the same row.
    """
    rejections: list[Rejection] = []
    own, joined = set(samples.columns), samples
    filled: dict[str, np.ndarray] = {}
    keyless: dict[tuple[str, ...], np.ndarray] = {}
    for settings, raw in joins:
        name = raw.origin[0][0]
        rejections += raw.rejections
        table, again = _one_row_per_key(raw, settings, name)
        rejections += again
        keys = as_ids(samples[settings.key])
        matched = (keys.isin(table.index) & (keys != "")).to_numpy(dtype=bool)
        columns = [column for column in table.columns if column != settings.key]
        _refuse_overwriting(own, columns, filled, matched, settings, name)
        for column in columns:
            values = keys.map(table[column]).where(matched, joined.get(column, ""))
            joined = joined.assign(**{column: values})
            filled[column] = filled.get(column, np.zeros(len(samples), dtype=bool)) | matched
        group = (settings.key, *columns)
        keyless[group] = keyless.get(group, np.ones(len(samples), dtype=bool)) & ~matched
    for (key, *_columns), mask in keyless.items():
        keys = as_ids(samples[key])
        rule = "A sample must have a row in the joined table (got {value}). Add it, or leave it: the joined columns are empty."
        rejections += reject(mask, "samples", keys, keys, column=key, reason="no_joined_row", detail=rule)
    return joined, rejections


def _one_row_per_key(raw: RawTable, settings: Join, name: str) -> tuple[pd.DataFrame, list[Rejection]]:
    """Return the table with its key as index; the first row of a key is taken."""
    keys = as_ids(raw.frame[settings.key])
    again = keys.duplicated().to_numpy(dtype=bool)
    rule = "A joined table must have one row per key ({value} has several; the first is taken). Remove the others."
    rejections = reject(again, name, keys, keys, column=settings.key, reason="duplicate_key", detail=rule)
    return raw.frame[~again].set_index(keys[~again]), rejections


def _refuse_overwriting(
    own: set[str], columns: list[str], filled: dict[str, np.ndarray], matched: np.ndarray, settings: Join, name: str
) -> None:
    for column in columns:
        if column in own:
            raise InputError(
                f"A joined table may not bring a column that the samples have ('{column[:40]}' of {name}). "
                "Rename it in the file, or leave it out."
            )
        if column in filled and bool((filled[column] & matched).any()):
            raise InputError(
                f"Two joined tables may not give '{column[:40]}' to the same row ({name}, key '{settings.key[:40]}'). Rename it in one of them."
            )
