"""Tables linked to the samples, read once and then looked up: what belongs to a few rows costs no look at the others."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from graphfuse.core.errors import InputError
from graphfuse.core.sockets import Rows
from graphfuse.reading.linked import LinkedTables
from graphfuse.reading.raw_table import RawTable, table_of_rows
from graphfuse.reading.rejecting import as_ids
from graphfuse.reading.settings import Interactions, Users


class LinkedRows:
    """Linked tables by the keys that samples name.

    Args:
        tables: What was read from disk.
        users: Settings; None where there are no users.
        interactions: Settings; None where there are no interactions.
        sample_id: The samples' column of ids; None takes the row number.
        user_id: The samples' column of authors.
    """

    def __init__(
        self, tables: LinkedTables, users: Users | None, interactions: Interactions | None, *, sample_id: str | None, user_id: str | None
    ) -> None:
        self._users, self._interactions = users, interactions
        self._sample_id, self._user_id = sample_id, user_id
        self._user_rows = None if tables[0] is None else _Keyed(tables[0][1], tables[0][0].user_id)
        self._interaction_rows = None if tables[1] is None else _Keyed(tables[1][1], tables[1][0].sample_id)
        self._joins = [(join, _Keyed(table, join.key)) for join, table in tables[2]]

    def of(self, samples: RawTable, users: Rows | None, interactions: Rows | None) -> LinkedTables:
        """Return the tables with nothing but the rows that belong to some samples.

        Args:
            samples: The rows.
            users: Rows to take instead of those on disk.
            interactions: Rows to take instead of those on disk.

        Raises:
            InputError: If a table is given that the experiment has no settings for.
        """
        frame = samples.frame
        joins = [(join, table.of(_ids(frame, join.key))) for join, table in self._joins]

        def ids() -> list[str]:
            return frame.index.astype(str).tolist() if self._sample_id is None else _ids(frame, self._sample_id)

        replies = _chosen("interactions", self._interactions, interactions, self._interaction_rows, ids)

        def people() -> list[str]:
            return _ids(frame, self._user_id) + (_ids(replies[1].frame, replies[0].user_id) if replies else [])

        return _chosen("users", self._users, users, self._user_rows, people), replies, joins


class _Keyed:
    """A table whose rows can be found by one column; a table without that column is given back whole, for others to refuse."""

    def __init__(self, raw: RawTable, column: str) -> None:
        self._raw = raw
        self._rows: dict[Any, Any] | None = None
        if column in raw.frame:
            self._rows = pd.Series(np.arange(len(raw.frame))).groupby(as_ids(raw.frame[column]).to_numpy()).indices

    def of(self, keys: Iterable[str]) -> RawTable:
        """Return the rows of some keys, in the order of the file; what could not be read of the others is no news."""
        if self._rows is None:
            return self._raw
        found = [self._rows[key] for key in dict.fromkeys(keys) if key in self._rows]
        rows = np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)
        return replace(self._raw, frame=self._raw.frame.iloc[rows], rejections=())


def _ids(frame: pd.DataFrame, column: str | None) -> list[str]:
    return as_ids(frame[column]).tolist() if column is not None and column in frame else []


def _chosen(name: str, settings: Any, given: Rows | None, kept: "_Keyed | None", keys: Callable[[], list[str]]) -> Any:
    """Return settings and table: the rows given, else those on disk that some keys name; None where there are none."""
    if given is not None and settings is None:
        raise InputError(f"The run was trained without a table of {name}, so that none can be given. Leave it out.")
    if given is not None:
        table = table_of_rows(given, name)
        return (settings, table) if len(table.frame) else None  # an empty list names no columns
    return None if kept is None else (settings, kept.of(keys()))
