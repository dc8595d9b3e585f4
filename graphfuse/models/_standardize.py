"""Features of one modality in units of their own spread, as the target of reconstructions."""

import torch
from torch import Tensor, nn

from graphfuse.nn.pooling import Pooled

SMALLEST_SPREAD = 1e-6
"""A channel that spreads less, beside its mean or 1, is constant but for rounding."""


class Standardize(nn.Module):
    """Subtract the mean over train rows and divide by the deviation; before `fit` nothing changes."""

    center: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def fit(self, pooled: Pooled) -> None:
        """Learn from the rows that have the modality; a channel that never changes keeps its scale."""
        values = pooled.mean[pooled.has.squeeze(-1) > 0]
        if len(values):
            deviation, center = torch.std_mean(values, dim=0, correction=0)
            changes = deviation > SMALLEST_SPREAD * center.abs().clamp(min=1)
            self.center, self.scale = center, torch.where(changes, deviation, torch.ones_like(deviation))

    def forward(self, values: Tensor) -> Tensor:
        """Return standardised values, [n, channels]."""
        return (values - self.center) / self.scale
