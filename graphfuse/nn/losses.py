"""Losses that skip rows without a target, with weights of rows and classes, and focal modulation."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class FocalLoss(nn.Module):
    """Cross entropy that looks less at rows which are already right: `(1 - p)^gamma * -log p`.

    From "Focal Loss for Dense Object Detection" (Lin et al., ICCV 2017, arXiv:1708.02002). `gamma = 0` is cross entropy. Rows of unknown
    class are left out. The mean is weighted too, so that weights change the balance between classes and not the size of the loss.

    Args:
        gamma: How strongly easy rows are turned down, 0 or more; the paper uses 2.
        weight: Weight per class [num_classes] (the paper's alpha), or None for equal ones.
    """

    weight: Tensor | None

    def __init__(self, gamma: float = 2.0, weight: Tensor | None = None) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, y: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return the mean loss; 0 if no row has a class.

        Args:
            logits: [num_samples, num_classes]
            y: Class index, -1 where unknown.  [num_samples]
            sample_weight: How much each row counts, None for all the same.  [num_samples]
        """
        index = y.clamp(min=0)
        log_likelihood = logits.log_softmax(dim=-1).gather(1, index[:, None])[:, 0]  # [num_samples]
        weight = (y >= 0).to(logits.dtype)
        if self.weight is not None:
            weight = weight * self.weight.to(logits.dtype)[index]
        return _weighted_mean(_focal(log_likelihood, self.gamma), _by_row(weight, sample_weight))


class CrossEntropy(FocalLoss):
    """Cross entropy over the rows whose class is known, weighted by class.

    Args:
        weight: Weight per class [num_classes], or None for equal ones.
    """

    def __init__(self, weight: Tensor | None = None) -> None:
        super().__init__(gamma=0.0, weight=weight)


class BinaryCrossEntropy(nn.Module):
    """Cross entropy of independent labels over the cells that are known, focal if `gamma` is above 0.

    Args:
        positive_weight: Weight of a positive cell per label [num_labels], or None for 1.
        gamma: As in `FocalLoss`.
    """

    positive_weight: Tensor | None

    def __init__(self, positive_weight: Tensor | None = None, gamma: float = 0.0) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("positive_weight", positive_weight)

    def forward(self, logits: Tensor, y: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return the mean loss over known cells; 0 if there are none.

        Args:
            logits: [num_samples, num_labels]
            y: 1, 0, or NaN where unknown.  [num_samples, num_labels]
            sample_weight: How much each row counts, None for all the same.  [num_samples]
        """
        known = ~y.isnan()
        positive = y == 1
        log_likelihood = functional.logsigmoid(torch.where(positive, logits, -logits))
        weight = torch.ones_like(logits)
        if self.positive_weight is not None:
            weight = torch.where(positive, self.positive_weight.to(logits.dtype), weight)
        return _weighted_mean(_focal(log_likelihood, self.gamma), _by_row(weight * known, sample_weight))


class MeanSquaredError(nn.Module):
    """Squared error of standardised values over the cells that are known.

    Args:
        mean: Mean per column over train rows [num_columns].
        std: Deviation per column over train rows, above 0 [num_columns].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, logits: Tensor, y: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return the mean loss over known cells; 0 if there are none.

        Args:
            logits: Standardised predictions.  [num_samples, num_columns]
            y: Values in their own unit, NaN where unknown.  [num_samples, num_columns]
            sample_weight: How much each row counts, None for all the same.  [num_samples]
        """
        known = ~y.isnan()
        standardised = ((y - self.mean) / self.std).to(logits.dtype)
        error = torch.where(known, logits - standardised.nan_to_num(), 0.0)
        return _weighted_mean(error.square(), _by_row(known.to(logits.dtype), sample_weight))


def _by_row(weight: Tensor, sample_weight: Tensor | None) -> Tensor:
    """Multiply weights of rows [num_samples] or cells [num_samples, num_columns] by how much the row counts."""
    if sample_weight is None:
        return weight
    return weight * sample_weight.to(weight.dtype).view(-1, *[1] * (weight.dim() - 1))


def _focal(log_likelihood: Tensor, gamma: float) -> Tensor:
    """Return `(1 - p)^gamma * -log p`."""
    if gamma == 0:
        return -log_likelihood
    # expm1 keeps 1 - p exact near p = 1; the floor keeps the gradient of the power finite there
    miss = (-torch.expm1(log_likelihood)).clamp(min=torch.finfo(log_likelihood.dtype).tiny)
    return miss.pow(gamma) * -log_likelihood


def _weighted_mean(loss: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean; 0 (with a gradient of 0) if all weights are 0."""
    total = weight.sum()
    return (loss * weight).sum() / torch.where(total > 0, total, torch.ones_like(total))


def labelled(y: Tensor) -> Tensor:
    """Return which rows have a target: a class index from 0, or at least one number.  [num_samples]."""
    if not y.is_floating_point():
        return y >= 0
    return ~y.isnan().flatten(1).all(dim=1) if y.dim() > 1 else ~y.isnan()
