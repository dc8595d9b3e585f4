"""Where every edge of every relation finds its ends, once for all layers and relations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from graphfuse.core.schema import EdgeType
from graphfuse.nn.compiled_relay import CompiledRelay
from graphfuse.nn.groups import Groups, repeated
from graphfuse.nn.relay import NO_SUCH_NODE, PerRelation, Relay, make_relay
from graphfuse.nn.typed import TypedTable

EDGES_AT_ONCE = 4096
"""Edges per block on a processor, whose tensors of 64 channels then take 1 MiB each; a GPU takes all at once."""


class EdgePlan(Mapping[EdgeType, Tensor]):
    """An `edge_index_dict` that also knows the edges of all relations as one list.

    A node has one source slot per relation it can send along and one destination slot per relation it can receive
    along; slots of a node lie side by side, so that one matrix product per node type fills them. Making the plan costs as much as a layer of
    a small batch, so layers that follow each other share it.

    Args:
        edge_types: Edge types of the schema; edges stand in this order, type after type.
        num_nodes: Number of nodes per node type.
        edge_index_dict: Every edge type, [2, num_edges].
    """

    def __init__(self, edge_types: Sequence[EdgeType], num_nodes: Mapping[str, int], edge_index_dict: Mapping[EdgeType, Tensor]) -> None:
        self.edge_types = tuple(edge_types)
        self.num_nodes = dict(num_nodes)
        self._edge_index_dict = {edge_type: edge_index_dict[edge_type] for edge_type in self.edge_types}
        self.sizes = [index.size(1) for index in self._edge_index_dict.values()]

    @classmethod
    def of(cls, edge_types: Sequence[EdgeType], x_dict: Mapping[str, Tensor], edge_index_dict: Mapping[EdgeType, Tensor]) -> "EdgePlan":
        """Return the plan that `edge_index_dict` is, or one made of it.

        Raises:
            ValueError: If it is a plan for other nodes.
        """
        num_nodes = x_dict.sizes if isinstance(x_dict, TypedTable) else {name: x.size(0) for name, x in x_dict.items()}
        if not isinstance(edge_index_dict, EdgePlan) or edge_index_dict.edge_types != tuple(edge_types):
            return cls(edge_types, num_nodes, edge_index_dict)
        if edge_index_dict.num_nodes != num_nodes:
            raise ValueError(
                f"A plan of edges is for the nodes it was made with, {edge_index_dict.num_nodes} (got {dict(num_nodes)}). Make one of these."
            )
        return edge_index_dict

    def __getitem__(self, edge_type: EdgeType) -> Tensor:
        """Return the edges of one type, [2, num_edges]."""
        return self._edge_index_dict[edge_type]

    def __iter__(self) -> Iterator[EdgeType]:
        return iter(self._edge_index_dict)

    def __len__(self) -> int:
        return len(self._edge_index_dict)

    @cached_property
    def source(self) -> Groups:
        """Source slot of every edge."""
        return self._slots(end=0)

    @cached_property
    def destination(self) -> Groups:
        """Destination slot of every edge."""
        return self._slots(end=1)

    @cached_property
    def node(self) -> Groups:
        """Destination node of every edge, counted over all node types."""
        first, num_nodes = _offsets(self.num_nodes)
        offset = [first[destination] for _, _, destination in self.edge_types]
        return Groups(self.edge_index[1] + self._per_edge(offset), num_nodes)

    @cached_property
    def relation(self) -> Groups:
        """Relation of every edge."""
        return Groups(self._per_edge(range(len(self.edge_types))), len(self.edge_types))

    @cached_property
    def relay(self) -> Relay:
        """The way of every edge by the end of its relation that has fewer nodes."""
        with torch.inference_mode(False):  # a plan may be used again where gradients are wanted
            return make_relay(list(self._edge_index_dict.values()), *self._nodes_of_ends())

    @cached_property
    def compiled_relay(self) -> CompiledRelay:
        """The same for compiled loops."""
        with torch.inference_mode(False):
            return CompiledRelay(list(self._edge_index_dict.values()), *self._nodes_of_ends())

    @cached_property
    def by_destination(self) -> "SortedEdges":
        """The edges by destination."""
        at_once = sum(self.sizes) if self.edge_index.is_cuda else EDGES_AT_ONCE
        return SortedEdges(self.source, self.destination, self.node, self.relation, at_once)

    @cached_property
    def shares(self) -> Tensor:
        """Share of every edge in the mean of its destination slot, [num_edges]."""
        with torch.inference_mode(False):
            return self.destination.counts.index_select(0, self.destination.index).reciprocal()

    def weights(self, edge_weight_dict: Mapping[EdgeType, Tensor] | None, like: Tensor) -> Tensor | None:
        """Return the weight of every edge, [num_edges], or None if nothing weighs."""
        if not edge_weight_dict:
            return None
        parts = zip(self.edge_types, self.sizes, strict=True)
        return torch.cat([edge_weight_dict.get(edge_type, like.new_ones(size)) for edge_type, size in parts])

    @cached_property
    def edge_index(self) -> Tensor:
        """Source and destination of every edge within their types, [2, num_edges]; on a processor they are known to be there."""
        index = torch.cat(list(self._edge_index_dict.values()), dim=1)
        if not index.is_cuda and not self._exist(index):  # a GPU would have to be waited for
            raise IndexError(NO_SUCH_NODE)
        return index

    def _exist(self, index: Tensor) -> bool:
        """Return whether every edge ends at nodes of its types: beyond the last node lie those of another type."""
        counts = torch.stack([self._per_edge([self.num_nodes[edge_type[end]] for edge_type in self.edge_types]) for end in (0, 2)])
        return bool(((index >= 0) & (index < counts)).all())

    def _nodes_of_ends(self) -> tuple[PerRelation, PerRelation, int]:
        """Return the number of nodes of each relation's types and the first of them, [2, num_relations], and the number of all nodes."""
        first, num_all = _offsets(self.num_nodes)
        counts, offsets = ([[found[kind[end]] for kind in self.edge_types] for end in (0, 2)] for found in (self.num_nodes, first))
        return counts, offsets, num_all

    def _slots(self, end: int) -> Groups:
        """Return the slot that every edge has at one end: nodes' slots lie side by side, types one after the other."""
        types = [edge_type[2 * end] for edge_type in self.edge_types]
        per_node = {name: types.count(name) for name in self.num_nodes}
        first, num_slots = _offsets({name: count * per_node[name] for name, count in self.num_nodes.items()})
        place = [first[name] + types[:number].count(name) for number, name in enumerate(types)]
        return Groups(self.edge_index[end] * self._per_edge([per_node[name] for name in types]) + self._per_edge(place), num_slots)

    def _per_edge(self, per_relation: Sequence[int]) -> Tensor:
        """Return each relation's number for every edge of it, [num_edges]."""
        return repeated(per_relation, self.sizes, next(iter(self._edge_index_dict.values())).device)


