"""Fused relational layers: all relations of a heterogeneous graph in one propagation.

Each relation projects its source type to values and keys and its destination type to matches and queries. The projections
of all relations lie in *slot tables*, so that one gather per side, one softmax and one scatter serve them all.

The product term: additive messages cannot see a cross-modal match, since "the word says red" and "the region is red" add
up to the same sum in every pairing. A product of the two ends can, so score and message both carry
`relu(M (key * query))` (multiplicative interaction, Jayakumar et al., ICLR 2020; low-rank bilinear pooling, Kim et al., ICLR 2017).
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import MessagePassing

from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import EdgeType
from graphfuse.nn.weights import weighted_mean, weighted_softmax, weighted_sum

Scores = dict[EdgeType, Tensor]


class Slots:
    """Where every edge of every relation finds its ends in the slot tables.

    A node has one source slot per relation it can send along and one destination slot per relation it can receive
    along; slots of a node lie side by side, so that one matrix product per node type fills them.

    Attributes:
        edge_index: Source slot and destination slot of every edge, relation after relation, [2, num_edges].
        node: Destination node of every edge, counted over all node types, [num_edges].
        relation: Relation number of every edge, [num_edges].
        weight: Weight of every edge, [num_edges], or None if nothing weighs.
        sizes: Number of edges per relation.
    """

    def __init__(
        self,
        edge_types: Sequence[EdgeType],
        x_dict: Mapping[str, Tensor],
        edge_index_dict: Mapping[EdgeType, Tensor],
        edge_weight_dict: Mapping[EdgeType, Tensor] | None,
    ) -> None:
        counts = {name: x.size(0) for name, x in x_dict.items()}
        outgoing = {name: [e for e in edge_types if e[0] == name] for name in counts}
        incoming = {name: [e for e in edge_types if e[2] == name] for name in counts}
        source_offset, num_sources = _offsets({name: counts[name] * len(outgoing[name]) for name in counts})
        destination_offset, num_destinations = _offsets({name: counts[name] * len(incoming[name]) for name in counts})
        node_offset, self.num_nodes = _offsets(counts)
        slots, nodes = [], []
        for edge_type in edge_types:
            source, _, destination = edge_type
            first, second = edge_index_dict[edge_type]
            sender = source_offset[source] + first * len(outgoing[source]) + outgoing[source].index(edge_type)
            receiver = destination_offset[destination] + second * len(incoming[destination]) + incoming[destination].index(edge_type)
            slots.append(torch.stack([sender, receiver]))
            nodes.append(second + node_offset[destination])
        self.num_slots = (num_sources, num_destinations)
        self.edge_index = torch.cat(slots, dim=1)
        self.node = torch.cat(nodes)
        self.sizes = [node.numel() for node in nodes]
        self.relation = torch.repeat_interleave(torch.arange(len(edge_types)), torch.tensor(self.sizes)).to(self.node.device)
        self.weight = _flat_weights(edge_types, self.sizes, edge_weight_dict, next(iter(x_dict.values())))


class RelationalLayer(MessagePassing):
    """What the fused layers share: slot tables, the product term, the root term.

    Args:
        in_channels: Width of every node type.
        out_channels: Width of the result.
        node_types: Node types of the schema.
        edge_types: Edge types of the schema.
        product: Carry the product of both ends in score and message.
        num_matches: Parts of `out_channels` that a destination slot holds.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        node_types: Sequence[str],
        edge_types: Sequence[EdgeType],
        *,
        product: bool,
        num_matches: int,
    ) -> None:
        super().__init__(aggr=None, node_dim=0)
        self.out_channels = out_channels
        self.edge_types = tuple(edge_types)
        self.product = product
        self.source_width = out_channels * (2 if product else 1)
        self.destination_width = out_channels * num_matches
        sent = {name: sum(edge_type[0] == name for edge_type in edge_types) for name in node_types}
        received = {name: sum(edge_type[2] == name for edge_type in edge_types) for name in node_types}
        self.source = _projections(in_channels, {name: count * self.source_width for name, count in sent.items()})
        self.destination = _projections(in_channels, {name: count * self.destination_width for name, count in received.items()})
        self.root = nn.ModuleDict({name: nn.Linear(in_channels, out_channels) for name in node_types})
        self.mix = nn.Linear(out_channels, out_channels) if product else None
        self._edge_score: Tensor | None = None

    def forward(
        self,
        x_dict: Mapping[str, Tensor],
        edge_index_dict: Mapping[EdgeType, Tensor],
        edge_weight_dict: Mapping[EdgeType, Tensor] | None = None,
        return_edge_scores: bool = False,
    ) -> dict[str, Tensor] | tuple[dict[str, Tensor], Scores]:
        """Pass messages along all relations at once.

        Args:
            x_dict: Features per node type, [num_nodes, in_channels].
            edge_index_dict: Every edge type of the schema, [2, num_edges].
            edge_weight_dict: Weight in [0, 1] per edge, [num_edges]; 0 is exactly the edge removed.
            return_edge_scores: Also return what the layer gave each edge, [num_edges] per edge type.

        Returns:
            New features per node type, [num_nodes, out_channels].
        """
        # 1. Project every type once for all its relations.  [slots, width]
        slots = Slots(self.edge_types, x_dict, edge_index_dict, edge_weight_dict)
        source = _slot_table(self.source, x_dict, self.source_width, slots.num_slots[0])
        destination = _slot_table(self.destination, x_dict, self.destination_width, slots.num_slots[1])
        # 2. One propagation for all relations.  [num_nodes of all types, out_channels]
        received = self.propagate(slots.edge_index, size=slots.num_slots, source=source, destination=destination, slots=slots)
        received = self.join_relations(received, x_dict)
        # 3. Add what the node itself knows.
        out = {name: self.root[name](x) + part for (name, x), part in zip(x_dict.items(), received, strict=True)}
        score, self._edge_score = self._edge_score, None
        if not return_edge_scores:
            return out
        return out, {} if score is None else dict(zip(self.edge_types, torch.split(score, slots.sizes), strict=True))

    @abstractmethod
    def join_relations(self, received: Tensor, x_dict: Mapping[str, Tensor]) -> list[Tensor]:
        """Return what each node received, one tensor [num_nodes, out_channels] per node type."""

    def interaction(self, key: Tensor, query: Tensor) -> Tensor:
        """Return the product term of every edge, [num_edges, out_channels]."""
        assert self.mix is not None
        return functional.relu(self.mix(key * query))


