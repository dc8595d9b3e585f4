"""One node per sample, which everything else belongs to; constant, or columns of the row."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphfuse.core.columns import as_texts, frame_of, text_array
from graphfuse.core.sockets import Modality
from graphfuse.core.tables import Manifest, NodeTable, State
from graphfuse.modalities._columns import Columns, ColumnSettings, require_columns


@dataclass(frozen=True, kw_only=True)
class Sample(ColumnSettings, Modality):
    """One `sample` node per row, with the constant 1 or with columns of the row as features.

    A single feature has the constant beside it: one channel means that a sample node has nothing of its own, which methods
    without a graph leave out.
    """

    modality: ClassVar[str] = "sample"
    node_type: ClassVar[str] = "sample"

    def fit(self, manifest: Manifest) -> State:
        """Learn means, deviations and vocabularies.

        Raises:
            InputError: If a column is missing.
        """
        require_columns(manifest.samples, self._columns.all, "samples", "modalities.sample")
        return self._columns.fit(manifest.samples)

    def channels(self, state: State) -> int:
        """Return the number of features."""
        return self._columns.channels(state) + self._constants(state)

    def nodes(self, chunk: Manifest, state: State) -> NodeTable:
        """Return one node per row.

        Raises:
            InputError: If a column is missing.
        """
        samples = chunk.samples
        require_columns(samples, self._columns.all, "samples", "modalities.sample")
        x, rejections = self._columns.features(samples, state)
        x = np.pad(x, ((0, 0), (0, self._constants(state))), constant_values=1)
        units = {
            "sample_id": as_texts(samples["sample_id"]).values.array,
            "user_id": as_texts(samples["user_id"]).values.array if "user_id" in samples else text_array([""] * len(samples)),
            "time": samples["time"].to_numpy(dtype=np.float64) if "time" in samples else np.full(len(samples), np.nan),
        }
        return NodeTable(
            node_type=self.node_type,
            sample=np.arange(len(samples), dtype=np.int64),
            x=x,
            units=frame_of(units),
            rejections=rejections,
        )

    def _constants(self, state: State) -> int:
        return int(bool(self._columns.all) and self._columns.channels(state) == 1)

    @property
    def _columns(self) -> Columns:
        return self.columns_of("samples", "sample_id")
