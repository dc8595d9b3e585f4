"""Fused relational layers: all relations of a heterogeneous graph in one propagation.

Each relation projects its source type to values and keys and its destination type to matches and queries. The projections
of all relations lie in *slot tables*, so that one gather per side, one softmax and one sum serve them all.

The product term: additive messages cannot see a cross-modal match, since "the word says red" and "the region is red" add
up to the same sum in every pairing. A product of the two ends can, so score and message both carry
`relu(M (key * query))` (multiplicative interaction, Jayakumar et al., ICLR 2020; low-rank bilinear pooling, Kim et al., ICLR 2017).
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import MessagePassing

from graphfuse.core import compiled
from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import EdgeType
from graphfuse.nn import compiled_mean
from graphfuse.nn.compiled_gated_mean import Gating, gated_mean
from graphfuse.nn.edge_attention import Scoring, edge_attention
from graphfuse.nn.groups import take, total
from graphfuse.nn.plan import EdgePlan
from graphfuse.nn.scores import EdgeScores
from graphfuse.nn.typed import TypedLinear, TypedTable, project
from graphfuse.nn.weights import mass, without_zeros


class RelationalLayer(MessagePassing):
    """What the fused layers share: slot tables, the product term, the root term.

    Args:
        in_channels: Width of every node type.
        out_channels: Width of the result.
        node_types: Node types of the schema.
        edge_types: Edge types of the schema.
        product: Carry the product of both ends in score and message.
        num_matches: Parts of `out_channels` that a destination slot holds.
        root: Add a projection of the node itself to what it receives.
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
        root: bool = True,
    ) -> None:
        super().__init__(aggr=None, node_dim=0)
        self.out_channels = out_channels
        self.edge_types = tuple(edge_types)
        self.product = product
        sent = {name: sum(edge_type[0] == name for edge_type in edge_types) for name in node_types}
        received = {name: sum(edge_type[2] == name for edge_type in edge_types) for name in node_types}
        source, destination = out_channels * (2 if product else 1), out_channels * num_matches
        self.source = TypedLinear(in_channels, {name: count * source for name, count in sent.items()}, source)
        self.destination = TypedLinear(in_channels, {name: count * destination for name, count in received.items()}, destination)
        self.root = TypedLinear(in_channels, dict.fromkeys(node_types, out_channels), out_channels, bias=True) if root else None
        self.mix = nn.Linear(out_channels, out_channels) if product else None
        self._edge_score: Callable[[], Tensor] | None = None
        """Returns what the last call gave each edge, [num_edges] or [num_edges, heads]."""

    def forward(
        self,
        x_dict: Mapping[str, Tensor],
        edge_index_dict: Mapping[EdgeType, Tensor],
        edge_weight_dict: Mapping[EdgeType, Tensor] | None = None,
        return_edge_scores: bool = False,
    ) -> TypedTable | tuple[TypedTable, Mapping[EdgeType, Tensor]]:
        """Pass messages along all relations at once.

        Args:
            x_dict: Features per node type, [num_nodes, in_channels].
            edge_index_dict: Every edge type of the schema, [2, num_edges].
            edge_weight_dict: Weight in [0, 1] per edge, [num_edges]; 0 is exactly the edge removed.
            return_edge_scores: Also return what the layer gave each edge, mean over heads, [num_edges] per edge type.

        Returns:
            New features per node type, [num_nodes, out_channels], as parts of one table.
        """
        plan = EdgePlan.of(self.edge_types, x_dict, edge_index_dict)
        # pass messages along all relations, and add what the node itself knows.  [num_nodes of all types, out_channels]
        x = TypedTable.of(x_dict, plan.num_nodes)
        weight = plan.weights(edge_weight_dict, x.table)
        out = x.changed(self.outcome(x, plan, weight))
        score, self._edge_score = self._edge_score, None
        if not return_edge_scores:
            return out
        return out, {} if score is None else EdgeScores(self.edge_types, partial(_by_type, score, plan))

    def outcome(self, x: TypedTable, plan: EdgePlan, weight: Tensor | None) -> Tensor:
        """Return what each node receives, and what it knows itself, [num_nodes, out_channels]."""
        received = self.receive(x, plan, weight)
        return received if self.root is None else self.root(x, onto=received)

    @abstractmethod
    def receive(self, x: TypedTable, plan: EdgePlan, weight: Tensor | None) -> Tensor:
        """Return what each node receives: x in_channels wide, weight per edge -> a new tensor [num_nodes, out_channels]."""

    def interaction(self, key: Tensor, query: Tensor) -> Tensor:
        """Return the product term of every edge, [num_edges, out_channels]."""
        assert self.mix is not None
        return functional.relu(self.mix(key * query))


