"""Samples of several shards -> the columns of one batch, without a Python loop over nodes, edges or types of a sample."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from graphfuse.core import compiled
from graphfuse.core.ragged import ragged_rows
from graphfuse.core.tables import IntArray
from graphfuse.store import compiled_gather
from graphfuse.store.buffers import Allocate, allocate_arrays
from graphfuse.store.columns import Shard
from graphfuse.store.gathered import Columns
from graphfuse.store.layout import edges_by_type
from graphfuse.store.stretches import Stretches, find_stretches, take


def gather(shards: Sequence[Shard], shard_of: IntArray, local: IntArray, ends: IntArray, allocate: Allocate = allocate_arrays) -> Columns:
    """Gather samples in the order asked for.

    Args:
        shards: The shards that occur.
        shard_of: Each sample's position in `shards`.  [batch_size]
        local: Each sample's position in its shard.  [batch_size]
        ends: Number of the source and of the destination node type per edge type.  [2, num_edge_types]
        allocate: Gives the memory for features.
    """
    if compiled.asked_for():
        return compiled_gather.gather(shards, shard_of, local, ends, allocate)
    found = find_stretches(shards, shard_of, local)
    types, targets = len(found.node_counts), [shard.y for shard in shards if shard.y is not None]
    weights = {
        number: take([shard.weights[number] for shard in shards], found.shard, found.starts[types + number], found.stops[types + number])
        for number in shards[0].weights
    }
    return Columns(
        node_counts=torch.from_numpy(found.node_counts),
        node_pointers=torch.from_numpy(found.node_pointers).unbind(),
        owners=_owners(found),
        nodes=_nodes(found, allocate),
        edge_counts=torch.from_numpy(found.edge_counts),
        edges=_edges(found, ends),
        weights={number: torch.from_numpy(column) for number, column in weights.items()},
        y=torch.from_numpy(take(targets, found.shard, found.first, found.first + found.samples)) if targets else None,
    )


def _owners(found: Stretches) -> list[Tensor]:
    """Return the sample of each node, per node type."""
    samples = np.arange(found.node_counts.shape[1])
    return [torch.from_numpy(np.repeat(samples, counts)) for counts in found.node_counts]


def _nodes(found: Stretches, allocate: Allocate) -> list[Tensor]:
    """Return the column of each node type; features as float32."""
    columns, shapes = list(zip(*(shard.nodes for shard in found.shards), strict=True)), found.node_shapes
    memory = iter(allocate([shape for shape in shapes if len(shape) == 2]))
    taken = []
    for column, shape, start, stop in zip(columns, shapes, found.starts[: len(columns)], found.stops[: len(columns)], strict=True):
        features = next(memory) if len(shape) == 2 else None
        if features is not None and column[0].dtype != features.dtype:
            narrow = take(column, found.shard, start, stop)
            # torch widens float16 five times faster than numpy
            taken.append(torch.from_numpy(features).copy_(torch.from_numpy(narrow)))
        else:
            taken.append(torch.from_numpy(take(column, found.shard, start, stop, features)))
    return taken


def _edges(found: Stretches, ends: IntArray) -> list[Tensor]:
    """Return the edges of each type: from sample by sample to type by type, local positions plus the first row of their sample."""
    local_ends = take([shard.edges for shard in found.shards], found.shard, *found.ends)
    places, counts = edges_by_type(found.edge_counts.T)
    index = np.repeat(found.node_pointers[ends.T.ravel(), :-1].ravel(), counts.ravel())
    index += local_ends.take(ragged_rows(places, counts), mode="clip")
    parts = torch.split(torch.from_numpy(index), (2 * found.edge_counts.sum(axis=1)).tolist())
    return [part.view(2, -1) for part in parts]
