"""Graph fusion by attention whose scores and messages carry the product of both ends."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from graphfuse.core.schema import GraphSchema
from graphfuse.models._graph import GraphModel
from graphfuse.nn.relational import RelationalAttention


@dataclass(frozen=True, kw_only=True)
class RelationalAttentionModel(GraphModel):
    """Relational attention with a product term and a soft maximum over all incoming edges."""

    heads: Annotated[int, Ge(1)] = 4
    """Attention heads; must divide `hidden_channels`."""
    product: bool = True
    """Carry the product of both ends, without which no cross-modal match can be seen."""

    def layer(self, schema: GraphSchema) -> RelationalAttention:
        """Return one fused attention layer."""
        width = self.hidden_channels
        return RelationalAttention(width, width, schema.node_types, schema.edge_types, heads=self.heads, product=self.product)
