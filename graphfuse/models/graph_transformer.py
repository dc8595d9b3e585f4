"""Graph fusion by PyG's own TransformerConv per relation: dot-product attention along edges."""

import math
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import Tensor
from torch_geometric.nn import TransformerConv
from torch_geometric.typing import OptTensor

from graphfuse.core.schema import GraphSchema
from graphfuse.models._graph import GraphModel
from graphfuse.models._per_relation import PerRelation
from graphfuse.nn.groups import Groups
from graphfuse.nn.weights import weighted_softmax


@dataclass(frozen=True, kw_only=True)
class GraphTransformerModel(GraphModel):
    """Graph transformer per relation (Shi et al., Masked Label Prediction, IJCAI 2021), summed over relations.

    Its score is a product of both ends (query times key), its messages are not.
    """

    heads: Annotated[int, Ge(1)] = 4
    """Attention heads; must divide `hidden_channels`."""

    def layer(self, schema: GraphSchema) -> PerRelation:
        """Return one layer."""
        return PerRelation(schema.edge_types, lambda: WeightedTransformer(self.hidden_channels, self.heads))


class WeightedTransformer(TransformerConv):
    """PyG's TransformerConv whose softmax counts an edge of weight w as w of an edge, and which says what it attended to."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__((channels, channels), channels // heads, heads=heads)

    def forward(self, x: tuple[Tensor, Tensor], edge_index: Tensor, edge_weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return new features [num_destinations, channels] and the attention per edge, mean over heads [num_edges]."""
        # without edge_dim, edge features change nothing in TransformerConv, so the weights travel in their place
        out, (_, share) = super().forward(x, edge_index, edge_attr=edge_weight, return_attention_weights=True)
        return out, share.mean(dim=-1)

    def message(self, query_i: Tensor, key_j: Tensor, value_j: Tensor, edge_attr: OptTensor, index: Tensor, size_i: int) -> Tensor:
        """Attend as TransformerConv does, with weights: [num_edges, heads, channels of a head]."""
        score = (query_i * key_j).sum(dim=-1) / math.sqrt(self.out_channels)  # [num_edges, heads]
        share = weighted_softmax(score, Groups(index, size_i), edge_attr)
        # TransformerConv.forward takes the attention from here
        self._alpha = share
        return value_j * share.unsqueeze(-1)
