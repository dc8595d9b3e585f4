"""Graph fusion by PyG's own SAGEConv per relation, as `HeteroConv` does it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.nn import SAGEConv

from graphfuse.core.schema import GraphSchema
from graphfuse.models._graph import GraphModel
from graphfuse.models._per_relation import PerRelation


@dataclass(frozen=True, kw_only=True)
class HeteroSageModel(GraphModel):
    """GraphSAGE per relation, summed over relations, in PyG's own layers (the yardstick for `relational_mean`)."""

    def layer(self, schema: GraphSchema) -> PerRelation:
        """Return one layer."""
        return PerRelation(schema.edge_types, lambda: WeightedSage(self.hidden_channels))


class WeightedSage(SAGEConv):
    """PyG's SAGEConv whose mean counts an edge of weight w as w of an edge."""

    def __init__(self, channels: int) -> None:
        super().__init__((channels, channels), channels, aggr="sum")

    def forward(self, x: tuple[Tensor, Tensor], edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Average the neighbours, then apply SAGEConv's two projections."""
        weight = x[0].new_ones(edge_index.size(1)) if edge_weight is None else edge_weight
        # the last channel counts, so that sum and weight travel in one propagation
        counted = torch.cat([x[0], x[0].new_ones(x[0].size(0), 1)], dim=-1)
        # PyG reads the next comment: it declares what travels to message()
        # propagate_type: (x: OptPairTensor, edge_weight: Tensor)
        received = self.propagate(edge_index, x=(counted, x[1]), edge_weight=weight, size=(x[0].size(0), x[1].size(0)))
        total, count = received[:, :-1], received[:, -1:]
        mean = total / torch.where(count == 0, torch.ones_like(count), count)
        return self.lin_l(mean) + self.lin_r(x[1])

    def message(self, x_j: Tensor, edge_weight: Tensor) -> Tensor:
        """Weigh what each edge carries."""
        return x_j * edge_weight.unsqueeze(-1)