class RelationalAttention(RelationalLayer):
    """Multi-head attention over all incoming edges of a node, whatever their relation.

    Without the product term this is GATv2 (Brody et al., How Attentive are Graph Attention Networks?, ICLR 2022) with one softmax
    over all relations; with it, score and message also see how well the two ends match. The softmax is a soft maximum:
    one good match among many candidates is not drowned.

    Args:
        in_channels: Width of every node type.
        out_channels: Width of the result; a multiple of `heads`.
        node_types: Node types of the schema.
        edge_types: Edge types of the schema.
        heads: Number of attention heads.
        product: Carry the product of both ends in score and message.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        node_types: Sequence[str],
        edge_types: Sequence[EdgeType],
        *,
        heads: int = 4,
        product: bool = True,
    ) -> None:
        if out_channels % heads:
            raise ConfigError(f"heads must divide the hidden channels (got {heads} heads for {out_channels} channels).")
        super().__init__(in_channels, out_channels, node_types, edge_types, product=product, num_matches=2 if product else 1)
        self.heads = heads
        self.attention = nn.Parameter(torch.empty(len(self.edge_types), heads, out_channels // heads))
        nn.init.xavier_uniform_(self.attention)
        self.attention_product = nn.Linear(out_channels, heads, bias=False) if product else None

    def message(self, source_j: Tensor, destination_i: Tensor, slots: Slots) -> Tensor:
        """Score and weigh every edge: [num_edges, out_channels]."""
        # 1. Additive score per head, as in GATv2.  [num_edges, heads]
        # split, not slices: the gradient of a slice fills a full-size tensor with zeros
        value, *key = torch.split(source_j, self.out_channels, dim=1)
        match, *query = torch.split(destination_i, self.out_channels, dim=1)
        joint = functional.leaky_relu(value + match, 0.2).view(-1, self.heads, self.out_channels // self.heads)
        score = (joint * self.attention.index_select(0, slots.relation)).sum(dim=-1)
        # 2. The product of both ends, in score and message.  [num_edges, out_channels]
        if self.attention_product is not None:
            product = self.interaction(*key, *query)
            score = score + self.attention_product(product)
            value = value + product
        # 3. One soft maximum over all incoming edges.  [num_edges, heads]
        share = weighted_softmax(score, slots.node, slots.num_nodes, slots.weight)
        self._edge_score = share.mean(dim=-1)
        return (value.view(-1, self.heads, self.out_channels // self.heads) * share.unsqueeze(-1)).flatten(1)

    def aggregate(self, inputs: Tensor, slots: Slots) -> Tensor:
        """Sum the weighed messages by destination node."""
        return weighted_sum(inputs, slots.node, slots.num_nodes)

    def join_relations(self, received: Tensor, x_dict: Mapping[str, Tensor]) -> list[Tensor]:
        """Split by node type; the softmax has joined the relations already."""
        return list(torch.split(received, [x.size(0) for x in x_dict.values()]))


class RelationalMean(RelationalLayer):
    """Mean per relation, summed over relations.

    Without the product term this is GraphSAGE per relation with summed results (Hamilton et al., Inductive Representation Learning on
    Large Graphs, NeurIPS 2017): `load_hetero_sage` takes over the weights of PyG's `HeteroConv({...: SAGEConv})`, and the
    outputs agree to 1e-5. With it, every message is gated by how well the two ends match.

    Args:
        in_channels: Width of every node type.
        out_channels: Width of the result.
        node_types: Node types of the schema.
        edge_types: Edge types of the schema.
        product: Gate every message by the product of both ends, and add the product to it.
    """

    def __init__(
        self, in_channels: int, out_channels: int, node_types: Sequence[str], edge_types: Sequence[EdgeType], *, product: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, node_types, edge_types, product=product, num_matches=1 if product else 0)
        self.gate = nn.Linear(out_channels, 1) if product else None

    def message(self, source_j: Tensor, destination_i: Tensor) -> Tensor:
        """Gate every message by the product of both ends: [num_edges, out_channels]."""
        value, *key = torch.split(source_j, self.out_channels, dim=1)
        if self.gate is None:
            return value
        product = self.interaction(key[0], destination_i)
        gate = self.gate(product).sigmoid()
        self._edge_score = gate.squeeze(-1)
        return gate * (value + product)

    def aggregate(self, inputs: Tensor, index: Tensor, slots: Slots) -> Tensor:
        """Average by destination slot, that is per node and relation."""
        return weighted_mean(inputs, index, slots.num_slots[1], slots.weight)

    def join_relations(self, received: Tensor, x_dict: Mapping[str, Tensor]) -> list[Tensor]:
        """Add up the means of a node's relations."""
        relations = {name: sum(edge_type[2] == name for edge_type in self.edge_types) for name in x_dict}
        parts = torch.split(received, [x.size(0) * relations[name] for name, x in x_dict.items()])
        shape = {name: (x.size(0), relations[name], self.out_channels) for name, x in x_dict.items()}
        return [part.view(shape[name]).sum(dim=1) for name, part in zip(x_dict, parts, strict=True)]

    @torch.no_grad()
    def load_hetero_sage(self, convs: Mapping[EdgeType, Any]) -> None:
        """Take over the weights of `HeteroConv({edge type: SAGEConv}, aggr="sum")`, whose root weights add up per node type."""
        for name in self.root:
            root, source = cast("nn.Linear", self.root[name]), cast("nn.Linear", self.source[name]) if name in self.source else None
            sent = [convs[edge_type] for edge_type in self.edge_types if edge_type[0] == name]
            received = [convs[edge_type] for edge_type in self.edge_types if edge_type[2] == name]
            if source is not None:
                source.weight.copy_(torch.cat([conv.lin_l.weight for conv in sent]))
            root.weight.zero_()
            root.bias.zero_()
            for conv in received:
                root.weight.add_(conv.lin_r.weight)
                root.bias.add_(conv.lin_l.bias)


def _projections(in_channels: int, widths: Mapping[str, int]) -> nn.ModuleDict:
    """Return one projection per node type that takes part in any relation."""
    return nn.ModuleDict({name: nn.Linear(in_channels, width, bias=False) for name, width in widths.items() if width})


def _slot_table(projections: nn.ModuleDict, x_dict: Mapping[str, Tensor], width: int, num_slots: int) -> Tensor:
    """Return the slots of all node types one below the other, [num_slots, width]."""
    if not projections:  # a mean without product looks nothing up at the destination
        return next(iter(x_dict.values())).new_empty(num_slots, 0)
    return torch.cat([projections[name](x).view(-1, width) for name, x in x_dict.items() if name in projections])


def _offsets(counts: Mapping[str, int]) -> tuple[dict[str, int], int]:
    offsets, total = {}, 0
    for name, count in counts.items():
        offsets[name] = total
        total += count
    return offsets, total


def _flat_weights(
    edge_types: Sequence[EdgeType], sizes: Sequence[int], weights: Mapping[EdgeType, Tensor] | None, like: Tensor
) -> Tensor | None:
    if not weights:
        return None
    return torch.cat([weights.get(edge_type, like.new_ones(size)) for edge_type, size in zip(edge_types, sizes, strict=True)])
