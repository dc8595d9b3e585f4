"""Arithmetic of decisions: priors, shares, pools and likelihoods for every kind of target.

Decisions are logits [batch_size, num_experts, num_logits]: of classes, of labels one by one, or standardised values.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from graphfuse.core.schema import TargetKind, TargetSchema
from graphfuse.nn.units import block_softmax


def prior_logits(target: TargetSchema, num_logits: int) -> Tensor:
    """Return what is decided without any evidence, from the train rows, [num_logits].

    The logarithm of each class's frequency, the log-odds of each label (half a row added to both sides), or 0: the mean value.
    """
    counts = torch.tensor(target.class_counts, dtype=torch.get_default_dtype())
    if target.kind == "classification" and len(counts):
        return (counts.clamp(min=0.5) / counts.clamp(min=0.5).sum()).log()
    if target.kind == "multilabel" and len(counts) and target.known_counts:
        negative = torch.tensor(target.known_counts, dtype=counts.dtype) - counts
        return ((counts + 0.5) / (negative + 0.5)).log()
    return torch.zeros(num_logits)


def shares(has: Tensor, log_weight: Tensor | None = None) -> Tensor:
    """Return how much each expert counts: in proportion to its weight among those that are there.

    Args:
        has: 1 where the expert's modality is there, 0 where not.  [batch_size, num_experts]
        log_weight: Logarithm of each expert's weight; None for equal ones.  [num_experts] or [batch_size, num_experts]

    Returns:
        Shares that sum to 1 over the experts of each sample; 0 where a sample has none.  [batch_size, num_experts]
    """
    score = torch.zeros_like(has) if log_weight is None else log_weight.expand_as(has)
    return block_softmax(score, has)


def mix(kind: TargetKind, logits: Tensor, share: Tensor) -> Tensor:
    """Return the linear pool: log of the mean probability, log-odds of it, or the mean value.  [batch_size, num_logits].

    The linear opinion pool of "The opinion pool" (Stone, Annals of Mathematical Statistics 32, 1961).

    Args:
        kind: What the logits mean.
        logits: One decision per expert.  [batch_size, num_experts, num_logits]
        share: How much each counts.  [batch_size, num_experts]
    """
    if kind == "classification":
        return safe_log(_weigh(logits.softmax(dim=-1), share))
    if kind == "multilabel":
        # both sides are averaged, since 1 - p has few digits left where p is near 1
        return safe_log(_weigh(logits.sigmoid(), share)) - safe_log(_weigh((-logits).sigmoid(), share))
    return _weigh(logits, share)


def evidence(kind: TargetKind, logits: Tensor, prior: Tensor) -> Tensor:
    """Return what each decision adds to the prior, in log-probabilities, log-odds or values: 0 where there is no expert."""
    return logits.log_softmax(dim=-1) - prior if kind == "classification" else logits - prior


def log_likelihood(target: TargetSchema, logits: Tensor, y: Tensor) -> Tensor:
    """Return the log-likelihood of all rows under each expert, [num_experts]; cells without target do not count.

    Values are taken as Gaussian around the decision, with the deviation that fits each expert and column best.

    Args:
        target: What the logits mean.
        logits: [num_rows, num_experts, num_logits]
        y: Targets.  [num_rows, ...]
    """
    logits = logits.double()
    if target.kind == "classification":
        index = y.clamp(min=0)[:, None, None].expand(-1, logits.size(1), 1)
        likelihood = logits.log_softmax(dim=-1).gather(2, index)[..., 0]
        return (likelihood * (y >= 0)[:, None]).sum(dim=0)
    known = ~y.isnan()[:, None]  # [num_rows, 1, num_logits]
    if target.kind == "multilabel":
        signed = torch.where(y[:, None] == 1, logits, -logits)
        return torch.where(known, functional.logsigmoid(signed), 0.0).sum(dim=(0, 2))
    error = torch.where(known, logits - standardised(target, y)[:, None].nan_to_num(), 0.0)
    count = known.sum(dim=0)  # [1, num_logits]
    variance = (error.square().sum(dim=0) / count.clamp(min=1)).clamp(min=1e-6)  # [num_experts, num_logits]
    return (-0.5 * count * ((2 * math.pi * variance).log() + 1)).sum(dim=1)


def standardised(target: TargetSchema, y: Tensor) -> Tensor:
    """Return values in the unit of the logits: [num_rows, num_columns], NaN where unknown."""
    y = y.double()
    return (y - y.new_tensor(target.mean)) / y.new_tensor(target.std)


def safe_log(probability: Tensor) -> Tensor:
    """Return the logarithm of a probability that may have become 0 by rounding."""
    return probability.clamp(min=torch.finfo(probability.dtype).tiny).log()


def _weigh(values: Tensor, share: Tensor) -> Tensor:
    return (values * share.unsqueeze(-1)).sum(dim=1)
