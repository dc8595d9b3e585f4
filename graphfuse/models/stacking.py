"""Late fusion by stacking: a linear meta-learner on the experts' decisions of validation rows."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from annotated_types import Gt
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from graphfuse.core.schema import GraphSchema
from graphfuse.models._decisions import evidence, standardised
from graphfuse.models._late import Decisions, LateFusion, LateModel
from graphfuse.nn.fitted import FittedModule
from graphfuse.nn.fusion import Decision, Rows

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StackingModel(LateModel):
    """A logistic (ridge, for values) regression learns from validation rows which expert to believe.

    "Stacked generalization" (Wolpert, Neural Networks 5(2), 1992); on all class probabilities as in "Issues in stacked
    generalization" (Ting and Witten, JAIR 10, 1999), here their logarithms.
    """

    c: Annotated[float, Gt(0)] = 1.0
    """Inverse strength of the penalty on the meta-learner's coefficients (scikit-learn's C; 1 / alpha for values)."""

    def module(self, schema: GraphSchema, decision: Decision) -> "StackingFusion":
        """Return the network for a schema."""
        return StackingFusion(self, schema, decision)


class StackingFusion(LateFusion):
    """Averages until it is fitted; then linear in what each expert adds to the prior and in which experts are there."""

    def __init__(self, model: StackingModel, schema: GraphSchema, decision: Decision) -> None:
        super().__init__(model, schema, decision)
        self.c = model.c
        self.meta = MetaLearner()

    def combine(self, decisions: Decisions) -> Tensor:
        """Ask the meta-learner."""
        return self.meta(self.features(decisions)) if self.meta.fitted else super().combine(decisions)

    def features(self, decisions: Decisions) -> Tensor:
        """Return what each expert adds to the prior (0 where it is absent) and which are there.

        [batch_size, num_experts * num_logits + num_experts]
        """
        return torch.cat([evidence(self.kind, decisions.logits, self.prior).flatten(1), decisions.has], dim=1)

    def fit_validation(self, rows: Rows) -> None:
        """Fit the meta-learner; where one cannot be fitted (a class or label that validation lacks), the mean evidence stands."""
        decisions, y = self.decided_rows(rows)
        if not len(y):
            return
        x, weight, bias = self.features(decisions).double().numpy(), *self._mean_evidence()
        if self.kind == "classification":
            _fit_classes(x, y.numpy(), self.c, weight, bias)
        elif self.kind == "multilabel":
            _fit_labels(x, y.numpy(), self.c, weight, bias)
        else:
            _fit_values(x, standardised(self.target, y).numpy(), self.c, weight, bias)
        self.meta.set_fitted(weight=weight, bias=bias)

    def _mean_evidence(self) -> tuple[FloatArray, FloatArray]:
        """Return weights [num_logits, num_features] and biases that add the experts' mean evidence to the prior."""
        count = len(self.node_types)
        own = np.tile(np.eye(self.num_logits), (1, count)) / count
        return np.hstack([own, np.zeros((self.num_logits, count))]), self.prior.double().numpy().copy()


class MetaLearner(FittedModule):
    """A linear map whose numbers scikit-learn found."""

    weight: Tensor
    bias: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(0))
        self.register_buffer("bias", torch.zeros(0))

    @property
    def fitted(self) -> bool:
        """Whether there is something to ask."""
        return self.bias.numel() > 0

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [batch_size, num_logits] of features [batch_size, num_features]."""
        return x @ self.weight.T + self.bias


def _fit_classes(x: FloatArray, y: npt.NDArray[np.int64], c: float, weight: FloatArray, bias: FloatArray) -> None:
    """Fill the rows of the classes that were seen; the others keep theirs, shifted to be as likely as half a row."""
    seen = np.unique(y)
    if len(seen) < 2:
        return
    found = _logistic(x, y, c)
    several = found.coef_.shape[0] > 1  # of two classes, scikit-learn gives the second one's log-odds
    weight[seen] = found.coef_ if several else np.vstack([np.zeros_like(found.coef_), found.coef_])
    bias[seen] = found.intercept_ if several else np.array([0.0, found.intercept_[0]])
    unseen = np.setdiff1d(np.arange(len(bias)), seen)
    usual = np.logaddexp.reduce(x @ weight[seen].T + bias[seen], axis=1).mean()
    bias[unseen] = usual + np.log(0.5 / len(y))


def _fit_labels(x: FloatArray, y: FloatArray, c: float, weight: FloatArray, bias: FloatArray) -> None:
    """Fill the rows of the labels of which validation has both kinds."""
    for label in range(y.shape[1]):
        known = ~np.isnan(y[:, label])
        if len(np.unique(y[known, label])) == 2:
            found = _logistic(x[known], y[known, label] == 1, c)
            weight[label], bias[label] = found.coef_[0], found.intercept_[0]


def _fit_values(x: FloatArray, y: FloatArray, c: float, weight: FloatArray, bias: FloatArray) -> None:
    """Fill the rows of the columns of which validation has numbers."""
    for column in range(y.shape[1]):
        known = ~np.isnan(y[:, column])
        if known.any():
            found = Ridge(alpha=1 / c).fit(x[known], y[known, column])
            weight[column], bias[column] = found.coef_, found.intercept_


def _logistic(x: FloatArray, y: npt.NDArray[np.generic], c: float) -> LogisticRegression:
    return LogisticRegression(C=c, max_iter=10_000, tol=1e-6).fit(x, y)
