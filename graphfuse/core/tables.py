"""The nouns that travel along the line: manifest, node table, edge table, score table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.core.columns import is_among
from graphfuse.core.schema import EdgeType

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
State = dict[str, npt.NDArray[np.generic]]
"""What was fitted on train rows: named arrays, saved as one safetensors file."""

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """One row, picture or link that could not be used, and why (contract 5)."""

    table: str
    """`samples`, `users`, `interactions`, or the name of a linked table."""
    row: int
    """Row number in the source file, counted from 0 below the header; -1 if there is none."""
    key: str
    """The id of the row, as text."""
    column: str
    reason: str
    """A stable word: `duplicate_id`, `picture_missing`, `path_outside`, `image_too_large` ..."""
    detail: str
    """A sentence for people: the rule, the value (at most 40 characters of it), the way out."""
    dropped: bool = False
    """True if the whole sample is left out; False if only this picture, link or cell is."""


REJECTION_COLUMNS = ("table", "row", "key", "column", "reason", "detail", "dropped")


def rejection_frame(rejections: Iterable[Rejection]) -> pd.DataFrame:
    """Return the quarantine table, one row per rejection, in the order given."""
    rows = [tuple(getattr(rejection, name) for name in REJECTION_COLUMNS) for rejection in rejections]
    return pd.DataFrame(rows, columns=list(REJECTION_COLUMNS))


CANONICAL: Mapping[str, tuple[str, ...]] = {
    "samples": ("sample_id", "user_id", "time", "group", "split", "pictures", "sample_weight", "source_row"),
    "users": ("user_id",),
    "interactions": ("interaction_id", "sample_id", "user_id", "kind", "time", "reply_to"),
}
"""Columns with a meaning of their own, per table of a manifest; a file's own column of such a name gets another."""
FILE_ROW = "row of the file"
"""Column of linked tables, where it is known which row of the file each row was: a name that no column has by accident."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The samples of a data set, one row each, with the tables linked to them.

    `samples` has a RangeIndex and the canonical columns `sample_id` (text, unique), `source_row` (int),
    `split` (`train`, `validation`, `test`, or "" where unknown) and, where the data has them, `user_id`
    (author, text), `time` (float seconds since 1970), `group` (text), `sample_weight` (float above 0, how much the row
    counts in training) and `pictures` (list of paths relative to `root`), beside all columns of the source under their own names. `linked["users"]` has `user_id`;
    `linked["interactions"]` has `interaction_id`, `sample_id`, `user_id`, `kind`, `time`, `reply_to`
    (an interaction id, or "" for the sample itself). Ids are text, always; a missing one is "".
    """

    samples: pd.DataFrame
    linked: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    root: Path = Path()
    """Folder that picture paths are relative to and may not leave."""
    target: tuple[str, ...] = ()
    """Target column(s) in `samples`; empty where there is none (prediction)."""
    rejections: tuple[Rejection, ...] = ()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def take(self, rows: npt.ArrayLike) -> "Manifest":
        """Return the manifest of some rows (positions or a mask), with the linked rows that belong to them.

        Users stay whole, since they are shared; interactions are those of the chosen samples.
        Rejections stay with the whole manifest, so that nothing is counted twice.
        """
        samples = self.samples.iloc[np.asarray(rows)] if np.asarray(rows).dtype != bool else self.samples[np.asarray(rows)]
        samples = samples.reset_index(drop=True)
        linked = dict(self.linked)
        if "interactions" in linked:
            interactions = linked["interactions"]
            kept = is_among(interactions["sample_id"], samples["sample_id"])
            linked["interactions"] = interactions[kept].reset_index(drop=True)
        return replace(self, samples=samples, linked=linked, rejections=())

    def reject(self, position: int, reason: str, detail: str, *, column: str = "", dropped: bool = False) -> Rejection:
        """Return a rejection that names the sample at a position."""
        row = int(self.samples["source_row"].iloc[position]) if "source_row" in self.samples else position
        key = str(self.samples["sample_id"].iloc[position])
        return Rejection(table="samples", row=row, key=key, column=column, reason=reason, detail=detail, dropped=dropped)

    def train_rows(self) -> "Manifest":
        """Return the train rows only: all that `fit` may see (contract 4)."""
        return self.take((self.samples["split"] == "train").to_numpy())


@dataclass(frozen=True, kw_only=True)
class NodeTable:
    """The nodes of one type for a chunk of samples.

    Rows are ordered by `sample`. `units` is what a person can read and what edge builders link by; its columns
    are fixed by the modality:

    - `text_span`: `column`, `text`, `start`, `end` (character offsets in the column's text)
    - `image_region`: `path`, `picture` (position in the row's list), `x0`, `y0`, `x1`, `y1` (fractions of width and height)
    - `user`: `user_id`
    - `interaction`: `interaction_id`, `user_id`, `reply_to`, `kind`, `time`
    - `sample`: `sample_id`, `user_id`, `time`
    """

    node_type: str
    sample: IntArray
    """Position of each node's sample in the chunk, ascending.  [num_nodes]"""
    x: FloatArray
    """Features, finite.  [num_nodes, channels]"""
    units: pd.DataFrame
    entity: IntArray | None = None
    """For entity types: each node's row in the entity table.  [num_nodes]"""
    rejections: tuple[Rejection, ...] = ()

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.sample)

    def counts(self, num_samples: int) -> IntArray:
        """Return the number of nodes of each sample, `[num_samples]`."""
        return np.bincount(self.sample, minlength=num_samples).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class EdgeTable:
    """The edges of one type for a chunk; both ends always lie in the same sample.

    `index` holds row positions in the chunk's node tables of the two end types.
    """

    edge_type: EdgeType
    index: IntArray
    """Source and destination rows.  [2, num_edges]"""
    weight: FloatArray | None = None
    """Observed strength in [0, 1] (for example cosine similarity); None means 1.  [num_edges]"""
    rejections: tuple[Rejection, ...] = ()
    """Links that could not be made."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", np.asarray(self.index, dtype=np.int64))  # row by row it may have fewer bits, products not

    def __len__(self) -> int:
        """Return the number of edges."""
        return int(self.index.shape[1])


def edge_order(source: IntArray, destination: IntArray, *, distinct: bool = False) -> IntArray:
    """Return the order of edges by destination, then source; equal ones stay in theirs.

    Node rows ascend by sample, so this is also the order by sample in which a store keeps them.

    Args:
        source: Rows in the source table.  [num_edges]
        destination: Rows in the destination table.  [num_edges]
        distinct: No two are equal, which takes less time where they are in no order yet.
    """
    # of one number each, numpy sorts what is sorted already at a glance
    key = destination.astype(np.int64, copy=False) * (int(source.max(initial=0)) + 1) + source
    return np.argsort(key, kind="quicksort" if distinct else "stable")


SCORE_COLUMNS = ("analysis", "level", "sample_id", "element", "source", "target", "score")


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """What an analysis found, one row per scored element.

    Columns: `analysis`; `level` (`edge`, `edge_type`, `node_type`, `modality`, `model`); `sample_id` ("" where the score is of
    the whole set); `element` (an `edge_name`, node type, modality or metric); `source`, `target` (local node positions in the sample, -1
    where they do not apply); `score` (higher = mattered more). Further columns (`low`, `high` ...) may follow.
    """

    frame: pd.DataFrame
