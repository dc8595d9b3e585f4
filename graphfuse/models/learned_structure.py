"""Graph fusion along candidate edges that a sparse, differentiable gate has kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from annotated_types import Ge
from torch import Tensor, nn

from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import EdgeType, GraphSchema, edge_name, reverse_edge_type
from graphfuse.models._graph import GraphFusion, GraphModel, Passed
from graphfuse.nn.fusion import Decision
from graphfuse.nn.gates import PairScore, hard_concrete, open_probability
from graphfuse.nn.relational import RelationalAttention

CANDIDATE = "may_match"
OPEN = 2.0
"""Where gates start, before the sigmoid: open, so that there is something to learn from."""


@dataclass(frozen=True, kw_only=True)
class LearnedStructureModel(GraphModel):
    """Graph structure learned from all candidate pairs: each is kept or dropped by a gate of the hard concrete distribution.

    Candidates are the edges with relation `may_match`; where there are none, all edges between two modalities of content. An edge and
    its reverse have one score, and in training a draw each. Kept edges are those of a gate above 0 (Louizos et al., Learning Sparse Neural Networks
    through L0 Regularization, ICLR 2018); messages then pass along them as `relational_attention` does it.
    """

    heads: Annotated[int, Ge(1)] = 4
    """Attention heads; must divide `hidden_channels`."""
    product: bool = True
    """Carry the product of both ends along kept edges as well; without it, only the gates see a match."""
    sparsity: Annotated[float, Ge(0)] = 0.01
    """Price of a kept edge: so many times the expected share of candidates kept is added to the loss. Too high, and every gate
    closes before the network has learned what for (0.1 did on made posts)."""

    def layer(self, schema: GraphSchema) -> RelationalAttention:
        """Return one fused attention layer."""
        width = self.hidden_channels
        return RelationalAttention(width, width, schema.node_types, schema.edge_types, heads=self.heads, product=self.product)

    def module(self, schema: GraphSchema, decision: Decision) -> "StructureFusion":
        """Return the network for a schema.

        Raises:
            ConfigError: If there are no edges to choose from.
        """
        return StructureFusion(self, schema)


class StructureFusion(GraphFusion):
    """Gates on candidate edges, computed once from projected features, then message passing along what they keep."""

    def __init__(self, model: LearnedStructureModel, schema: GraphSchema) -> None:
        super().__init__(model, schema)
        self.sparsity = model.sparsity
        self.candidates = candidate_types(schema)
        self.scored_as = {edge_type: _without_reverse(edge_type, self.candidates) for edge_type in self.candidates}
        forward = [edge_type for edge_type in self.candidates if self.scored_as[edge_type] == edge_type]
        self.gate = nn.ModuleDict({edge_name(edge_type): PairScore(self.out_channels, OPEN) for edge_type in forward})

    def pass_messages(
        self, x_dict: dict[str, Tensor], edge_index_dict: Mapping[EdgeType, Tensor], weights: Mapping[EdgeType, Tensor]
    ) -> Passed:
        """Choose edges, then run all layers."""
        # 1. How much speaks for each candidate.  [num_edges]
        logits = {edge_type: self._logit(x_dict, edge_type, edge_index_dict[edge_type]) for edge_type in self.candidates}
        # 2. A gate in [0, 1], mostly exactly 0 or 1; noise in training, none afterwards.
        gates = {edge_type: hard_concrete(logit, training=self.training) for edge_type, logit in logits.items()}
        # 3. A dropped edge is a removed edge.
        kept = dict(weights)
        for edge_type, gate in gates.items():
            kept[edge_type] = gate * weights[edge_type] if edge_type in weights else gate
        passed = super().pass_messages(x_dict, edge_index_dict, kept)
        return Passed(x_dict=passed.x_dict, edge_scores=gates, penalties=self._penalties(logits, weights))

    def _logit(self, x_dict: Mapping[str, Tensor], edge_type: EdgeType, edge_index: Tensor) -> Tensor:
        """Score candidates; a reverse edge is scored as the edge it reverses."""
        source, _, destination = edge_type
        scored_as = self.scored_as[edge_type]
        gate = self.gate[edge_name(scored_as)]
        if scored_as == edge_type:
            return cast("Tensor", gate(x_dict[source], x_dict[destination], edge_index))
        return cast("Tensor", gate(x_dict[destination], x_dict[source], edge_index.flip(0)))

    def _penalties(self, logits: Mapping[EdgeType, Tensor], weights: Mapping[EdgeType, Tensor]) -> dict[str, Tensor]:
        """Return the price of the expected number of kept edges, as a share of the candidates there are."""
        if not self.sparsity:
            return {}
        chance = torch.cat([open_probability(logit) for logit in logits.values()])
        there = torch.cat([weights.get(edge_type, torch.ones_like(logit)) for edge_type, logit in logits.items()])
        return {"kept edges": self.sparsity * (chance * there).sum() / there.sum().clamp(min=1)}


def candidate_types(schema: GraphSchema) -> tuple[EdgeType, ...]:
    """Return the edge types to choose edges from.

    Raises:
        ConfigError: If there are none.
    """
    relations = (CANDIDATE, f"rev_{CANDIDATE}")
    named = tuple(edge_type for edge_type in schema.edge_types if edge_type[1] in relations)
    bare = [name for name, modality in schema.modality_by_node_type.items() if modality == "sample"]
    cross = tuple(e for e in schema.edge_types if schema.is_cross_modal(e) and e[0] not in bare and e[2] not in bare)
    if not named and not cross:
        raise ConfigError(
            "model.name: learned_structure chooses from edges between modalities (got none). "
            "Add {name: candidate, source: text_span, destination: image_region} to edges, or choose another model."
        )
    return named or cross


def _without_reverse(edge_type: EdgeType, edge_types: tuple[EdgeType, ...]) -> EdgeType:
    """Return the edge type among others that this one is the reverse of, or itself."""
    return next((other for other in edge_types if reverse_edge_type(other) == edge_type), edge_type)
