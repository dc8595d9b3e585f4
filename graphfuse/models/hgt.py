"""Graph fusion by PyG's own heterogeneous graph transformer."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor
from torch_geometric.nn import HGTConv

from graphfuse.core.schema import EdgeType, GraphSchema
from graphfuse.models._graph import GraphModel
from graphfuse.nn.groups import Groups
from graphfuse.nn.weights import weighted_softmax


@dataclass(frozen=True, kw_only=True)
class HgtModel(GraphModel):
    """Heterogeneous graph transformer (Hu et al., WWW 2020) in PyG's own layers."""

    heads: Annotated[int, Ge(1)] = 4
    """Attention heads; must divide `hidden_channels`."""

    def layer(self, schema: GraphSchema) -> "WeightedHGT":
        """Return one layer."""
        width = self.hidden_channels
        return WeightedHGT(width, width, (list(schema.node_types), list(schema.edge_types)), heads=self.heads)


class WeightedHGT(HGTConv):
    """PyG's HGTConv whose softmax counts an edge of weight w as w of an edge, and which says what it attended to."""

    def forward(
        self,
        x_dict: Mapping[str, Tensor],
        edge_index_dict: Mapping[EdgeType, Tensor],
        edge_weight_dict: Mapping[EdgeType, Tensor] | None = None,
        return_edge_scores: bool = False,
    ) -> Any:
        """Pass messages along all relations."""
        weights = edge_weight_dict or {}
        ones = next(iter(x_dict.values())).new_ones
        sizes = [index.size(1) for index in edge_index_dict.values()]
        # HGTConv.forward leaves no way to hand edge values to message(), so they wait here for one call
        self._weight = torch.cat([weights.get(name, ones(size)) for name, size in zip(edge_index_dict, sizes, strict=True)])
        out = super().forward(x_dict, edge_index_dict)
        attention = dict(zip(edge_index_dict, torch.split(self._attention, sizes), strict=True))
        del self._weight, self._attention
        return (out, attention) if return_edge_scores else out

    def message(self, k_j: Tensor, q_i: Tensor, v_j: Tensor, edge_attr: Tensor, index: Tensor, size_i: int) -> Tensor:
        """Attend as HGTConv does, with weights."""
        score = (q_i * k_j).sum(dim=-1) * edge_attr / math.sqrt(q_i.size(-1))  # [num_edges, heads]
        share = weighted_softmax(score, Groups(index, size_i), self._weight)
        self._attention = share.mean(dim=-1)
        return (v_j * share.unsqueeze(-1)).flatten(1)
