"""Users with their columns: shared between samples, or described by the row itself."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from graphfuse.core.columns import is_among
from graphfuse.core.errors import InputError
from graphfuse.core.sockets import Modality
from graphfuse.core.tables import FloatArray, Manifest, NodeTable, State
from graphfuse.modalities._columns import Columns, ColumnSettings, require_columns
from graphfuse.modalities._linked import POSITION, interactions_of


@dataclass(frozen=True, kw_only=True)
class User(ColumnSettings, Modality):
    """One `user` node per sample and person: the author, and everyone who interacts in the sample, each once.

    With `table: users` a person is one entity with one row of the users table, shared by all samples; a person without a
    row has no node. With `table: samples` each row describes its own author, who is not shared; a row in which all of the
    columns are missing has no node.
    """

    modality: ClassVar[str] = "user"
    node_type: ClassVar[str] = "user"

    table: Literal["users", "samples"] = "users"

    def fit(self, manifest: Manifest) -> State:
        """Learn means, deviations and vocabularies, from the users who occur in train rows only.

        Raises:
            InputError: If there is no users table, or a column is missing.
        """
        if self.table == "users" and "users" not in manifest.linked:
            raise InputError(
                "modalities.user: `table: users` needs a table of users (got none). "
                "Give dataset.users, or `table: samples` if each row describes its author."
            )
        frame = self._frame(manifest)
        if self.table == "users":
            frame = frame[is_among(frame["user_id"], _people(manifest)["user_id"])]
        return self._columns.fit(frame)

    def channels(self, state: State) -> int:
        """Return the number of features."""
        return self._columns.channels(state)

    def nodes(self, chunk: Manifest, state: State) -> NodeTable:
        """Return the people of each sample, the author first, then by first interaction.

        Without a table of users (new rows to predict, say) there are none.

        Raises:
            InputError: If a column is missing.
        """
        return self._shared(chunk, state) if self.table == "users" else self._own(chunk, state)

    def entities(self, manifest: Manifest, state: State) -> FloatArray | None:
        """Return the features of every row of the users table, or None with `table: samples`."""
        if self.table == "samples":
            return None
        return self._columns.features(self._frame(manifest), state)[0]

    def _shared(self, chunk: Manifest, state: State) -> NodeTable:
        users = self._frame(chunk)
        people = _people(chunk)
        # 1. Find each person's row; the first one, should an id repeat. Of the whole table, only ids are looked at.
        named = users.loc[is_among(users["user_id"], people["user_id"]), ["user_id"]]
        first = named[~named["user_id"].duplicated()]
        found = pd.Index(first["user_id"]).get_indexer(pd.Index(people["user_id"]))
        people, found = people[found >= 0], first.index.to_numpy()[found[found >= 0]]
        # 2. Encode each row that occurs once, and hand it out.
        rows, position = np.unique(found, return_inverse=True)
        x, rejections = self._columns.features(users.iloc[rows], state)
        return NodeTable(
            node_type=self.node_type,
            sample=people["sample"].to_numpy(dtype=np.int64),
            x=x[position],
            units=people[["user_id"]].reset_index(drop=True),
            entity=found.astype(np.int64),
            rejections=rejections,
        )

    def _own(self, chunk: Manifest, state: State) -> NodeTable:
        samples = self._frame(chunk)
        kept = ~self._columns.absent(samples)
        x, rejections = self._columns.features(samples[kept], state)
        ids = samples["user_id"] if "user_id" in samples else pd.Series("", index=samples.index)
        return NodeTable(
            node_type=self.node_type,
            sample=np.flatnonzero(kept).astype(np.int64),
            x=x,
            units=pd.DataFrame({"user_id": ids[kept].astype("str")}).reset_index(drop=True),
            rejections=rejections,
        )

    def _frame(self, manifest: Manifest) -> pd.DataFrame:
        """Return the table that holds the columns, with positions as its index."""
        if self.table == "users" and "users" not in manifest.linked:
            return pd.DataFrame({name: pd.Series([], dtype="str") for name in ("user_id", *self._columns.all)})
        frame = manifest.samples if self.table == "samples" else manifest.linked["users"]
        require_columns(frame, self._columns.all, self.table, "modalities.user")
        return frame.reset_index(drop=True)

    @property
    def _columns(self) -> Columns:
        return self.columns_of(self.table, "user_id" if self.table == "users" else "sample_id")


def _people(manifest: Manifest) -> pd.DataFrame:
    """Return `sample` (position) and `user_id` of every sample's people, ordered by sample; each person once per sample."""
    samples, parts = manifest.samples, []
    if "user_id" in samples:
        parts.append(pd.DataFrame({"sample": np.arange(len(samples)), "user_id": samples["user_id"].astype("str")}))
    parts.append(interactions_of(manifest)[[POSITION, "user_id"]].rename(columns={POSITION: "sample"}))
    people = pd.concat(parts, ignore_index=True).sort_values("sample", kind="stable")
    return people[people["user_id"].ne("") & ~people.duplicated()].astype({"user_id": "str"})
