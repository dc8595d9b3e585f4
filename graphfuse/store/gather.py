"""Samples of several shards -> the columns of one batch, without a Python loop over nodes, edges or types of a sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from graphfuse.core import compiled
from graphfuse.core.ragged import ragged_rows
from graphfuse.core.tables import FloatArray, IntArray
from graphfuse.store import compiled_gather
from graphfuse.store.buffers import Allocate, allocate_arrays
from graphfuse.store.columns import Shard
from graphfuse.store.layout import edges_by_type
from graphfuse.store.stretches import Stretches, find_stretches, take


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
    found = find_stretches(shards, shard_of, local)
    if compiled.asked_for():
        nodes, edges = compiled_gather.nodes_and_edges(found, ends, allocate)
    else:
        nodes, edges = _nodes(found, allocate), _edges(found, ends)
    types, targets = len(found.node_counts), [shard.y for shard in shards if shard.y is not None]
    return Columns(
        node_counts=found.node_counts,
        node_pointers=found.node_pointers,
        nodes=nodes,
        edge_counts=found.edge_counts,
        edges=edges,
        weights={
            number: take(
                [shard.weights[number] for shard in shards], found.shard, found.starts[types + number], found.stops[types + number]
            )
            for number in shards[0].weights
        },
        y=take(targets, found.shard, found.first, found.first + found.samples) if targets else None,
    )


def _nodes(found: Stretches, allocate: Allocate) -> list[npt.NDArray[Any]]:
    """Return the column of each node type; features as float32."""
    columns, shapes = list(zip(*(shard.nodes for shard in found.shards), strict=True)), found.node_shapes
    memory = iter(allocate([shape for shape in shapes if len(shape) == 2]))
    taken = []
    for column, shape, start, stop in zip(columns, shapes, found.starts[: len(columns)], found.stops[: len(columns)], strict=True):
        features = next(memory) if len(shape) == 2 else None
        if features is not None and column[0].dtype != features.dtype:
            narrow = take(column, found.shard, start, stop)
            torch.from_numpy(features).copy_(torch.from_numpy(narrow))  # torch widens float16 five times faster than numpy
            taken.append(features)
        else:
            taken.append(take(column, found.shard, start, stop, features))
    return taken


def _edges(found: Stretches, ends: IntArray) -> list[IntArray]:
    """Return the edges of each type: from sample by sample to type by type, local positions plus the first row of their sample."""
    local_ends = take([shard.edges for shard in found.shards], found.shard, *found.ends)
    places, counts = edges_by_type(found.edge_counts.T)
    index = np.repeat(found.node_pointers[ends.T.ravel(), :-1].ravel(), counts.ravel())
    index += local_ends.take(ragged_rows(places, counts), mode="clip")
    lengths = 2 * found.edge_counts.sum(axis=1)
    return [index[end - size : end].reshape(2, -1) for end, size in zip(np.cumsum(lengths).tolist(), lengths.tolist(), strict=True)]
