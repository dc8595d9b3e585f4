"""Late fusion by weighted averaging, with the weights that do best on validation rows."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graphfuse.core.schema import GraphSchema
from graphfuse.models._decisions import mix, shares
from graphfuse.models._late import Decisions, LateModel, WeightedFusion
from graphfuse.nn.fusion import Decision, Rows

RIDGE = 1e-3
"""Pull of the log-weights towards equal ones: finite weights also where an expert is never there or of no use."""


@dataclass(frozen=True, kw_only=True)
class WeightedAverageModel(LateModel):
    """A linear opinion pool whose weights minimise the task's loss on validation rows.

    "The opinion pool" (Stone, Annals of Mathematical Statistics 32, 1961); weights by fit as in "Stacked regressions"
    (Breiman, Machine Learning 24, 1996), here on the simplex.
    """

    def module(self, schema: GraphSchema, decision: Decision) -> "WeightedAverageFusion":
        """Return the network for a schema."""
        return WeightedAverageFusion(self, schema, decision)


class WeightedAverageFusion(WeightedFusion):
    """The weights are a softmax, found by L-BFGS from equal ones."""

    def __init__(self, model: LateModel, schema: GraphSchema, decision: Decision) -> None:
        super().__init__(model, schema, decision)
        self._criterion = (decision.criterion,)  # in a tuple, so that the task's loss is no part of the network

    def fit_validation(self, rows: Rows) -> None:
        """Find the weights."""
        decisions, y = self.decided_rows(rows)
        if len(y):
            self.log_weight = best_log_weights(self, decisions, y, self._criterion[0]).to(self.log_weight.dtype)


def best_log_weights(fusion: WeightedFusion, decisions: Decisions, y: Tensor, criterion: nn.Module) -> Tensor:
    """Return the log-weights of the experts at which the loss of the weighted average is least, [num_experts]."""
    logits, has = decisions.logits.double(), decisions.has.double()
    log_weight = torch.zeros(has.size(1), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_weight], max_iter=200, tolerance_change=1e-12, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimizer.zero_grad()
        pooled = mix(fusion.kind, logits, shares(has, log_weight))
        # a row without any expert has the prior whatever the weights are
        value = criterion(pooled, y, has.amax(dim=1)) + RIDGE * log_weight.square().mean()
        value.backward()
        return float(value.detach())

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]  # torch's stub
    return log_weight.detach().log_softmax(dim=0)
