"""Changes of the edges of a batch: removed, shuffled, or every pair joined."""

from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.core.draws import uniform
from graphfuse.core.ragged import places, ragged_rows
from graphfuse.core.schema import EdgeType, GraphSchema, reverse_edge_type
from graphfuse.core.tables import IntArray, edge_order
from graphfuse.store.changed import loose_copy


def forward_edge_types(schema: GraphSchema) -> tuple[EdgeType, ...]:
    """Return the edge types that are no reverse of another one: the kinds of edges, in schema order."""
    reverses = {reverse_edge_type(edge_type) for edge_type in schema.edge_types}
    return tuple(edge_type for edge_type in schema.edge_types if edge_type not in reverses)


def without_edges(batch: Batch, kinds: Collection[EdgeType]) -> Batch:
    """Return the batch without the edges of some kinds, in both directions, whichever of the two is named."""
    less = loose_copy(batch)
    reverses = {reverse_edge_type(kind) for kind in kinds}
    for edge_type in batch.edge_types:
        if edge_type in kinds or edge_type in reverses or reverse_edge_type(edge_type) in kinds:
            _set(less, edge_type, batch[edge_type].edge_index[:, :0], _weights(batch, edge_type)[:0])
    return less


def shuffled_edges(batch: Batch, schema: GraphSchema, seed: int) -> Batch:
    """Return the batch in which every edge leads to a node drawn anew among those of its sample and type.

    Each node keeps the number of edges that leave it, and the weights on them; its destinations are different nodes, and not
    itself, as far as the sample has enough. They are a run, from a place drawn for the node, along one random circle of the
    sample's nodes, so that nothing has to be drawn pair by pair. Where every pair was joined before, it is joined after. A reverse
    type holds the same edges as its forward type.
    """
    other = loose_copy(batch)
    for number, edge_type in enumerate(schema.edge_types):
        if edge_type not in forward_edge_types(schema):
            continue
        source, destination = _shuffled(batch, edge_type, (seed, 0, number))
        weight = _weights(batch, edge_type)
        _set(other, edge_type, torch.stack([source, destination]), weight)
        back = reverse_edge_type(edge_type)
        if back in schema.edge_types:
            _set(other, back, torch.stack([destination, source]), weight)
    return other


def fully_connected(batch: Batch) -> Batch:
    """Return the batch with an edge of weight 1 from every node to every other node of its sample, for every edge type."""
    full = loose_copy(batch)
    for edge_type in batch.edge_types:
        source_type, _, destination_type = edge_type
        # 1. Each source node once per destination node of its sample, counted up from the sample's first.
        ptr = batch[destination_type].ptr
        owner = batch[source_type].batch
        counts = ptr.diff()[owner]
        source = torch.repeat_interleave(counts)
        destination = torch.from_numpy(ragged_rows(ptr[owner].numpy(), counts.numpy()))
        # 2. Nothing is joined to itself.
        if source_type == destination_type:
            source, destination = source[source != destination], destination[source != destination]
        _set(full, edge_type, torch.stack([source, destination]), torch.ones(len(source)))
    return full


def local_numbers(batch: Batch, node_type: str) -> IntArray:
    """Return each node's number within its sample and type, from 0.  [num_nodes]."""
    store = batch[node_type]
    numbers: IntArray = (torch.arange(len(store.batch)) - store.ptr[store.batch]).numpy()
    return numbers


def positions_of_nodes(batch: Batch, node_type: str) -> IntArray:
    """Return the place in the store of each node's sample.  [num_nodes]."""
    positions: IntArray = batch.position[batch[node_type].batch].numpy()
    return positions


def _shuffled(batch: Batch, edge_type: EdgeType, names: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return source and new destination of each edge, in the order of the edges."""
    source_type, _, destination_type = edge_type
    source = batch[edge_type].edge_index[0]
    ptr = batch[destination_type].ptr
    # 1. The circle: the destinations of each sample in random order, and each one's place on it.
    owner = batch[destination_type].batch
    key = uniform(*names, positions_of_nodes(batch, destination_type), local_numbers(batch, destination_type))
    circle = torch.from_numpy(np.lexsort((key, owner.numpy())))
    place = torch.empty_like(circle)
    place[circle] = torch.arange(len(circle)) - ptr[owner]
    # 2. Each source starts somewhere; within one type, the circle starts behind the node itself and ends before it.
    sample = batch[source_type].batch
    size = ptr.diff()[sample]
    first = torch.zeros_like(size)
    if source_type == destination_type:
        first, size = place + 1, (size - 1).clamp(min=1)
    draw = torch.from_numpy(uniform(*names, 1, positions_of_nodes(batch, source_type), local_numbers(batch, source_type)))
    start = (draw * size).long()
    # 3. Its edges lead to the nodes that follow.
    step = (start[source] + _rank_among_equals(source)) % size[source].clamp(min=1)
    around = ptr.diff()[sample][source].clamp(min=1)
    return source, circle[ptr[sample][source] + (first[source] + step) % around]


def _rank_among_equals(values: Tensor) -> Tensor:
    """Return the number of equal values that stand before each one."""
    order = torch.argsort(values, stable=True)
    counts = torch.bincount(values)
    rank = torch.empty_like(order)
    rank[order] = torch.from_numpy(places(counts.numpy()))
    return rank


def _weights(batch: Batch, edge_type: EdgeType) -> Tensor:
    """Return the weights of the edges, 1 where none are stored."""
    edges = batch[edge_type]
    weights: Tensor = edges.edge_weight if "edge_weight" in edges else torch.ones(edges.edge_index.size(1))
    return weights


def _set(batch: Batch, edge_type: EdgeType, index: Tensor, weight: Tensor) -> None:
    """Set edges in the order of a store: by destination, then by source."""
    edges = batch[edge_type]
    order = torch.from_numpy(edge_order(*index.numpy()))
    edges.edge_index = index[:, order]
    if "edge_weight" in edges:
        edges.edge_weight = weight[order]
