"""Graph fusion by the relational graph convolution: one matrix per relation, built from shared bases if wanted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge
from torch import Tensor
from torch_geometric.nn import RGCNConv

from graphfuse.core.schema import EdgeType, GraphSchema
from graphfuse.models._graph import GraphModel
from graphfuse.nn.groups import Groups, take
from graphfuse.nn.weights import weighted_mean


@dataclass(frozen=True, kw_only=True)
class RgcnModel(GraphModel):
    """Relational GCN (Schlichtkrull et al., ESWC 2018): mean per relation, summed over relations."""

    num_bases: Annotated[int, Ge(1)] | None = None
    """Build every relation's matrix from so many shared ones; by default each relation has its own."""

    def layer(self, schema: GraphSchema) -> "WeightedRGCN":
        """Return one layer."""
        return WeightedRGCN(self.hidden_channels, schema.edge_types, self.num_bases)


class WeightedRGCN(RGCNConv):
    """PyG's RGCNConv over the typed graph as it is, whose mean counts an edge of weight w as w of an edge.

    All node types share one root matrix, as in the homogeneous graph that RGCNConv takes.

    Args:
        channels: Width of every node type.
        edge_types: Edge types of the schema; an edge type is a relation.
        num_bases: Number of matrices that relations share, or None.
    """

    def __init__(self, channels: int, edge_types: tuple[EdgeType, ...], num_bases: int | None = None) -> None:
        super().__init__(channels, channels, len(edge_types), num_bases=num_bases)
        self.edge_types = edge_types

    def forward(
        self,
        x_dict: Mapping[str, Tensor],
        edge_index_dict: Mapping[EdgeType, Tensor],
        edge_weight_dict: Mapping[EdgeType, Tensor] | None = None,
        return_edge_scores: bool = False,
    ) -> Any:
        """Pass messages relation by relation; RGCNConv's own forward leaves no way to hand weights to its mean."""
        weights = edge_weight_dict or {}
        # 1. What a node itself knows.  [num_nodes, channels]
        out = {name: x @ self.root + self.bias for name, x in x_dict.items()}
        # 2. The matrix of every relation.  [num_relations, channels, channels]
        matrices = self.weight if self.num_bases is None else (self.comp @ self.weight.flatten(1)).view(-1, *self.weight.shape[1:])
        # 3. Mean per relation, then its matrix.
        for edge_type, matrix in zip(self.edge_types, matrices, strict=True):
            name, _, destination = edge_type
            source, index = edge_index_dict[edge_type]
            sent = take(x_dict[name], Groups(source, x_dict[name].size(0)))
            mean = weighted_mean(sent, Groups(index, x_dict[destination].size(0)), weights.get(edge_type))
            out[destination] = out[destination] + mean @ matrix
        return (out, {}) if return_edge_scores else out