@dataclass(frozen=True, kw_only=True)
class EdgeBlock:
    """Some edges, all those of their nodes; rows stand for them in the order of `SortedEdges`."""

    edges: slice
    source: Tensor
    """Source slots, [num_edges]."""
    destination: Tensor
    """Destination slots, [num_edges]."""
    node: Tensor
    """Destination nodes, [num_edges]."""
    relation: Tensor
    """[num_edges]"""
    slots: slice
    """Destination slots of the block."""
    by_slot: Groups
    """Which of these each edge has."""
    nodes: slice
    """Destination nodes of the block."""
    by_node: Groups
    """Which of these each edge has."""


class SortedEdges:
    """Edges in an order in which those of a node, and of each of its slots, stand together.

    Args:
        source: Source slot of every edge.
        destination: Destination slot of every edge; in their order nodes are in order, too.
        node: Destination node of every edge.
        relation: Relation of every edge.
        edges_at_once: About how many make a block.
    """

    def __init__(self, source: Groups, destination: Groups, node: Groups, relation: Groups, edges_at_once: int) -> None:
        self._source, self._destination, self._node, self._relation = source, destination, node, relation
        self._edges_at_once = edges_at_once

    @property
    def order(self) -> Tensor:
        """Numbers of the edges in the plan, [num_edges]."""
        return self._destination.order

    @cached_property
    def sources(self) -> Groups:
        """Source slots, in no order."""
        return Groups(self._destination.sort(self._source.index), self._source.num_groups)

    @cached_property
    def slot(self) -> Tensor:
        """Destination slots, ascending, [num_edges]."""
        return self._destination.sort(self._destination.index)

    @cached_property
    def relation(self) -> Tensor:
        """Relations, [num_edges]."""
        return self._destination.sort(self._relation.index)

    @cached_property
    def blocks(self) -> list[EdgeBlock]:
        """The edges, cut between nodes."""
        node, blocks, start = self._destination.sort(self._node.index), [], 0
        while start < self.order.numel():
            last = node[min(start + self._edges_at_once, self.order.numel()) - 1]
            edges = slice(start, int(self._node.offsets[last + 1]))
            slots, by_slot = _within(self.slot[edges], self._destination.offsets, start)
            nodes, by_node = _within(node[edges], self._node.offsets, start)
            ends = {"source": self.sources.index[edges], "destination": self.slot[edges]}
            own = {"node": node[edges], "relation": self.relation[edges]}
            blocks.append(EdgeBlock(edges=edges, **ends, **own, slots=slots, by_slot=by_slot, nodes=nodes, by_node=by_node))
            start = edges.stop
        return blocks

    def in_plan_order(self, values: Tensor) -> Tensor:
        """Return something of every edge in the order of the plan: [num_edges, ...] -> [num_edges, ...]."""
        return torch.empty_like(values).index_copy_(0, self.order, values)


def _within(group: Tensor, offsets: Tensor, start: int) -> tuple[slice, Groups]:
    """Return which groups a stretch of ordered rows holds, and these groups, counted from the first of them."""
    first, end = int(group[0]), int(group[-1]) + 1
    return slice(first, end), Groups(group - first, end - first, ordered=True, offsets=offsets[first : end + 1] - start)


def _offsets(counts: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Return the first number of each type, and how many there are in all."""
    offsets, total = {}, 0
    for name, count in counts.items():
        offsets[name] = total
        total += count
    return offsets, total
