"""Samples of several shards -> the columns of one batch, without a Python loop over samples.

What belongs to a sample lies side by side in each column. So a batch is a list of rows per column, made for all types at once,
and one `take` per column and *stretch*: neighbours in the batch that come from the same shard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from graphfuse.core.tables import FloatArray, IntArray
from graphfuse.store.buffers import Allocate, allocate_arrays
from graphfuse.store.columns import Shard


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
    # 1. First row and number of rows of each sample per type, node types first.
    bounds = [0, *(np.flatnonzero(np.diff(shard_of)) + 1).tolist(), len(local)]
    stretches = [(shards[shard_of[start]], local[start:end]) for start, end in pairwise(bounds)]
    extents = [shard.extents(samples) for shard, samples in stretches]
    starts, counts = (np.concatenate(part, axis=1) for part in zip(*extents, strict=True))

    # 2. Nodes.
    sources = [shard for shard, _ in stretches]
    num_node_types = len(sources[0].nodes)
    node_starts, node_counts = starts[:num_node_types], counts[:num_node_types]
    pointers = exclusive_sums(node_counts)
    nodes = _take_nodes(sources, node_starts, node_counts, pointers[:, bounds].tolist(), allocate)

    # 3. Edges: local positions plus the first row of their sample in the batch.
    edge_starts, edge_counts = starts[num_node_types:], counts[num_node_types:]
    before = pointers[ends.T.ravel(), :-1]  # of sources and destinations by turns  [2 * num_edge_types, batch_size]
    index = _take_index(sources, bounds, edge_starts, edge_counts)
    index += np.repeat(before.ravel(), np.repeat(edge_counts, 2, axis=0).ravel())
    edges = [part.reshape(2, -1) for part in cut(index, 2 * edge_counts.sum(axis=1))]
    weights = {number: _take_weights(sources, bounds, edge_starts[number], edge_counts[number], number) for number in sources[0].weights}

    # 4. Targets.
    targets = [shard.y[samples] for shard, samples in stretches if shard.y is not None]
    return Columns(
        node_counts=node_counts,
        node_pointers=pointers,
        nodes=nodes,
        edge_counts=edge_counts,
        edges=edges,
        weights=weights,
        y=np.concatenate(targets) if targets else None,
    )


def take_features(source: npt.NDArray[Any], rows: IntArray, out: FloatArray) -> None:
    """Write rows of float16 or float32 features into `out` [num_rows, channels], as float32."""
    if source.dtype == np.float32:
        # with clip, numpy writes straight into `out`; with its default it would fill a buffer first
        source.take(rows, axis=0, out=out, mode="clip")
    else:
        narrow = source.take(rows, axis=0, mode="clip")
        torch.from_numpy(out).copy_(torch.from_numpy(narrow))  # torch widens float16 five times faster than numpy


def ragged_rows(starts: IntArray, counts: IntArray) -> IntArray:
    """Return the rows of several stretches, one after the other: `[start, start + 1, ... start + count - 1]` each."""
    starts, counts = starts.ravel(), counts.ravel()
    ends = np.cumsum(counts)
    rows = np.repeat(starts - (ends - counts), counts)
    rows += np.arange(len(rows))
    return rows


def exclusive_sums(counts: IntArray) -> IntArray:
    """Return the sum of the counts before each one, and of all, along the last axis.  [..., size + 1]."""
    sums = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1), dtype=np.int64)
    np.cumsum(counts, axis=-1, out=sums[..., 1:])
    return sums


def cut(values: IntArray, lengths: IntArray) -> list[IntArray]:
    """Return consecutive parts of a vector as views."""
    return [values[start:end] for start, end in pairwise([0, *np.cumsum(lengths).tolist()])]


def _take_nodes(
    sources: list[Shard], starts: IntArray, counts: IntArray, cuts: list[list[int]], allocate: Allocate
) -> list[npt.NDArray[Any]]:
    """Return the column of each node type; `cuts` are the first rows of the stretches per node type, and the end."""
    rows = cut(ragged_rows(starts, counts), counts.sum(axis=1))
    shared = [column.ndim == 1 for column in sources[0].nodes]
    features = iter(
        allocate([(len(chosen), column.shape[1]) for chosen, column in zip(rows, sources[0].nodes, strict=True) if column.ndim > 1])
    )
    columns = []
    for number, chosen in enumerate(rows):
        column: npt.NDArray[Any] = np.empty(len(chosen), dtype=np.int64) if shared[number] else next(features)
        for shard, (start, end) in zip(sources, pairwise(cuts[number]), strict=True):
            if shared[number]:
                shard.nodes[number].take(chosen[start:end], out=column[start:end], mode="clip")
            else:
                take_features(shard.nodes[number], chosen[start:end], column[start:end])
        columns.append(column)
    return columns


def _take_index(sources: list[Shard], bounds: list[int], starts: IntArray, counts: IntArray) -> IntArray:
    """Return the local ends of all edges: type by type, all sources before all destinations [2 * num_edges].

    In a shard the edges of all types lie in one array, so that one `take` fetches them all.
    """
    origin = np.stack([shard.index_starts for shard in sources], axis=1)  # [2 * num_edge_types, num_stretches]
    starts = np.repeat(starts, 2, axis=0) + np.repeat(origin, np.diff(bounds), axis=1)
    counts = np.repeat(counts, 2, axis=0)
    if len(sources) == 1 or not len(counts):
        return sources[0].index.take(ragged_rows(starts, counts), mode="clip").astype(np.int64)
    # by sample first, so that what one shard gives lies together; then by type
    rows, begins = ragged_rows(starts.T, counts.T), exclusive_sums(counts.T.ravel())
    index = np.empty(len(rows), dtype=np.int32)
    for shard, (start, end) in zip(sources, pairwise(begins[:: len(counts)][bounds].tolist()), strict=True):
        shard.index.take(rows[start:end], out=index[start:end], mode="clip")
    return index.take(ragged_rows(begins[:-1].reshape(counts.T.shape).T, counts), mode="clip").astype(np.int64)


def _take_weights(sources: list[Shard], bounds: list[int], starts: IntArray, counts: IntArray, number: int) -> FloatArray:
    rows = ragged_rows(starts, counts)
    weights = np.empty(len(rows), dtype=np.float32)
    for shard, (start, end) in zip(sources, pairwise(exclusive_sums(counts)[bounds].tolist()), strict=True):
        shard.weights[number].take(rows[start:end], out=weights[start:end], mode="clip")
    return weights
