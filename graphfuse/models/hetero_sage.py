"""Graph fusion by PyG's own SAGEConv per relation, as `HeteroConv` does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import SAGEConv

from graphfuse.core.schema import EdgeType, GraphSchema, edge_name
from graphfuse.models._graph import GraphModel


@dataclass(frozen=True, kw_only=True)
class HeteroSageModel(GraphModel):
    """GraphSAGE per relation, summed over relations, in PyG's own layers (the yardstick for `relational_mean`)."""

    def layer(self, schema: GraphSchema) -> "WeightedHeteroSage":
        """Return one layer."""
        return WeightedHeteroSage(self.hidden_channels, schema.edge_types)


class WeightedHeteroSage(nn.Module):
    """`HeteroConv({edge type: SAGEConv}, aggr="sum")` that also takes edge weights."""

    def __init__(self, channels: int, edge_types: tuple[EdgeType, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleDict({edge_name(edge_type): WeightedSage(channels) for edge_type in edge_types})

    def forward(
        self,
        x_dict: Mapping[str, Tensor],
        edge_index_dict: Mapping[EdgeType, Tensor],
        edge_weight_dict: Mapping[EdgeType, Tensor] | None = None,
        return_edge_scores: bool = False,
    ) -> Any:
        """Pass messages relation by relation."""
        weights = edge_weight_dict or {}
        out: dict[str, Tensor] = {}
        for edge_type, edge_index in edge_index_dict.items():
            source, _, destination = edge_type
            part = self.convs[edge_name(edge_type)]((x_dict[source], x_dict[destination]), edge_index, weights.get(edge_type))
            out[destination] = out[destination] + part if destination in out else part
        return (out, {}) if return_edge_scores else out


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
