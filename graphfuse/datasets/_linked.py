"""Tables linked to the samples: users, interactions, and joined columns."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graphfuse.core.columns import as_texts, as_times
from graphfuse.core.errors import InputError
from graphfuse.core.tables import Rejection
from graphfuse.datasets._reading import RawTable
from graphfuse.datasets._rejecting import as_ids, reject
from graphfuse.datasets._settings import Interactions, Join, Users


def link_users(raw: RawTable, settings: Users) -> tuple[pd.DataFrame, list[Rejection]]:
    """Return the users, one row per id; the first row of an id is taken."""
    ids = as_ids(raw.frame[settings.user_id])
    rejections = [*raw.rejections]
    empty = (ids == "").to_numpy(dtype=bool)
    rule = "A user must have an id (row {value} has none). Fill it in to use the row."
    rejections += reject(empty, "users", ids, ids.index.to_series(), column=settings.user_id, reason="empty_id", detail=rule)
    again = ids.duplicated().to_numpy(dtype=bool) & ~empty
    rule = "A user must have one row ({value} has several; the first is taken). Remove the others."
    rejections += reject(again, "users", ids, ids, column=settings.user_id, reason="duplicate_id", detail=rule)
    kept = ~(empty | again)
    return raw.frame.assign(user_id=ids)[kept].reset_index(drop=True), rejections


def link_interactions(
    raw: RawTable, settings: Interactions, sample_ids: pd.Series, *, strangers: bool
) -> tuple[pd.DataFrame, list[Rejection]]:
    """Return the interactions of the samples in file order, with canonical columns; the index still holds the row numbers.

    Args:
        raw: The table as read.
        settings: Which column holds what.
        sample_ids: The samples that exist.
        strangers: Whether interactions of other samples may be there (a table that new rows share with the old ones): they
            are then not reported.
    """
    frame = raw.frame
    canonical = {name: as_ids(frame[column]) for name, column in settings.columns().items() if name not in ("time", "kind")}
    canonical.setdefault("interaction_id", pd.Series(frame.index.astype(str), index=frame.index, dtype="str"))
    empty_text = pd.Series("", index=frame.index, dtype="str")
    for name in ("user_id", "reply_to"):
        canonical.setdefault(name, empty_text)
    canonical["kind"] = as_texts(frame[settings.kind]).values.str.strip() if settings.kind else empty_text
    frame = frame.assign(**canonical)
    rejections = [*raw.rejections]
    kept = _keep(frame, settings, sample_ids, strangers, rejections)
    frame = frame[kept]
    frame = frame.assign(time=_times(frame, settings, rejections), reply_to=_replies(frame, settings, rejections))
    return frame, rejections


def _keep(frame: pd.DataFrame, settings: Interactions, sample_ids: pd.Series, strangers: bool, rejections: list[Rejection]) -> pd.Series:
    """Return which interactions have an id of their own and a sample."""
    ids, owners = frame["interaction_id"], frame["sample_id"]
    empty = (ids == "").to_numpy(dtype=bool)
    rule = "An interaction must have an id (row {value} has none). Fill it in to use the row."
    id_column = settings.interaction_id or ""
    rejections += reject(empty, "interactions", ids, ids.index.to_series(), column=id_column, reason="empty_id", detail=rule)
    unknown = ~owners.isin(sample_ids).to_numpy(dtype=bool) & ~empty
    rule = "An interaction must belong to a sample that exists (got {value}). Add the sample, or remove the row."
    if not strangers:
        rejections += reject(unknown, "interactions", ids, owners, column=settings.sample_id, reason="unknown_sample", detail=rule)
    kept = ~(empty | unknown)
    again = np.zeros(len(frame), dtype=bool)
    again[kept] = ids[kept].duplicated()
    rule = "An interaction must have one row ({value} has several; the first is taken). Remove the others."
    rejections += reject(again, "interactions", ids, ids, column=id_column, reason="duplicate_id", detail=rule)
    return pd.Series(kept & ~again, index=frame.index)


def _times(frame: pd.DataFrame, settings: Interactions, rejections: list[Rejection]) -> np.ndarray:
    """Return seconds since 1970, NaN where the time is missing or cannot be read."""
    if settings.time is None:
        return np.full(len(frame), np.nan)
    return read_times(frame, settings.time, "interactions", frame["interaction_id"], rejections)


def read_times(frame: pd.DataFrame, column: str, table: str, keys: pd.Series, rejections: list[Rejection]) -> np.ndarray:
    """Return seconds since 1970; what cannot be read is rejected and NaN."""
    times = as_times(frame[column])
    rule = "A time must be ISO 8601 or seconds since 1970 (got {value}). Rewrite it to use it."
    rejections += reject(times.bad, table, keys, frame[column], column=column, reason="bad_time", detail=rule)
    return times.values


def _replies(frame: pd.DataFrame, settings: Interactions, rejections: list[Rejection]) -> pd.Series:
    """Return the answered interaction of the same sample; "" where the sample itself is answered.

    A reply to something unknown hangs on the sample, as it belongs to it in any case.
    """
    answered = frame["reply_to"].mask(frame["reply_to"] == frame["sample_id"], "")
    owner = pd.Series(frame["sample_id"].to_numpy(), index=frame["interaction_id"].to_numpy())
    found = (answered.map(owner) == frame["sample_id"]) & (answered != frame["interaction_id"])
    unknown = ((answered != "") & ~found).to_numpy(dtype=bool)
    rule = "A reply must answer another interaction of the same sample (got {value}); it now counts as an answer to the sample."
    rejections += reject(
        unknown, "interactions", frame["interaction_id"], answered, column=settings.reply_to or "", reason="unknown_reply", detail=rule
    )
    return answered.mask(unknown, "")


def reject_unknown_users(frame: pd.DataFrame, table: str, keys: pd.Series, users: pd.DataFrame, column: str) -> list[Rejection]:
    """Return a rejection for every row whose user has no row in the users table; the row itself stays."""
    unknown = ((frame["user_id"] != "") & ~frame["user_id"].isin(users["user_id"])).to_numpy(dtype=bool)
    rule = "A user must have a row in the users table (got {value}). Add it, or leave it: the row is used without its user."
    return reject(unknown, table, keys, frame["user_id"], column=column, reason="user_without_row", detail=rule)


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
