"""Samples of several shards -> the columns of one batch, without a Python loop over samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from graphfuse.core.tables import FloatArray, IntArray
from graphfuse.store.columns import Shard

WIDEN_ROWS = 256
"""Rows that are widened from float16 at a time: few enough to stay in the cache between the two steps."""


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
    extents = [_extents(shard.pointers, block) for shard, block in zip(shards, blocks, strict=True)]
    rows = [_rows_by_type(starts, counts) for starts, counts in extents]
    grouped = np.concatenate([counts for _, counts in extents], axis=1)

    # 2. Where the asked order is another, rows go back to it in a second gather.
    back = None if np.all(order[:-1] < order[1:]) else np.argsort(order)
    counts = grouped if back is None else grouped[:, back]
    restore = None if back is None else _rows_by_type((np.cumsum(grouped, axis=1) - grouped)[:, back], counts)

    def column(number: int, sources: list[npt.NDArray[Any]], axis: int = 0) -> npt.NDArray[Any]:
        taken = _take(sources, [block_rows[number] for block_rows in rows], axis)
        return taken if restore is None else taken.take(restore[number], axis=axis, mode="clip")

    # 3. Nodes.
    num_node_types = len(shards[0].nodes)
    nodes = [column(number, [shard.nodes[number] for shard in shards]) for number in range(num_node_types)]
    pointers = np.zeros((num_node_types, len(local) + 1), dtype=np.int64)
    np.cumsum(counts[:num_node_types], axis=1, out=pointers[:, 1:])

    # 4. Edges: local positions plus the first row of their sample in the batch.
    edge_counts = counts[num_node_types:]
    offsets = np.repeat(pointers[:, :-1][ends].reshape(2, -1), edge_counts.ravel(), axis=1)
    edges, weights = [], {}
    end = 0
    for number, count in enumerate(edge_counts.sum(axis=1).tolist()):
        start, end = end, end + count
        index = column(num_node_types + number, [shard.edges[number] for shard in shards], axis=1)
        edges.append(index + offsets[:, start:end])
        if number in shards[0].weights:
            weights[number] = column(num_node_types + number, [shard.weights[number] for shard in shards])

    # 5. Targets.
    targets = [shard.y[block] for shard, block in zip(shards, blocks, strict=True) if shard.y is not None]
    y = np.concatenate(targets) if targets else None
    return Columns(
        node_counts=counts[:num_node_types],
        node_pointers=pointers,
        nodes=nodes,
        edge_counts=edge_counts,
        edges=edges,
        weights=weights,
        y=y if y is None or back is None else y[back],
    )


def take_features(source: npt.NDArray[Any], rows: IntArray, out: FloatArray) -> None:
    """Write rows of float16 or float32 features into `out` [num_rows, channels], as float32."""
    if source.dtype == np.float32:
        # with clip, numpy writes straight into `out`; with its default it would fill a buffer first
        source.take(rows, axis=0, out=out, mode="clip")
        return
    narrow = np.empty((WIDEN_ROWS, source.shape[1]), dtype=source.dtype)
    narrow_tensor, out_tensor = torch.from_numpy(narrow), torch.from_numpy(out)  # torch widens float16 five times faster than numpy
    for start in range(0, len(rows), WIDEN_ROWS):
        chosen = rows[start : start + WIDEN_ROWS]
        source.take(chosen, axis=0, out=narrow[: len(chosen)], mode="clip")
        out_tensor[start : start + len(chosen)].copy_(narrow_tensor[: len(chosen)])


def ragged_rows(starts: IntArray, counts: IntArray) -> IntArray:
    """Return the rows of several stretches, one after the other: `[start, start + 1, ... start + count - 1]` each."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1])


def _extents(pointers: IntArray, samples: IntArray) -> tuple[IntArray, IntArray]:
    """Return first row and number of rows per type and sample, [num_types, num_samples] each."""
    starts = pointers.take(samples, axis=1)
    return starts, pointers.take(samples + 1, axis=1) - starts


def _rows_by_type(starts: IntArray, counts: IntArray) -> list[IntArray]:
    """Return the rows of each type; one ragged range for all types, then views of it."""
    rows = ragged_rows(starts.ravel(), counts.ravel())
    bounds = [0, *np.cumsum(counts.sum(axis=1)).tolist()]
    return [rows[start:end] for start, end in pairwise(bounds)]


def _take(sources: list[npt.NDArray[Any]], rows: list[IntArray], axis: int) -> npt.NDArray[Any]:
    """Return the rows (or columns, `axis` 1) of several sources, one after the other; features become float32.

    Rows are in range: pointers were checked when the shard was opened.
    """
    features = sources[0].dtype in (np.float16, np.float32) and sources[0].ndim == 2
    if len(sources) == 1 and not features:
        return sources[0].take(rows[0], axis=axis, mode="clip")
    shape = list(sources[0].shape)
    shape[axis] = sum(map(len, rows))
    out = np.empty(shape, dtype=np.float32 if features else sources[0].dtype)
    end = 0
    for source, chosen in zip(sources, rows, strict=True):
        start, end = end, end + len(chosen)
        part = out[:, start:end] if axis else out[start:end]
        if features:
            take_features(source, chosen, part)
        else:
            source.take(chosen, axis=axis, out=part, mode="clip")
    return out
