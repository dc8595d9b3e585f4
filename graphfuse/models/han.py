"""Graph fusion by PyG's own HANConv: attention over neighbours, then over edge types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn import functional
from torch_geometric.nn import HANConv

from graphfuse.core.schema import EdgeType, GraphSchema, edge_name
from graphfuse.models._graph import GraphModel
from graphfuse.nn.groups import Groups, total
from graphfuse.nn.weights import weighted_softmax


@dataclass(frozen=True, kw_only=True)
class HanModel(GraphModel):
    """Heterogeneous graph attention (Wang et al., WWW 2019) over edge types, its semantic attention node by node.

    The paper weighs whole edge types by a mean over all nodes, which in a batch of samples would let a sample's neighbours
    change its result; here every node weighs the edge types that reach it.
    """

    heads: Annotated[int, Ge(1)] = 4
    """Attention heads; must divide `hidden_channels`."""

    def layer(self, schema: GraphSchema) -> "WeightedHAN":
        """Return one layer."""
        width = self.hidden_channels
        return WeightedHAN(width, width, (list(schema.node_types), list(schema.edge_types)), heads=self.heads)


class WeightedHAN(HANConv):
    """PyG's HANConv with edge weights in both softmaxes, semantic attention per node, and edge scores."""

    def forward(
        self,
        x_dict: Mapping[str, Tensor],
        edge_index_dict: Mapping[EdgeType, Tensor],
        edge_weight_dict: Mapping[EdgeType, Tensor] | None = None,
        return_edge_scores: bool = False,
    ) -> Any:
        """Pass messages; an edge's score is its share among neighbours times that of its type among types."""
        weights = edge_weight_dict or {}
        # 1. Project every node type.  [num_nodes, heads, channels of a head]
        x_dict = {name: self.proj[name](x).view(-1, self.heads, self.out_channels // self.heads) for name, x in x_dict.items()}
        # 2. Node level: attend over the neighbours of each edge type.  [num_nodes, out_channels]
        received: dict[EdgeType, Tensor] = {}
        scores: dict[EdgeType, Tensor] = {}
        for edge_type, edge_index in edge_index_dict.items():
            received[edge_type], scores[edge_type] = self._neighbours(x_dict, edge_type, edge_index, weights.get(edge_type))
        # 3. Semantic level: attend over the edge types that reach a node.
        out = {}
        for name in {edge_type[2]: None for edge_type in edge_index_dict}:
            incoming = [edge_type for edge_type in edge_index_dict if edge_type[2] == name]
            parts = torch.stack([received[edge_type] for edge_type in incoming])  # [num_types, num_nodes, out_channels]
            reached = [_reached(edge_index_dict[edge_type][1], parts[0], weights.get(edge_type)) for edge_type in incoming]
            share = self._types(parts, torch.stack(reached))
            out[name] = (parts * share.unsqueeze(-1)).sum(dim=0)
            for edge_type, part in zip(incoming, share, strict=True):
                scores[edge_type] = scores[edge_type] * part.index_select(0, edge_index_dict[edge_type][1])
        return (out, scores) if return_edge_scores else out

    def _neighbours(
        self, x_dict: Mapping[str, Tensor], edge_type: EdgeType, edge_index: Tensor, weight: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return what each destination received, [num_nodes, out_channels], and each edge's share, [num_edges]."""
        source, index = edge_index
        sent, asked = x_dict[edge_type[0]], x_dict[edge_type[2]]
        name = edge_name(edge_type)
        score = (sent * self.lin_src[name]).sum(dim=-1).index_select(0, source)  # [num_edges, heads]
        score = score + (asked * self.lin_dst[name]).sum(dim=-1).index_select(0, index)
        destination = Groups(index, asked.size(0))
        share = weighted_softmax(functional.leaky_relu(score, self.negative_slope), destination, weight)
        messages = (sent.index_select(0, source) * share.unsqueeze(-1)).flatten(1)
        return total(messages, destination).relu(), share.mean(dim=-1)

    def _types(self, parts: Tensor, reached: Tensor) -> Tensor:
        """Return each edge type's share at each node: parts [num_types, num_nodes, out_channels] -> [num_types, num_nodes]."""
        num_types, num_nodes = reached.shape
        score = (self.q * self.k_lin(parts).tanh()).sum(dim=-1)
        node = torch.arange(num_nodes, device=parts.device).repeat(num_types)
        return weighted_softmax(score.view(-1, 1), Groups(node, num_nodes), reached.flatten()).view(num_types, num_nodes)


def _reached(index: Tensor, x: Tensor, weight: Tensor | None) -> Tensor:
    """Return the largest weight of the edges that end at each node, 0 where none does, [num_nodes]."""
    mass = x.new_ones(index.numel()) if weight is None else weight
    return x.new_zeros(x.size(0)).scatter_reduce(0, index, mass, "amax")
