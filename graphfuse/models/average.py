"""Late fusion by averaging: the mean of the experts' probabilities or values."""

from dataclasses import dataclass

from graphfuse.core.schema import GraphSchema
from graphfuse.models._late import LateFusion, LateModel
from graphfuse.nn.fusion import Decision


@dataclass(frozen=True, kw_only=True)
class AverageModel(LateModel):
    """The mean of the experts that are there: the sum rule of "On combining classifiers" (Kittler et al., TPAMI 20(3), 1998)."""

    def module(self, schema: GraphSchema, decision: Decision) -> LateFusion:
        """Return the network for a schema."""
        return LateFusion(self, schema, decision)
