"""The nodes and edges of a batch by compiled loops, to the same bits as by numpy and torch."""

import ctypes
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphfuse.core.compiled import address, call, library
from graphfuse.core.ragged import exclusive_sums
from graphfuse.core.tables import IntArray
from graphfuse.store.buffers import Allocate
from graphfuse.store.stretches import Stretches

SOURCE = Path(__file__).with_name("gather.cpp")
Array = npt.NDArray[Any]


class _Stretches(ctypes.Structure):
    """`Stretches` of gather.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_stretches", "num_samples", "num_node_types", "num_edge_types")),
        *((name, ctypes.c_void_p) for name in ("shard", "samples", "starts", "rows", "first_end", "columns", "row_bytes", "narrow")),
        *((name, ctypes.c_void_p) for name in ("edge_counts", "node_pointers", "ends")),
    )


def nodes_and_edges(found: Stretches, ends: IntArray, allocate: Allocate) -> tuple[list[Array], list[IntArray]]:
    """Return the column of each node type, features as float32, and the edges of each edge type, [2, num_edges].

    Args:
        found: Where the samples lie.
        ends: Number of the source and of the destination node type per edge type.  [2, num_edge_types]
        allocate: Gives the memory for features.

    Raises:
        ConfigError: If the loops have to be compiled and cannot be.
        IndexError: If a stretch does not lie in its shard.
    """
    _check(found)
    loops, shapes = _Loops(found, ends), found.node_shapes
    features = iter(allocate([shape for shape in shapes if len(shape) == 2]))
    nodes = [next(features) if len(shape) == 2 else np.empty(shape, np.int64) for shape in shapes]
    loops("take_nodes", np.array([array.__array_interface__["data"][0] for array in nodes]))
    bounds = exclusive_sums(2 * found.edge_counts.sum(axis=1)).tolist()
    index = np.empty(bounds[-1], dtype=np.int64)
    loops("take_edges", index)
    return nodes, [index[start:stop].reshape(2, -1) for start, stop in pairwise(bounds)]


def _check(found: Stretches) -> None:
    """Check that stretches lie in their shards, which the loops rely on."""
    lengths = np.stack([shard.lengths for shard in found.shards])[found.shard].T  # [num_node_types + 1, num_stretches]
    stops = np.vstack([found.stops[: len(found.node_counts)], found.ends[1]])
    if (found.starts < 0).any() or (stops > lengths).any() or min(found.node_counts.min(), found.edge_counts.min(initial=0)) < 0:
        raise IndexError(
            "A sample's pointers must ascend and lie in its shard (they do not: the store is damaged, and was opened unchecked)."
        )


class _Loops:
    """The loops over the stretches of a batch, with what both their calls share.

    Args:
        found: Where the samples lie.
        ends: Number of the source and of the destination node type per edge type.  [2, num_edge_types]
    """

    def __init__(self, found: Stretches, ends: IntArray) -> None:
        types, nodes = len(found.node_counts), found.shards[0].nodes
        starts, stops = found.starts[:types], found.stops[:types]
        table = np.stack([shard.addresses for shard in found.shards])
        row_bytes = np.array([column.itemsize * math.prod(column.shape[1:]) for column in nodes])
        narrow = np.array([column.dtype == np.float16 for column in nodes], dtype=np.int64)
        arrays = [found.shard, found.samples, starts, stops - starts, found.ends[0], table, row_bytes, narrow]
        # kept, since the loops only know addresses
        self._kept = list(map(np.ascontiguousarray, [*arrays, found.edge_counts, found.node_pointers, ends]))
        counts = (len(found.shard), found.node_counts.shape[1], types, len(found.edge_counts))
        self._shared = _Stretches(*counts, *map(address, self._kept))
        self._library = library(SOURCE)

    def __call__(self, name: str, out: IntArray) -> None:
        """Call one of the loops."""
        call(self._library, name, self._shared, out)
