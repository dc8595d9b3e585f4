"""Graph fusion by means per relation, with a learned gate on every edge and on every kind of edge."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from graphfuse.core.schema import EdgeType, GraphSchema, edge_name
from graphfuse.models._graph import GraphFusion, GraphModel, Passed
from graphfuse.models._per_relation import PerRelation
from graphfuse.nn.fusion import Decision
from graphfuse.nn.gates import PairScore
from graphfuse.nn.weights import weighted_mean

OPEN = 3.0
"""Where the gate of a kind starts, before the sigmoid: 0.95."""


@dataclass(frozen=True, kw_only=True)
class GatedEdgesModel(GraphModel):
    """Relational mean whose messages pass two gates: one per edge, computed from both its ends, and one per edge kind.

    The gate of an edge is a sigmoid over a network of [x_s, x_d, x_s * x_d] (gating as in Marcheggiani and Titov, Encoding
    Sentences with Graph Convolutional Networks for Semantic Role Labeling, EMNLP 2017, who leave out destination and product).
    """

    sparsity: Annotated[float, Ge(0)] = 0.0
    """Price of an open gate: so many times the mean gate is added to the loss."""

    def layer(self, schema: GraphSchema) -> PerRelation:
        """Return one layer."""
        return PerRelation(schema.edge_types, lambda: GatedMean(self.hidden_channels))

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
        """How far the gate of each edge type is open, in [0, 1], mean over layers."""
        gates = {name: [layer.convs[edge_name(name)].kind.sigmoid() for layer in self.layers] for name in self.edge_types}
        return {name: torch.stack(values).mean().item() for name, values in gates.items() if values}

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


class GatedMean(nn.Module):
    """The mean of gated neighbours, and the node itself.

    The mean divides by the neighbours, not by their gates: a node hears how many gates are open, and a closed one says nothing.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = PairScore(channels)
        self.kind = nn.Parameter(torch.tensor(OPEN))
        self.neighbour = nn.Linear(channels, channels)
        self.root = nn.Linear(channels, channels, bias=False)

    def forward(self, x: tuple[Tensor, Tensor], edge_index: Tensor, edge_weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return new features [num_destinations, channels] and the product of both gates per edge [num_edges]."""
        source, destination = edge_index
        gate = self.gate(*x, edge_index).sigmoid() * self.kind.sigmoid()
        messages = self.neighbour(x[0]).index_select(0, source) * gate.unsqueeze(-1)
        return weighted_mean(messages, destination, x[1].size(0), edge_weight) + self.root(x[1]), gate
