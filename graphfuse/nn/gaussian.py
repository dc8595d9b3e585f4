"""Diagonal Gaussians: product of experts, divergence from the standard normal, a sample that gradients flow through."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """A Gaussian with independent coordinates per sample."""

    mean: Tensor
    """[batch_size, channels]"""
    precision: Tensor
    """1 / variance, above 0.  [batch_size, channels]"""

    def sample(self) -> Tensor:
        """Draw one vector per sample; gradients flow to mean and precision (Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014)."""
        return self.mean + torch.randn_like(self.mean) * self.precision.rsqrt()

    def divergence(self) -> Tensor:
        """Return KL(self || standard normal), summed over coordinates: [batch_size]."""
        return 0.5 * (1 / self.precision + self.mean.square() - 1 + self.precision.log()).sum(dim=-1)


def product_with_prior(experts: Sequence[Gaussian], present: Sequence[Tensor]) -> Gaussian:
    """Return the normalised product of the standard normal and of the experts that are present.

    From "Multimodal Generative Models for Scalable Weakly-Supervised Learning" (Wu and Goodman, NeurIPS 2018, arXiv:1802.05335).
    Precisions add up and means are weighted by precision, so that any subset of experts works; without any it is the standard normal.

    Args:
        experts: One Gaussian per modality, one or more.
        present: Per expert 1 (there), 0 (absent) or between, as a factor of its precision.  [batch_size, 1]
    """
    precision = torch.ones_like(experts[0].precision)
    weighted = torch.zeros_like(experts[0].mean)
    for expert, has in zip(experts, present, strict=True):
        precision = precision + has * expert.precision
        weighted = weighted + has * expert.precision * expert.mean
    return Gaussian(mean=weighted / precision, precision=precision)