class RelationalAttention(RelationalLayer):
    """Multi-head attention over all incoming edges of a node, whatever their relation.

    Without the product term this is GATv2 (Brody et al., How Attentive are Graph Attention Networks?, ICLR 2022) with one softmax
    over all relations, and without root and with a softmax per relation, `HeteroConv({...: GATv2Conv})` itself, whose weights
    `load_hetero_gatv2` takes over. With the product, score and message also see how well the two ends match. The softmax is a soft maximum:
    one good match among many candidates is not drowned.

    Args:
        in_channels: Width of every node type.
        out_channels: Width of the result; a multiple of `heads`.
        node_types: Node types of the schema.
        edge_types: Edge types of the schema.
        heads: Number of attention heads.
        product: Carry the product of both ends in score and message.
        across_relations: One softmax over all incoming edges of a node; else one per relation, their results summed.
        root: Add a projection of the node itself to what it receives.
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
        across_relations: bool = True,
        root: bool = True,
    ) -> None:
        if out_channels % heads:
            raise ConfigError(f"heads must divide the hidden channels (got {heads} heads for {out_channels} channels).")
        super().__init__(in_channels, out_channels, node_types, edge_types, product=product, num_matches=2 if product else 1, root=root)
        self.heads, self.width = heads, out_channels // heads
        self.across_relations = across_relations
        self.attention = nn.Parameter(torch.empty(len(self.edge_types), heads, self.width))
        nn.init.xavier_uniform_(self.attention)
        self.attention_product = nn.Linear(out_channels, heads, bias=False) if product else None

    def receive(self, x: TypedTable, plan: EdgePlan, weight: Tensor | None) -> Tensor:
        """Return what each node receives, [num_nodes, out_channels]."""
        source, destination = self.source(x), self.destination(x)
        scoring = Scoring(attention=self.attention)
        if self.mix is not None and self.attention_product is not None:
            scoring = replace(scoring, mix=self.mix.weight, bias=self.mix.bias, product_score=self.attention_product.weight)
        received, share = edge_attention(source, destination, scoring, plan, weight, across_relations=self.across_relations)
        self._edge_score = partial(plan.by_destination.in_plan_order, share)
        return received

    @torch.no_grad()
    def load_hetero_gatv2(self, convs: Mapping[EdgeType, Any]) -> None:
        """Take over the weights of `HeteroConv({edge type: GATv2Conv(..., add_self_loops=False, bias=False)}, aggr="sum")`."""
        for own, end, name in ((self.source, 0, "lin_l"), (self.destination, 2, "lin_r")):
            for node_type, linear in own.items():
                ends_here = [convs[edge_type] for edge_type in self.edge_types if edge_type[end] == node_type]
                cast("nn.Linear", linear).weight.copy_(torch.cat([getattr(conv, name).weight for conv in ends_here]))
        self.attention.copy_(torch.cat([convs[edge_type].att for edge_type in self.edge_types]))


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
        sent = [name for name, _, _ in self.edge_types]
        self._places = [(list(self.source).index(name), sent[:number].count(name)) for number, name in enumerate(sent)]
        """Where the matrix of each relation stands: which of the source maps, and which `out_channels` rows of it."""

    def outcome(self, x: TypedTable, plan: EdgePlan, weight: Tensor | None) -> Tensor:
        """Return what each node receives, and what it knows itself, [num_nodes, out_channels]; by compiled loops if they can."""
        learned = weight is not None and weight.requires_grad
        if self.product or learned or not compiled.asked_for() or not self._is_plain():
            return super().outcome(x, plan, weight)
        maps = self._maps(x)
        if not compiled.fits([x.table, weight, *maps.weights, *maps.biases]):
            return super().outcome(x, plan, weight)
        share = None if weight is None else _shares(plan, weight)
        return compiled_mean.mean_and_root(x, plan.compiled_relay, share, maps)

    def receive(self, x: TypedTable, plan: EdgePlan, weight: Tensor | None) -> Tensor:
        """Return what each node receives, [num_nodes, out_channels]; what no edge changes needs no tensor of all edges."""
        if self.product:
            return self._gated(x, plan, weight)
        shares = plan.relay.share if weight is None else _shares(plan, weight)
        shares = torch.cat([shares, shares.new_ones(1)]).to(x.table.dtype)
        relayed = plan.relay.first.pass_on(x.table, shares)
        rows = project(relayed, plan.relay.sizes, self._matrices(), [None] * len(self.edge_types), self.out_channels)
        return plan.relay.second.pass_on(rows, shares)

    def _gated(self, x: TypedTable, plan: EdgePlan, weight: Tensor | None) -> Tensor:
        """Return what each node receives if messages are gated, [num_nodes, out_channels]; by compiled loops if they can."""
        assert self.mix is not None
        assert self.gate is not None
        source, destination, share = self.source(x), self.destination(x), _shares(plan, weight).to(x.table.dtype)
        gating = Gating(mix=self.mix.weight, bias=self.mix.bias, gate=self.gate.weight, gate_bias=self.gate.bias)
        tensors = [source, destination, share, gating.mix, gating.bias, gating.gate, gating.gate_bias]
        if not compiled.fits(tensors) or not self._is_plain():
            ends = (take(source, plan.source), take(destination, plan.destination))
            return cast("Tensor", self.propagate(plan.edge_index, size=None, ends=ends, plan=plan, share=share))
        received, gate = gated_mean(source, destination, gating, plan, share)
        self._edge_score = partial(plan.by_destination.in_plan_order, gate)
        return received

    def _is_plain(self) -> bool:
        """Return whether messages are those of this class, which are all that the compiled loops know."""
        return all(
            getattr(type(self), name) is getattr(RelationalMean, name) for name in ("receive", "message", "interaction", "aggregate")
        )

    def _matrices(self) -> list[Tensor]:
        """Return the matrix of every relation, [out_channels, in_channels] each."""
        parts = [torch.split(weight, self.out_channels) for weight in _weights(self.source.values())]
        return [parts[each][number] for each, number in self._places]

    def _maps(self, types: Iterable[str]) -> compiled_mean.Maps:
        """Return what projects neighbours of each relation, and nodes of each of these types themselves."""
        sources, roots = list(self.source.values()), [cast("TypedLinear", self.root)[name] for name in types]
        return compiled_mean.Maps(
            weights=_weights([*sources, *roots]),
            places=[*self._places, *((len(sources) + number, 0) for number in range(len(roots)))],
            biases=[cast("Tensor", root.bias) for root in roots],
        )

    def message(self, ends: tuple[Tensor, Tensor]) -> Tensor:
        """Gate every message by the product of both ends: [num_edges, out_channels]."""
        assert self.gate is not None
        value, key = torch.split(ends[0], self.out_channels, dim=1)
        product = self.interaction(key, ends[1])
        gate = self.gate(product).sigmoid()
        self._edge_score = partial(gate.squeeze, -1)
        return gate * (value + product)

    def aggregate(self, inputs: Tensor, plan: EdgePlan, share: Tensor) -> Tensor:
        """Average by relation and add up the means of a node's relations, [num_nodes, out_channels]."""
        return total(inputs, plan.node, share)

    @torch.no_grad()
    def load_hetero_sage(self, convs: Mapping[EdgeType, Any]) -> None:
        """Take over the weights of `HeteroConv({edge type: SAGEConv}, aggr="sum")`, whose root weights add up per node type."""
        roots = cast("TypedLinear", self.root)
        for name in roots:
            root, source = cast("nn.Linear", roots[name]), cast("nn.Linear", self.source[name]) if name in self.source else None
            sent = [convs[edge_type] for edge_type in self.edge_types if edge_type[0] == name]
            received = [convs[edge_type] for edge_type in self.edge_types if edge_type[2] == name]
            if source is not None:
                source.weight.copy_(torch.cat([conv.lin_l.weight for conv in sent]))
            root.weight.zero_()
            root.bias.zero_()
            for conv in received:
                root.weight.add_(conv.lin_r.weight)
                root.bias.add_(conv.lin_l.bias)


def _weights(linears: Iterable[nn.Module]) -> list[Tensor]:
    return [cast("Tensor", linear.weight) for linear in linears]


def _by_type(scores: Callable[[], Tensor], plan: EdgePlan) -> dict[EdgeType, Tensor]:
    """Return the score of every edge by edge type, mean over heads where there are some: [num_edges] or [num_edges, heads]."""
    score = scores()
    return dict(zip(plan.edge_types, torch.split(score.mean(dim=-1) if score.dim() > 1 else score, plan.sizes), strict=True))


def _shares(plan: EdgePlan, weight: Tensor | None) -> Tensor:
    """Return the share of every edge in the mean of its destination slot, [num_edges]."""
    if weight is None:
        return plan.shares
    of_slot = take(without_zeros(mass(plan.destination, weight)).unsqueeze(-1), plan.destination)
    return weight / of_slot.squeeze(-1)
