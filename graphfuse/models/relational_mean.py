"""Graph fusion by means per relation, every message gated by the product of both ends."""

from dataclasses import dataclass

from graphfuse.core.schema import GraphSchema
from graphfuse.models._graph import GraphModel
from graphfuse.nn.relational import RelationalMean


@dataclass(frozen=True, kw_only=True)
class RelationalMeanModel(GraphModel):
    """Relational mean (GraphSAGE per relation) with a product term."""

    product: bool = True
    """Gate every message by the product of both ends, without which no cross-modal match can be seen."""

    def layer(self, schema: GraphSchema) -> RelationalMean:
        """Return one fused mean layer."""
        width = self.hidden_channels
        return RelationalMean(width, width, schema.node_types, schema.edge_types, product=self.product)
