"""Samples of several shards -> the columns of one batch, without a Python loop over samples.

What belongs to a sample lies side by side in each column. So a batch is a list of rows per column, made for all types at once,
and one `take` per column and *run* (neighbours in the batch that come from the same shard), or a slice per sample where runs are short.
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
    # 1. First row and number of rows of each sample per type, node types first: read by shard, then as asked for.
    by_shard = np.argsort(shard_of, kind="stable")
    bounds = np.searchsorted(shard_of, np.arange(len(shards) + 1), sorter=by_shard).tolist()
    parts = [(shard, local[by_shard[start:end]]) for shard, (start, end) in zip(shards, pairwise(bounds), strict=True)]
    extents = np.concatenate([shard.extents(samples) for shard, samples in parts])
    extents[:, 1] -= extents[:, 0]
    asked = np.empty_like(by_shard)
    asked[by_shard] = np.arange(len(asked))
    starts, counts = extents[asked].transpose(1, 2, 0)  # [num_types, batch_size] each

    # 2. Nodes.
    types = len(shards[0].nodes)
    node_counts, edge_counts = counts[:types], counts[types:]
    runs = _runs(shard_of)
    nodes = _take_nodes(shards, runs, starts[:types], node_counts, allocate)
    pointers = exclusive_sums(node_counts)

    # 3. Edges: local positions plus the first row of their sample in the batch.
    before = pointers[ends.T.ravel(), :-1]  # of sources and destinations by turns  [2 * num_edge_types, batch_size]
    index = _take_index(shards, bounds, extents[..., types:], asked)
    index += np.repeat(before.ravel(), np.repeat(edge_counts, 2, axis=0).ravel())
    edges = [part.reshape(2, -1) for part in cut(index, 2 * edge_counts.sum(axis=1))]
    weights = {}
    for number in shards[0].weights:
        weights[number] = np.empty(edge_counts[number].sum(), dtype=np.float32)
        _take([shard.weights[number] for shard in shards], runs, starts[types + number], edge_counts[number], weights[number])

    # 4. Targets.
    targets = [shard.y[samples] for shard, samples in parts if shard.y is not None]
    return Columns(
        node_counts=node_counts,
        node_pointers=pointers,
        nodes=nodes,
        edge_counts=edge_counts,
        edges=edges,
        weights=weights,
        y=np.concatenate(targets)[asked] if targets else None,
    )


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


def _runs(shard_of: IntArray) -> list[tuple[int, int, int]]:
    """Return shard, first and end of the neighbours in a batch that come from the same shard."""
    bounds = [0, *(np.flatnonzero(np.diff(shard_of)) + 1).tolist(), len(shard_of)]
    return [(shard, start, end) for shard, (start, end) in zip(shard_of[bounds[:-1]].tolist(), pairwise(bounds), strict=True)]


def _take_nodes(
    shards: Sequence[Shard], runs: Sequence[tuple[int, int, int]], starts: IntArray, counts: IntArray, allocate: Allocate
) -> list[npt.NDArray[Any]]:
    """Return the column of each node type."""
    lengths = counts.sum(axis=1).tolist()
    shapes = [(length, *column.shape[1:]) for length, column in zip(lengths, shards[0].nodes, strict=True)]
    features = iter(allocate([shape for shape in shapes if len(shape) == 2]))
    columns = []
    for number, shape in enumerate(shapes):
        sources = [shard.nodes[number] for shard in shards]
        column: npt.NDArray[Any] = next(features) if len(shape) == 2 else np.empty(shape, dtype=np.int64)
        if sources[0].dtype == column.dtype:
            _take(sources, runs, starts[number], counts[number], column)
        else:
            narrow = np.empty(shape, dtype=sources[0].dtype)
            _take(sources, runs, starts[number], counts[number], narrow)
            torch.from_numpy(column).copy_(torch.from_numpy(narrow))  # torch widens float16 five times faster than numpy
        columns.append(column)
    return columns


def _take(
    sources: Sequence[npt.NDArray[Any]], runs: Sequence[tuple[int, int, int]], starts: IntArray, counts: IntArray, out: npt.NDArray[Any]
) -> None:
    """Write the rows of each sample into `out`, one sample after the other."""
    if len(runs) > len(starts) // 4:  # hardly any neighbours: a slice per sample costs less than a `take` per run
        of = [sources[shard] for shard, start, end in runs for _ in range(start, end)]
        slices = map(slice, starts.tolist(), (starts + counts).tolist())
        np.concatenate([source[rows] for source, rows in zip(of, slices, strict=True)], out=out)
        return
    rows, first = ragged_rows(starts, counts), exclusive_sums(counts)
    for shard, start, end in runs:
        place = slice(first[start], first[end])
        # with clip, numpy writes straight into `out`; with its default it would fill a buffer first
        sources[shard].take(rows[place], axis=0, out=out[place], mode="clip")


def _take_index(shards: Sequence[Shard], bounds: list[int], extents: IntArray, asked: IntArray) -> IntArray:
    """Return the local ends of all edges: type by type, all sources before all destinations [2 * num_edges].

    In a shard the edges of all types lie in one array, so that one `take` fetches them all.

    Args:
        shards: The shards that occur.
        bounds: First sample of each shard, if they are taken shard by shard, and the end.
        extents: First row and number of rows of these samples.  [batch_size, 2, num_edge_types]
        asked: Where each sample asked for is among these.  [batch_size]
    """
    starts, counts = np.repeat(extents, 2, axis=2).transpose(1, 0, 2)  # [batch_size, 2 * num_edge_types] each
    starts += np.repeat([shard.index_starts for shard in shards], np.diff(bounds), axis=0)
    if len(shards) == 1 or not counts.shape[1]:
        return shards[0].index.take(ragged_rows(starts[asked].T, counts[asked].T), mode="clip").astype(np.int64)
    # by sample first, so that what one shard gives lies together; then by type
    rows, begins = ragged_rows(starts, counts), exclusive_sums(counts.ravel())
    index = np.empty(len(rows), dtype=np.int32)
    for shard, (start, end) in zip(shards, pairwise(begins[:: counts.shape[1]][bounds].tolist()), strict=True):
        shard.index.take(rows[start:end], out=index[start:end], mode="clip")
    return index.take(ragged_rows(begins[:-1].reshape(counts.shape)[asked].T, counts[asked].T), mode="clip").astype(np.int64)
