"""Samples of several shards -> the columns of one batch, without a Python loop over nodes, edges or types of a sample.

What belongs to a sample lies side by side in each column, and so does what belongs to its neighbours. A batch is therefore a list of
*stretches*, samples that follow one another in a shard, and each column the copy of a slice per stretch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from graphfuse.core.ragged import exclusive_sums, ragged_rows
from graphfuse.core.tables import FloatArray, IntArray
from graphfuse.store.buffers import Allocate, allocate_arrays
from graphfuse.store.columns import Shard
from graphfuse.store.layout import edges_by_type


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of one batch; lists stand in the order of the schema."""

    node_counts: IntArray
    """[num_node_types, batch_size]"""
    node_pointers: IntArray
    """[num_node_types, batch_size + 1]"""
    nodes: list[npt.NDArray[Any]]
    """Per node type features [num_nodes, channels], or rows of the entity table [num_nodes]."""
    edge_counts: IntArray
    """[num_edge_types, batch_size]"""
    edges: list[IntArray]
    """Per edge type source and destination in the batch.  [2, num_edges]"""
    weights: dict[int, FloatArray]
    """Per weighted edge type (its number in the schema).  [num_edges]"""
    y: npt.NDArray[Any] | None


def gather(shards: Sequence[Shard], shard_of: IntArray, local: IntArray, ends: IntArray, allocate: Allocate = allocate_arrays) -> Columns:
    """Gather samples in the order asked for.

    Args:
        shards: The shards that occur.
        shard_of: Each sample's position in `shards`.  [batch_size]
        local: Each sample's position in its shard.  [batch_size]
        ends: Number of the source and of the destination node type per edge type.  [2, num_edge_types]
        allocate: Gives the memory for features.
    """
    # 1. Pointers: one row more than samples per stretch, since a sample ends where the next begins.
    first, length = _stretches(shard_of, local)
    sources = [shards[number] for number in shard_of[first].tolist()]
    starts, stops = local[first], local[first] + length
    pointers = _take([shard.pointers for shard in sources], starts, stops + 1)
    begin = first + np.arange(len(first))  # where each stretch begins in `pointers`
    row = np.arange(len(local)) + np.repeat(np.arange(len(first)), length)
    types = len(shards[0].nodes)
    node_counts, edge_counts = np.split((pointers[row + 1] - pointers[row]).T, [types])  # [num_types, batch_size] each
    bounds = pointers[begin].T, pointers[begin + length].T  # [num_types, num_stretches] each

    # 2. Nodes.
    columns = [[shard.nodes[number] for shard in sources] for number in range(types)]
    nodes = _take_nodes(columns, bounds[0][:types], bounds[1][:types], node_counts.sum(axis=1), allocate)
    node_pointers = exclusive_sums(node_counts)

    # 3. Edges: from sample by sample to type by type; local positions plus the first row of their sample in the batch.
    local_ends = _take([shard.edges for shard in sources], *(2 * bound[types:].sum(axis=0) for bound in bounds))
    places, counts = edges_by_type(edge_counts.T)
    index = np.repeat(node_pointers[ends.T.ravel(), :-1].ravel(), counts.ravel())
    index += local_ends.take(ragged_rows(places, counts), mode="clip")
    lengths = 2 * edge_counts.sum(axis=1)
    edges = [index[end - size : end].reshape(2, -1) for end, size in zip(np.cumsum(lengths).tolist(), lengths.tolist(), strict=True)]
    weights = {
        number: _take([shard.weights[number] for shard in sources], *(bound[types + number] for bound in bounds))
        for number in shards[0].weights
    }

    # 4. Targets.
    targets = [shard.y for shard in sources if shard.y is not None]
    return Columns(
        node_counts=node_counts,
        node_pointers=node_pointers,
        nodes=nodes,
        edge_counts=edge_counts,
        edges=edges,
        weights=weights,
        y=_take(targets, starts, stops) if targets else None,
    )


def _stretches(shard_of: IntArray, local: IntArray) -> tuple[IntArray, IntArray]:
    """Return the first sample of each stretch of a batch, and how many samples it has."""
    goes_on = (np.diff(local) == 1) & (np.diff(shard_of) == 0)
    first = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    return first, np.diff(first, append=len(local))


def _take_nodes(
    columns: Sequence[Sequence[npt.NDArray[Any]]], starts: IntArray, stops: IntArray, lengths: IntArray, allocate: Allocate
) -> list[npt.NDArray[Any]]:
    """Return the column of each node type; features as float32.

    Args:
        columns: Per node type, the column that each stretch comes from.
        starts: First row of each stretch per node type.  [num_node_types, num_stretches]
        stops: The row after its last.
        lengths: Number of nodes per node type.
        allocate: Gives the memory for features.
    """
    shapes = [(length, *column[0].shape[1:]) for length, column in zip(lengths.tolist(), columns, strict=True)]
    memory = iter(allocate([shape for shape in shapes if len(shape) == 2]))
    taken = []
    for column, shape, start, stop in zip(columns, shapes, starts, stops, strict=True):
        features = next(memory) if len(shape) == 2 else None
        if features is not None and column[0].dtype != features.dtype:
            narrow = _take(column, start, stop)
            torch.from_numpy(features).copy_(torch.from_numpy(narrow))  # torch widens float16 five times faster than numpy
            taken.append(features)
        else:
            taken.append(_take(column, start, stop, features))
    return taken


def _take(sources: Sequence[npt.NDArray[Any]], starts: IntArray, stops: IntArray, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
    """Return rows `start` to `stop` of each source, one after the other."""
    return np.concatenate(
        [source[start:stop] for source, start, stop in zip(sources, starts.tolist(), stops.tolist(), strict=True)], out=out
    )
