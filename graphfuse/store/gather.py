"""Samples of several shards -> the columns of one batch, without a Python loop over samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from graphfuse.core.tables import FloatArray, IntArray
from graphfuse.store.columns import Shard


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of one batch; lists stand in the order of the schema."""

    node_counts: IntArray
    """[num_node_types, batch_size]"""
    nodes: list[npt.NDArray[Any]]
    """Per node type features [num_nodes, channels] as stored, or rows of the entity table [num_nodes]."""
    node_pointers: IntArray
    """[num_node_types, batch_size + 1]"""
    edge_counts: IntArray
    """[num_edge_types, batch_size]"""
    edges: list[IntArray]
    """Per edge type source and destination in the batch.  [2, num_edges]"""
    weights: dict[int, FloatArray]
    y: npt.NDArray[Any] | None


def gather(shards: Sequence[Shard], shard_of: IntArray, local: IntArray, ends: IntArray) -> Columns:
    """Gather samples in the order asked for.

    Args:
        shards: The shards that occur, in ascending order.
        shard_of: Each sample's position in `shards`.  [batch_size]
        local: Each sample's position in its shard.  [batch_size]
        ends: Number of the source and of the destination node type per edge type.  [2, num_edge_types]
    """
    # 1. Group the samples by shard, so that each column is one contiguous gather per shard.
    order = np.argsort(shard_of, kind="stable")
    blocks = np.split(local[order], np.searchsorted(shard_of[order], np.arange(1, len(shards))))
    node_starts, node_counts = zip(*(_extent(shard.node_pointers, block) for shard, block in zip(shards, blocks, strict=True)), strict=True)
    edge_starts, edge_counts = zip(*(_extent(shard.edge_pointers, block) for shard, block in zip(shards, blocks, strict=True)), strict=True)
    node_rows = [_rows_by_type(starts, counts) for starts, counts in zip(node_starts, node_counts, strict=True)]
    edge_rows = [_rows_by_type(starts, counts) for starts, counts in zip(edge_starts, edge_counts, strict=True)]
    grouped_nodes, grouped_edges = np.concatenate(node_counts, axis=1), np.concatenate(edge_counts, axis=1)

    # 2. Where the asked order is another, rows go back to it in a second gather.
    back = None if np.all(order[:-1] < order[1:]) else np.argsort(order)
    asked_nodes = grouped_nodes if back is None else grouped_nodes[:, back]
    asked_edges = grouped_edges if back is None else grouped_edges[:, back]
    restore_nodes = None if back is None else _rows_by_type(_exclusive(grouped_nodes)[:, back], asked_nodes)
    restore_edges = None if back is None else _rows_by_type(_exclusive(grouped_edges)[:, back], asked_edges)

    # 3. Nodes.
    nodes = []
    for number in range(len(grouped_nodes)):
        column = _take([shard.nodes[number] for shard in shards], [rows[number] for rows in node_rows])
        nodes.append(column if restore_nodes is None else column.take(restore_nodes[number], axis=0, mode="clip"))

    # 4. Edges: local positions plus the first row of their sample in the batch.
    pointers = np.zeros((len(asked_nodes), len(local) + 1), dtype=np.int64)
    np.cumsum(asked_nodes, axis=1, out=pointers[:, 1:])
    offsets = np.repeat(pointers[:, :-1][:, order][ends].reshape(2, -1), grouped_edges.ravel(), axis=1)
    edges, weights = [], {}
    end = 0
    for number, count in enumerate(grouped_edges.sum(axis=1).tolist()):
        start, end = end, end + count
        rows = [rows[number] for rows in edge_rows]
        index = _take([shard.edges[number] for shard in shards], rows, axis=1) + offsets[:, start:end]
        edges.append(index if restore_edges is None else index.take(restore_edges[number], axis=1, mode="clip"))
        if number in shards[0].weights:
            weight = _take([shard.weights[number] for shard in shards], rows)
            weights[number] = weight if restore_edges is None else weight.take(restore_edges[number], mode="clip")

    # 5. Targets.
    targets = [shard.y[block] for shard, block in zip(shards, blocks, strict=True) if shard.y is not None]
    y = np.concatenate(targets) if targets else None
    return Columns(
        node_counts=asked_nodes,
        nodes=nodes,
        node_pointers=pointers,
        edge_counts=asked_edges,
        edges=edges,
        weights=weights,
        y=y if y is None or back is None else y[back],
    )


def ragged_rows(starts: IntArray, counts: IntArray) -> IntArray:
    """Return the rows of several stretches, one after the other: `[start, start + 1, ... start + count - 1]` each."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)


def _extent(pointers: IntArray, samples: IntArray) -> tuple[IntArray, IntArray]:
    """Return first row and number of rows per type and sample, [num_types, num_samples] each."""
    starts = np.take(pointers, samples, axis=1)
    return starts, np.take(pointers, samples + 1, axis=1) - starts


def _exclusive(counts: IntArray) -> IntArray:
    """Return the sum of the counts before each, along the samples."""
    return np.cumsum(counts, axis=1) - counts


def _rows_by_type(starts: IntArray, counts: IntArray) -> list[IntArray]:
    """Return the rows of each type; one ragged range for all types, then views of it."""
    rows = ragged_rows(starts.ravel(), counts.ravel())
    bounds = [0, *np.cumsum(counts.sum(axis=1)).tolist()]
    return [rows[start:end] for start, end in pairwise(bounds)]


def _take(sources: list[npt.NDArray[Any]], rows: list[IntArray], axis: int = 0) -> npt.NDArray[Any]:
    """Return the rows (or columns, `axis` 1) of several sources, one after the other.

    With `clip`, numpy writes straight into the result; with its default it would fill a buffer first. Rows are in range: pointers
    were checked when the shard was opened.
    """
    if len(sources) == 1:
        return sources[0].take(rows[0], axis=axis, mode="clip")
    shape = list(sources[0].shape)
    shape[axis] = sum(map(len, rows))
    out = np.empty(shape, dtype=sources[0].dtype)
    parts = np.split(out, np.cumsum([len(chosen) for chosen in rows])[:-1], axis=axis)
    for source, chosen, part in zip(sources, rows, parts, strict=True):
        source.take(chosen, axis=axis, out=part, mode="clip")
    return out
