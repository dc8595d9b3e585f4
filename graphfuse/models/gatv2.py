"""Graph fusion by PyG's own GATv2Conv per relation, as `HeteroConv` does it."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import Tensor
from torch.nn import functional
from torch_geometric.nn import GATv2Conv
from torch_geometric.typing import OptTensor

from graphfuse.core.schema import GraphSchema
from graphfuse.models._graph import GraphModel
from graphfuse.models._per_relation import PerRelation
from graphfuse.nn.groups import Groups
from graphfuse.nn.weights import weighted_softmax


@dataclass(frozen=True, kw_only=True)
class Gatv2Model(GraphModel):
    """GATv2 per relation (Brody et al., How Attentive are Graph Attention Networks?, ICLR 2022), summed over relations.

    Its score adds the two ends, so it cannot see a cross-modal match; `relational_attention` is this with a product.
    """

    heads: Annotated[int, Ge(1)] = 4
    """Attention heads; must divide `hidden_channels`."""

    def layer(self, schema: GraphSchema) -> PerRelation:
        """Return one layer."""
        return PerRelation(schema.edge_types, lambda: WeightedGATv2(self.hidden_channels, self.heads))


class WeightedGATv2(GATv2Conv):
    """PyG's GATv2Conv whose softmax counts an edge of weight w as w of an edge, and which says what it attended to."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__((channels, channels), channels // heads, heads=heads, add_self_loops=False)

    def forward(self, x: tuple[Tensor, Tensor], edge_index: Tensor, edge_weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return new features [num_destinations, channels] and the attention per edge, mean over heads [num_edges]."""
        # without edge_dim, edge features change nothing in GATv2Conv, so the weights travel in their place
        out, (_, share) = super().forward(x, edge_index, edge_attr=edge_weight, return_attention_weights=True)
        return out, share.mean(dim=-1)

    def edge_update(self, x_j: Tensor, x_i: Tensor, edge_attr: OptTensor, index: Tensor, dim_size: int) -> Tensor:
        """Attend as GATv2Conv does, with weights: [num_edges, heads]."""
        joint = functional.leaky_relu(x_i + x_j, self.negative_slope)
        return weighted_softmax((joint * self.att).sum(dim=-1), Groups(index, dim_size), edge_attr)
