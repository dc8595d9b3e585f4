"""Tables linked to the samples: users and interactions."""

import numpy as np
import pandas as pd

from graphfuse.core.columns import as_texts, as_times
from graphfuse.core.tables import CANONICAL, FILE_ROW, Rejection
from graphfuse.reading.canonical import set_aside
from graphfuse.reading.raw_table import RawTable
from graphfuse.reading.rejecting import as_ids, missing_columns, reject
from graphfuse.reading.settings import Interactions, Join, Users

UsersTable = tuple[Users, RawTable]
InteractionsTable = tuple[Interactions, RawTable]
LinkedTables = tuple[UsersTable | None, InteractionsTable | None, list[tuple[Join, RawTable]]]
"""Users, interactions and joined tables, each with its settings."""


def missing_linked_columns(users: UsersTable | None, interactions: InteractionsTable | None) -> list[str]:
    """Return one sentence per column that a linked table lacks."""
    problems = []
    if users is not None:
        settings, raw = users
        problems += missing_columns([("users.user_id", settings.user_id)], raw.frame.columns, raw.origin[0][0])
    if interactions is not None:
        replies, raw = interactions
        wanted = [(f"interactions.{name}", column) for name, column in replies.columns().items()]
        wanted += [("interactions.text", replies.text)] if replies.text else []
        problems += missing_columns(wanted, raw.frame.columns, raw.origin[0][0])
    return problems


def link_tables(
    samples: pd.DataFrame, users: UsersTable | None, interactions: InteractionsTable | None, *, strangers: bool
) -> tuple[dict[str, pd.DataFrame], list[Rejection]]:
    """Return the linked tables of a manifest, and what does not hang together.

    Args:
        samples: With `sample_id` and, where there are authors, `user_id`; the index holds the row numbers.
        users: Settings and table.
        interactions: Settings and table.
        strangers: As in `link_interactions`.
    """
    linked: dict[str, pd.DataFrame] = {}
    rejections: list[Rejection] = []
    if users is not None:
        linked["users"], problems = link_users(users[1], users[0])
        rejections += problems
        if "user_id" in samples:
            rejections += reject_unknown_users(samples, "samples", samples["sample_id"], linked["users"])
    if interactions is not None:
        replies, problems = link_interactions(interactions[1], interactions[0], samples["sample_id"], strangers=strangers)
        rejections += problems
        if users is not None:
            rejections += reject_unknown_users(replies, "interactions", replies["interaction_id"], linked["users"])
        linked["interactions"] = _numbered(replies)
    return linked, rejections


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
    frame = set_aside(raw.frame, {"user_id": (settings.user_id,)}).assign(user_id=ids)
    return _numbered(frame[kept]), rejections


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows numbered from 0, with the numbers that they had in their file."""
    return frame.assign(**{FILE_ROW: frame.index}).reset_index(drop=True)


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
    cells, sources = raw.frame, settings.columns()
    canonical = {name: as_ids(cells[column]) for name, column in sources.items() if name not in ("time", "kind")}
    canonical.setdefault("interaction_id", pd.Series(cells.index.astype(str), index=cells.index, dtype="str"))
    empty_text = pd.Series("", index=cells.index, dtype="str")
    for name in ("user_id", "reply_to"):
        canonical.setdefault(name, empty_text)
    canonical["kind"] = as_texts(cells[settings.kind]).values.str.strip() if settings.kind else empty_text
    frame = set_aside(cells, {name: (sources.get(name, ""),) for name in CANONICAL["interactions"]}).assign(**canonical)
    rejections = [*raw.rejections]
    kept = _keep(frame, settings, sample_ids, strangers, rejections)
    frame = frame[kept]
    times = _times(cells[kept], frame["interaction_id"], settings, rejections)
    return frame.assign(time=times, reply_to=_replies(frame, settings, rejections)), rejections


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


def _times(cells: pd.DataFrame, keys: pd.Series, settings: Interactions, rejections: list[Rejection]) -> np.ndarray:
    """Return seconds since 1970, NaN where the time is missing or cannot be read."""
    if settings.time is None:
        return np.full(len(cells), np.nan)
    return read_times(cells, settings.time, "interactions", keys, rejections)


def read_times(frame: pd.DataFrame, column: str, table: str, keys: pd.Series, rejections: list[Rejection]) -> np.ndarray:
    """Return seconds since 1970; what cannot be read is rejected and NaN."""
    times = as_times(frame[column])
    rule = "A time must be ISO 8601 or seconds since 1970 (got {value}). Rewrite it to use it."
    rejections += reject(times.bad, table, keys, frame[column], column=column, reason="bad_time", detail=rule)
    return times.values


def _replies(frame: pd.DataFrame, settings: Interactions, rejections: list[Rejection]) -> pd.Series:
    """Return the answered interaction of the same sample; "" where the sample itself is answered.

    An id that both have is the interaction's. A reply to something unknown hangs on the sample, as it belongs to it in any case.
    """
    answered, sample = frame["reply_to"], frame["sample_id"]
    owner = pd.Series(sample.to_numpy(), index=frame["interaction_id"].to_numpy())
    found = (answered.map(owner) == sample) & (answered != frame["interaction_id"])
    answered = answered.mask((answered == sample) & ~found, "")
    unknown = ((answered != "") & ~found).to_numpy(dtype=bool)
    rule = "A reply must answer another interaction of the same sample (got {value}); it now counts as an answer to the sample."
    rejections += reject(
        unknown, "interactions", frame["interaction_id"], answered, column=settings.reply_to or "", reason="unknown_reply", detail=rule
    )
    return answered.mask(unknown, "")


def reject_unknown_users(frame: pd.DataFrame, table: str, keys: pd.Series, users: pd.DataFrame) -> list[Rejection]:
    """Return a rejection for every row whose user has no row in the users table; the row itself stays."""
    unknown = ((frame["user_id"] != "") & ~frame["user_id"].isin(users["user_id"])).to_numpy(dtype=bool)
    rule = "A user must have a row in the users table (got {value}). Add it, or leave it: the row is used without its user."
    return reject(unknown, table, keys, frame["user_id"], column="user_id", reason="user_without_row", detail=rule)
