"""How much less a network believes in its own prediction once something is removed."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from graphfuse.core.schema import TargetKind
from graphfuse.nn.fusion import FusionNetwork

Measure = Literal["log_odds", "probability"]
"""What falls: the log-odds of the predicted class, or its probability."""


def kind_of(network: FusionNetwork) -> TargetKind:
    """Return what a network's logits mean; one that does not say is taken for a classifier."""
    return network.target.kind if network.target else "classification"


def measured_in(network: FusionNetwork, measure: Measure) -> str:
    """Return what `drop` measures in: the measure, or for regression `change`, in deviations of the target over train rows."""
    return "change" if kind_of(network) == "regression" else measure


def evidence(logits: Tensor, full: Tensor, network: FusionNetwork, measure: Measure) -> Tensor:
    """Return the evidence in `logits` for what the `full` logits predict.

    Classification: log-odds or probability of the predicted class. Multi-label: the same for each label's
    predicted state, mean over labels. Regression: the predicted values, in deviations of their targets.

    Args:
        logits: Of the network with something removed.  [batch_size, num_logits]
        full: Of the whole network, which says what is predicted.  [batch_size, num_logits]
        network: Says what the logits mean, and from which probability a label is predicted.
        measure: Log-odds or probability; regression has neither.

    Returns:
        One value per sample; of regression one per target, since one may rise where another falls.  [batch_size, 1 or num_targets]
    """
    kind = kind_of(network)
    if kind == "regression":
        return logits
    if kind == "multilabel" or logits.shape[1] == 1:
        signed = torch.where(_labels(full, network), logits, -logits)
        return (signed if measure == "log_odds" else signed.sigmoid()).mean(dim=1, keepdim=True)
    predicted = full.argmax(dim=1, keepdim=True)
    if measure == "probability":
        return functional.softmax(logits, dim=1).gather(1, predicted)
    others = logits.scatter(1, predicted, -torch.inf).logsumexp(dim=1, keepdim=True)
    return logits.gather(1, predicted) - others


def drop(full: Tensor, masked: Tensor, network: FusionNetwork, measure: Measure) -> Tensor:
    """Return how much evidence is lost, [batch_size], sign kept (below 0: removing it helped).

    Regression: the absolute change of the predicted values, in deviations of their targets.
    """
    return size_of(evidence(full, full, network, measure) - evidence(masked, full, network, measure), network)


def size_of(change: Tensor, network: FusionNetwork) -> Tensor:
    """Return what changes of evidence [num_changes, 1 or num_targets] amount to, [num_changes]; those of regression have no sign."""
    return (change.abs() if kind_of(network) == "regression" else change).mean(dim=1)


def flips(full: Tensor, masked: Tensor, network: FusionNetwork) -> Tensor:
    """Return 1 where the prediction changes (multi-label: any label's), 0 elsewhere and for regression, [batch_size]."""
    kind = kind_of(network)
    if kind == "regression":
        return torch.zeros(len(full))
    if kind == "multilabel" or full.shape[1] == 1:
        return (_labels(full, network) != _labels(masked, network)).any(dim=1).float()
    return (full.argmax(dim=1) != masked.argmax(dim=1)).float()


def quality(logits: Tensor, y: Tensor | None, network: FusionNetwork) -> Tensor:
    """Return how right each sample is: accuracy, share of right labels, or minus the absolute error; NaN without target, [batch_size]."""
    if y is None:
        return torch.full((len(logits),), torch.nan)
    kind, target = kind_of(network), network.target
    y = y.reshape(len(logits), -1).float()
    known = (y.isfinite() & (y >= 0)) if kind != "regression" else y.isfinite()
    if kind == "regression":
        if target and target.std:  # logits are standardised, y has its own unit
            logits = logits * torch.tensor(target.std) + torch.tensor(target.mean)
        right = -(logits - y).abs()
    elif kind == "multilabel" or logits.shape[1] == 1:
        right = (_labels(logits, network).float() == y).float()
    else:
        right = (logits.argmax(dim=1, keepdim=True).float() == y).float()
    return torch.where(known, right, torch.nan).nanmean(dim=1)


def _labels(logits: Tensor, network: FusionNetwork) -> Tensor:
    """Return which labels are predicted, as the task does, [batch_size, num_logits]."""
    return logits.double().sigmoid() >= network.threshold
