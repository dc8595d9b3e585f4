"""Modalities whose features are made, not encoded: what is left of a conversion is graphfuse's own work.

Number of units and features depend on the row's number alone, so that a row is converted alike in any chunk and at prediction.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from graphfuse.core.draws import normal, uniform
from graphfuse.core.sockets import Modality
from graphfuse.core.tables import IntArray, Manifest, NodeTable, State

WITHOUT_PICTURE = 0.2
SPAN = 8
"""Characters of a made text span."""


@dataclass(frozen=True, kw_only=True)
class MadeText(Modality):
    """One to three spans of the column `text`."""

    modality: ClassVar[str] = "text"
    node_type: ClassVar[str] = "text_span"
    width: int = 16

    def channels(self, state: State) -> int:
        """Return the setting."""
        return self.width

    def nodes(self, chunk: Manifest, state: State) -> NodeTable:
        """Return spans of equal length."""
        row = chunk.samples["source_row"].to_numpy(dtype=np.int64)
        sample, place = drawn_units(row, stream=0, most=3)
        text = chunk.samples["text"].astype("str").take(sample).reset_index(drop=True)
        start = place * SPAN
        units = pd.DataFrame({"column": "text", "text": text, "start": start, "end": start + SPAN})
        x = normal(1, row[sample], place, width=self.width)
        return NodeTable(node_type=self.node_type, sample=sample, x=x, units=units.astype({"column": "str"}))


@dataclass(frozen=True, kw_only=True)
class MadeImage(Modality):
    """One to three regions of one picture; a fifth of the rows have none."""

    modality: ClassVar[str] = "image"
    node_type: ClassVar[str] = "image_region"
    width: int = 16

    def channels(self, state: State) -> int:
        """Return the setting."""
        return self.width

    def nodes(self, chunk: Manifest, state: State) -> NodeTable:
        """Return regions side by side."""
        row = chunk.samples["source_row"].to_numpy(dtype=np.int64)
        sample, place = drawn_units(row, stream=2, most=3)
        there = uniform(3, row)[sample] >= WITHOUT_PICTURE
        sample, place = sample[there], place[there]
        path = ("pictures/" + chunk.samples["sample_id"].astype("str") + ".jpg").take(sample).reset_index(drop=True)
        box = {"x0": place / 3, "y0": 0.0, "x1": (place + 1) / 3, "y1": 1.0}
        units = pd.DataFrame({"path": path, "picture": np.int64(0), **box}, index=range(len(sample)))
        return NodeTable(node_type=self.node_type, sample=sample, x=normal(4, row[sample], place, width=self.width), units=units)


def drawn_units(row: IntArray, stream: int, most: int) -> tuple[IntArray, IntArray]:
    """Return the sample of each unit and its place in it: one to `most` per row."""
    counts = 1 + (uniform(stream, row) * most).astype(np.int64)
    sample = np.repeat(np.arange(len(row)), counts)
    return sample, np.arange(len(sample)) - np.repeat(np.cumsum(counts) - counts, counts)
