"""Late fusion by a small probabilistic graphical model, in which experts need not be independent."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from torch.nn import functional

from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import GraphSchema
from graphfuse.models._decisions import standardised
from graphfuse.models._late import Decisions, LateFusion, LateModel
from graphfuse.models._tree_bayes import TreeBayes, confidence_knots, soft_states
from graphfuse.nn.fitted import FittedModule
from graphfuse.nn.fusion import Decision, Rows

LARGEST_TABLE = 2_000_000
"""Cells of one expert's table, outcomes x states x states."""


@dataclass(frozen=True, kw_only=True)
class GraphicalModelModel(LateModel):
    """Which expert says what, and how it depends on the target and on the other experts, learned from validation rows.

    Classes, and labels one by one: a tree-augmented naive Bayes over the experts' decisions ("Bayesian network classifiers",
    Friedman et al., Machine Learning 29, 1997). Values: Gaussian errors with full covariance ("Combining probability
    distributions from dependent information sources", Winkler, Management Science 27(4), 1981). Absent experts are summed out.
    """

    levels: Annotated[int, Ge(1)] = 3
    """Levels of confidence of a decided class."""
    smoothing: Annotated[float, Gt(0)] = 1.0
    """Rows added to every count (Laplace)."""

    def module(self, schema: GraphSchema, decision: Decision) -> "LateFusion":
        """Return the network for a schema.

        Raises:
            ConfigError: If there are so many classes that tables would not fit in memory.
        """
        if decision.target.kind == "regression":
            return GaussianFusion(self, schema, decision)
        outcomes = decision.num_logits if decision.target.kind == "classification" else 2
        if outcomes * (outcomes * self.levels) ** 2 > LARGEST_TABLE:
            raise ConfigError(
                f"model.levels: classes^3 * levels^2 must be at most {LARGEST_TABLE:,} (got {outcomes} classes, {self.levels} levels). "
                "Lower it, or choose stacking."
            )
        return TreeFusion(self, schema, decision)


class TreeFusion(LateFusion):
    """Averages until it is fitted."""

    knots: Tensor

    def __init__(self, model: GraphicalModelModel, schema: GraphSchema, decision: Decision) -> None:
        super().__init__(model, schema, decision)
        questions = 1 if self.kind == "classification" else decision.num_logits
        self.tree = TreeBayes(model.smoothing)
        self.register_buffer("knots", torch.zeros(questions, len(self.node_types), model.levels))

    def combine(self, decisions: Decisions) -> Tensor:
        """Return the logarithm of the posterior, or its log-odds for labels."""
        if not self.tree.fitted:
            return super().combine(decisions)
        joint = self.tree(soft_states(self._probability(decisions.logits), self.knots), decisions.has)
        return joint[:, 0].log_softmax(dim=-1) if self.kind == "classification" else joint[..., 1] - joint[..., 0]

    def fit_validation(self, rows: Rows) -> None:
        """Learn the tree and its tables."""
        decisions, y = self.decided_rows(rows)
        if not len(y):
            return
        probability = self._probability(decisions.logits)
        self.knots = confidence_knots(probability, decisions.has, self.knots.size(-1))
        self.tree.fit(soft_states(probability, self.knots), decisions.has, self._outcomes(y))

    def _probability(self, logits: Tensor) -> Tensor:
        """Return the experts' probabilities, [batch_size, num_questions, num_experts, num_outcomes]."""
        if self.kind == "classification":
            return logits.softmax(dim=-1).unsqueeze(1)
        return torch.stack([(-logits).sigmoid(), logits.sigmoid()], dim=-1).transpose(1, 2)

    def _outcomes(self, y: Tensor) -> Tensor:
        """Return 1 for the outcome, all 0 where it is unknown, [num_rows, num_questions, num_outcomes]."""
        if self.kind == "classification":
            return functional.one_hot(y, self.num_logits).unsqueeze(1)
        return torch.stack([y == 0, y == 1], dim=-1)


class GaussianFusion(LateFusion):
    """The most likely value, given what the experts say and how their errors go together; averages until it is fitted."""

    def __init__(self, model: GraphicalModelModel, schema: GraphSchema, decision: Decision) -> None:
        super().__init__(model, schema, decision)
        self.smoothing = model.smoothing
        self.errors = ErrorModel()

    def combine(self, decisions: Decisions) -> Tensor:
        """Return values [batch_size, num_logits]."""
        return self.errors(decisions.logits, decisions.has) if self.errors.fitted else super().combine(decisions)

    def fit_validation(self, rows: Rows) -> None:
        """Learn mean and covariance of the experts' errors."""
        decisions, y = self.decided_rows(rows)
        if len(y):
            self.errors.fit(decisions.logits - standardised(self.target, y)[:, None], decisions.has, self.smoothing)


class ErrorModel(FittedModule):
    """Gaussian errors of experts: the value is their mean, weighted by the inverse of the covariance of those that are there."""

    bias: Tensor
    """Mean error.  [num_experts, num_logits]"""
    covariance: Tensor
    """[num_logits, num_experts, num_experts]"""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bias", torch.zeros(0))
        self.register_buffer("covariance", torch.zeros(0))

    @property
    def fitted(self) -> bool:
        """Whether errors were seen."""
        return self.covariance.numel() > 0

    def fit(self, error: Tensor, has: Tensor, smoothing: float) -> None:
        """Estimate from pairs of experts that are there together; `smoothing` rows of independent unit errors are added.

        Args:
            error: Decision minus value, NaN where the value is unknown.  [num_rows, num_experts, num_logits]
            has: 1 where the expert is there.  [num_rows, num_experts]
            smoothing: Number of rows.
        """
        known = (~error.isnan()) & (has > 0).unsqueeze(-1)
        error, known = torch.where(known, error.double(), 0.0), known.double()
        bias = error.sum(dim=0) / (known.sum(dim=0) + smoothing)
        centred = (error - bias) * known
        products, counts = (torch.einsum("nil,njl->lij", part, part) for part in (centred, known))
        covariance = (products + smoothing * torch.eye(has.size(1))) / (counts + smoothing)
        # pairs that were seen in different rows may contradict each other: the nearest matrix that is a covariance
        size, axes = torch.linalg.eigh(covariance)
        covariance = (axes * size.clamp(min=1e-4).unsqueeze(-2)) @ axes.transpose(-1, -2)
        self.set_fitted(bias=bias, covariance=covariance)

    def forward(self, values: Tensor, has: Tensor) -> Tensor:
        """Return the most likely values [batch_size, num_logits], of values [batch_size, num_experts, num_logits]."""
        # 1. The covariance of those that are there; the others are cut off with a unit on the diagonal.
        there = has.unsqueeze(1)  # [batch_size, 1, num_experts]
        rest = torch.diag_embed(1 - has.square()).unsqueeze(1)
        covariance = (
            there.unsqueeze(-1) * self.covariance * there.unsqueeze(-2) + rest
        )  # [batch_size, num_logits, num_experts, num_experts]
        # 2. Weights: its inverse, summed, over those that are there.  [batch_size, num_logits, num_experts]
        ones = there.expand(-1, covariance.size(1), -1)
        weight = there * torch.linalg.solve(covariance, ones)
        total = weight.sum(dim=-1, keepdim=True)
        weight = weight / torch.where(total == 0, torch.ones_like(total), total)
        # 3. Their mean, less their usual errors.
        return (weight * (values - self.bias).transpose(1, 2)).sum(dim=-1)
