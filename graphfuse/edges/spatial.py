"""Image region adjoins image region: neighbours within one picture, by the geometry of their boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from graphfuse.core.schema import EdgeType
from graphfuse.core.sockets import EdgeBuilder
from graphfuse.core.tables import EdgeTable, IntArray, NodeTable, State
from graphfuse.edges._helpers import all_pairs, blocks, count_pairs, edge_table

ADJOINS: EdgeType = ("image_region", "adjoins", "image_region")
TOLERANCE = 1e-4
"""Gap between boxes, as a fraction of the picture, that still counts as touching (boxes are rounded to float32)."""
PAIRS_AT_ONCE = 2_000_000
"""Bounds the memory of the candidates (about 100 bytes each)."""


@dataclass(frozen=True, kw_only=True)
class SpatialEdges(EdgeBuilder):
    """Links regions of the same picture whose boxes touch or overlap; works for grids and for given boxes alike."""

    neighbours: Literal[4, 8] = 8
    """8: a common corner is enough; 4: the boxes share a stretch of an edge, or overlap."""
    reverse: bool = False
    """Off by default: `adjoins` already runs both ways."""

    def edge_types(self, node_types: Sequence[str]) -> tuple[EdgeType, ...]:
        """Return `adjoins` where there are image regions."""
        return (ADJOINS,) if "image_region" in node_types else ()

    def edges(self, tables: Mapping[str, NodeTable], state: State) -> list[EdgeTable]:
        """Return both directions of every pair of neighbours."""
        if not self.edge_types(tuple(tables)):
            return []
        regions = tables["image_region"]
        picture, order = _pictures(regions)
        boxes = np.stack([regions.units[name].to_numpy(dtype=np.float64) for name in ("x0", "y0", "x1", "y1")], axis=1)[order]
        sources, destinations = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
        for block in blocks(count_pairs(picture, picture), PAIRS_AT_ONCE):
            source, destination = all_pairs(picture, picture[block])
            destination += block.start
            adjoining = (source != destination) & self._touch(boxes, source, destination)
            sources.append(order[source[adjoining]])
            destinations.append(order[destination[adjoining]])
        return [edge_table(ADJOINS, np.concatenate(sources), np.concatenate(destinations))]

    def _touch(self, boxes: np.ndarray, a: IntArray, b: IntArray) -> np.ndarray:
        """Return whether boxes `a` and `b` are neighbours.  [num_pairs]."""
        # length that two boxes have in common per axis: positive = overlap, 0 = touching, negative = gap  [num_pairs, 2]
        common = np.minimum(boxes[a, 2:], boxes[b, 2:]) - np.maximum(boxes[a, :2], boxes[b, :2])
        touching = (common >= -TOLERANCE).all(axis=1)
        if self.neighbours == 8:
            return np.asarray(touching)
        return np.asarray(touching & (common > TOLERANCE).any(axis=1))


def _pictures(regions: NodeTable) -> tuple[IntArray, IntArray]:
    """Return a picture number per region, ascending, and the rows in that order."""
    place = regions.units["picture"].to_numpy(dtype=np.int64)
    order = np.lexsort((place, regions.sample))
    sample, place = regions.sample[order], place[order]
    starts = np.ones(len(order), dtype=np.int64)
    starts[1:] = (sample[1:] != sample[:-1]) | (place[1:] != place[:-1])
    return np.cumsum(starts), order
