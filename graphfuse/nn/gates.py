"""Gates on edges: how far each one is open, from both its ends, and how to close most of them for good."""

import math

import torch
from torch import Tensor, nn

TEMPERATURE, LOW, HIGH = 2 / 3, -0.1, 1.1
"""Shape of the hard concrete distribution: temperature and the interval it is stretched to (values of its paper)."""


class PairScore(nn.Module):
    """A real number for every edge: a network over both ends and their product.

    Both ends are projected first, so that a product can line up features of two modalities; without it, a function of their sum
    cannot see whether they match.

    Args:
        channels: Width of both ends, and of the hidden layer.
        bias: Where scores start.
    """

    def __init__(self, channels: int, bias: float = 0.0) -> None:
        super().__init__()
        self.source = nn.Linear(channels, channels)
        self.destination = nn.Linear(channels, channels)
        self.product = nn.Linear(channels, channels)
        self.score = nn.Linear(channels, 1)
        nn.init.constant_(self.score.bias, bias)

    def forward(self, x_source: Tensor, x_destination: Tensor, edge_index: Tensor) -> Tensor:
        """Score every edge.

        Args:
            x_source: Features of the source type.  [num_sources, channels]
            x_destination: Features of the destination type.  [num_destinations, channels]
            edge_index: [2, num_edges]

        Returns:
            [num_edges]
        """
        # 1. Project every node once, then look both ends up.  [num_edges, channels]
        source = self.source(x_source).index_select(0, edge_index[0])
        destination = self.destination(x_destination).index_select(0, edge_index[1])
        # 2. Join them: their sum, and their product.  [num_edges, channels]
        hidden = (source + destination + self.product(source * destination)).relu()
        # 3. One number per edge.
        score: Tensor = self.score(hidden).squeeze(-1)
        return score


def hard_concrete(logit: Tensor, *, training: bool) -> Tensor:
    """Return gates in [0, 1] that are exactly 0 or 1 with a chance above 0, and yet have gradients.

    A logistic variable is stretched beyond [0, 1] and cut off at both ends: Louizos et al., Learning Sparse Neural
    Networks through L0 Regularization, ICLR 2018. In training it is drawn from torch's global generator, else it is its noiseless value.

    Args:
        logit: How much speaks for an open gate, any real values.
        training: Whether to draw.

    Returns:
        Gates of the shape of `logit`.
    """
    if training:
        # bounds keep the logarithms finite
        uniform = torch.rand_like(logit).clamp(1e-6, 1 - 1e-6)
        logit = (logit + uniform.log() - (-uniform).log1p()) / TEMPERATURE
    return (logit.sigmoid() * (HIGH - LOW) + LOW).clamp(0, 1)


def open_probability(logit: Tensor) -> Tensor:
    """Return the chance that a drawn `hard_concrete` gate is not 0; its sum is the expected number of open gates."""
    return (logit - TEMPERATURE * math.log(-LOW / HIGH)).sigmoid()
