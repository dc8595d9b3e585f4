"""Late fusion by Bayesian model averaging: experts weigh by how likely they make the validation rows."""

from dataclasses import dataclass

from graphfuse.core.schema import GraphSchema
from graphfuse.models._decisions import log_likelihood
from graphfuse.models._late import LateModel, WeightedFusion
from graphfuse.nn.fusion import Decision, Rows


@dataclass(frozen=True, kw_only=True)
class ModelAveragingModel(LateModel):
    """The average of the experts' probabilities, weighted by their posterior given the validation rows.

    "Bayesian model averaging: a tutorial" (Hoeting et al., Statistical Science 14(4), 1999). The more rows, the more one
    expert takes all: it asks which expert is right, not how to combine them.
    """

    def module(self, schema: GraphSchema, decision: Decision) -> "ModelAveragingFusion":
        """Return the network for a schema."""
        return ModelAveragingFusion(self, schema, decision)


class ModelAveragingFusion(WeightedFusion):
    """All experts are equally likely beforehand; one that is absent from a row speaks there with the prior of the train rows."""

    def fit_validation(self, rows: Rows) -> None:
        """Set each weight to the posterior; rows that were not trained on need no penalty for the number of parameters."""
        decisions, y = self.decided_rows(rows)
        if len(y):
            posterior = log_likelihood(self.target, decisions.logits, y).log_softmax(dim=0)
            self.log_weight = posterior.to(self.log_weight.dtype)
