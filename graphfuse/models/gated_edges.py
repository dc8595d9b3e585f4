"""Graph fusion by means per relation, with a learned gate on every edge and on every kind of edge."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, cast

import torch
from annotated_types import Ge
from torch import Tensor, nn

from graphfuse.core.schema import EdgeType, GraphSchema
from graphfuse.models._graph import GraphFusion, GraphModel, Passed
from graphfuse.nn.fusion import Decision
from graphfuse.nn.groups import take
from graphfuse.nn.plan import EdgePlan
from graphfuse.nn.relational import RelationalMean

OPEN = 3.0
"""Where the gate of a kind starts, before the sigmoid: 0.95."""


@dataclass(frozen=True, kw_only=True)
class GatedEdgesModel(GraphModel):
    """Relational mean whose messages pass two gates: one per edge, computed from both its ends, and one per edge kind.

    The gate of an edge is a sigmoid over a network of [x_s, x_d, x_s * x_d], after projections of their relation (gates of
    the source alone: Marcheggiani and Titov, Encoding Sentences with Graph Convolutional Networks, EMNLP 2017).
    """

    sparsity: Annotated[float, Ge(0)] = 0.0
    """Price of an open gate: so many times the mean gate is added to the loss."""

    def layer(self, schema: GraphSchema) -> "GatedMean":
        """Return one layer."""
        return GatedMean(self.hidden_channels, schema.node_types, schema.edge_types)

    def module(self, schema: GraphSchema, decision: Decision) -> "GatedFusion":
        """Return the network for a schema."""
        return GatedFusion(self, schema)


class GatedFusion(GraphFusion):
    """Message passing through gates, whose openness may cost."""

    def __init__(self, model: GatedEdgesModel, schema: GraphSchema) -> None:
        super().__init__(model, schema)
        self.edge_types = schema.edge_types
        self.sparsity = model.sparsity

    @property
    def kind_gates(self) -> dict[EdgeType, float]:
        """How far the gate of each edge type is open, in [0, 1], mean over layers; empty without layers."""
        gates = [layer.kind.sigmoid() for layer in cast("Iterable[GatedMean]", self.layers)]
        return dict(zip(self.edge_types, torch.stack(gates).mean(dim=0).tolist(), strict=True)) if gates else {}

    def pass_messages(
        self, x_dict: dict[str, Tensor], edge_index_dict: Mapping[EdgeType, Tensor], weights: Mapping[EdgeType, Tensor]
    ) -> Passed:
        """Run all layers, and price the gates of the edges that are there."""
        passed = super().pass_messages(x_dict, edge_index_dict, weights)
        if not self.sparsity or not passed.edge_scores:
            return passed
        gates = torch.cat(list(passed.edge_scores.values()))
        there = torch.cat([weights.get(name, torch.ones_like(score)) for name, score in passed.edge_scores.items()])
        mean = (gates * there).sum() / there.sum().clamp(min=1)
        return replace(passed, penalties={"open gates": self.sparsity * mean})


class GatedMean(RelationalMean):
    """RelationalMean with a product term whose messages pass a gate per edge and one per edge kind.

    The mean divides by the neighbours, not by their gates: a node hears how many gates are open, and a closed one says nothing.

    Args:
        channels: Width of every node type.
        node_types: Node types of the schema.
        edge_types: Edge types of the schema.
    """

    gate: nn.Linear

    def __init__(self, channels: int, node_types: tuple[str, ...], edge_types: tuple[EdgeType, ...]) -> None:
        super().__init__(channels, channels, node_types, edge_types, product=True)
        self.gate = nn.Linear(3 * channels, 1)
        self.kind = nn.Parameter(torch.full((len(edge_types),), OPEN))

    def message(self, ends: tuple[Tensor, Tensor], plan: EdgePlan) -> Tensor:  # type: ignore[override]  # PyG gives what is named
        """Gate every message: [num_edges, channels]."""
        # 1. The product of both ends.  [num_edges, channels]
        value, key = torch.split(ends[0], self.out_channels, dim=1)
        product = self.interaction(key, ends[1])
        # 2. How open the edge is, and how open its kind.  [num_edges, 1]
        gate = self.gate(torch.cat([value, ends[1], product], dim=1)).sigmoid()
        gate = gate * take(self.kind.sigmoid().unsqueeze(-1), plan.relation)
        self._edge_score = partial(gate.squeeze, -1)
        return gate * (value + product)
