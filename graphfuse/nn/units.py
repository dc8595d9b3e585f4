"""Units of a batch as dense blocks, and attention between blocks: a unit of weight w counts as w of a unit (contract 2)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphfuse.nn.dropout import Dropout
from graphfuse.nn.weights import LARGEST_EXPONENT


class UnitBlocks:
    """Where each unit of one node type lies in a block [batch_size, most, ...] that holds every sample's units side by side.

    Args:
        index: Sample of each unit, ascending, [num_units].
        batch_size: Number of samples.

    Attributes:
        most: Units of the sample that has the most, at least 1.
    """

    def __init__(self, index: Tensor, batch_size: int) -> None:
        counts = torch.bincount(index, minlength=batch_size)
        self.batch_size = batch_size
        # a block of width 0 has no maximum to take, and one of width 1 costs nothing
        self.most = max(int(counts.max()), 1)
        first = counts.cumsum(0) - counts
        self.slot = (
            torch.arange(index.numel(), device=index.device) + (torch.arange(batch_size, device=index.device) * self.most - first)[index]
        )

    def pad(self, values: Tensor) -> Tensor:
        """Lay units into their block: [num_units, ...] -> [batch_size, most, ...], 0 where there is no unit."""
        empty = values.new_zeros(self.batch_size * self.most, *values.shape[1:])
        return empty.index_copy(0, self.slot, values).view(self.batch_size, self.most, *values.shape[1:])

    def unpad(self, block: Tensor) -> Tensor:
        """Take units out of their block: [batch_size, most, ...] -> [num_units, ...]."""
        return block.flatten(0, 1).index_select(0, self.slot)

    def weights(self, weight: Tensor | None, like: Tensor) -> Tensor:
        """Return the weight of each place, 0 where there is no unit: [batch_size, most].

        Args:
            weight: Weight in [0, 1] per unit, [num_units]; None means 1.
            like: A tensor of the type and device wanted.
        """
        return self.pad(like.new_ones(self.slot.numel()) if weight is None else weight)


def block_softmax(score: Tensor, weight: Tensor) -> Tensor:
    """Softmax over the last axis, in which an element of weight w counts w times; the dense form of `weighted_softmax`.

    Args:
        score: Any real values, [..., n].
        weight: Weight in [0, 1], broadcast to `score`; 0 is exactly the element removed.

    Returns:
        Shares that sum to 1 wherever there is any weight, and are 0 elsewhere, [..., n].
    """
    peak = score.detach().masked_fill(weight == 0, -torch.inf).amax(dim=-1, keepdim=True)
    peak = torch.where(peak.isinf(), torch.zeros_like(peak), peak)
    mass = (score - peak).clamp(max=LARGEST_EXPONENT).exp() * weight
    total = mass.sum(dim=-1, keepdim=True)
    return mass / torch.where(total == 0, torch.ones_like(total), total)


class UnitAttention(nn.Module):
    """Multi-head attention from the units of one block to those of another.

    Without the product term this is scaled dot-product attention (Vaswani et al., Attention Is All You Need, NeurIPS 2017) and
    equals `torch.nn.MultiheadAttention`: the score is a product of both ends, but what is handed on is the source's alone. With
    it, score and message also carry `relu(M (query * key))`, feature by feature how well both ends fit (low-rank bilinear
    pooling, Kim et al., ICLR 2017), as in `RelationalAttention`. It costs memory of
    [batch_size, num_units, num_sources, channels].

    Args:
        channels: Width of all blocks; a multiple of `heads`.
        heads: Number of attention heads.
        product: Carry the product of both ends in score and message.
        dropout: Share of attention dropped in training.
    """

    def __init__(self, channels: int, heads: int = 4, *, product: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.width = heads, channels // heads
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.mix = nn.Linear(channels, channels) if product else None
        self.product_score = nn.Linear(channels, heads, bias=False) if product else None
        self.dropout = Dropout(dropout)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, source: Tensor, weight: Tensor) -> Tensor:
        """Attend.

        Args:
            x: Units that look, [batch_size, num_units, channels].
            source: Units that are looked at, [batch_size, num_sources, channels].
            weight: Weight in [0, 1] of each source, 0 where there is none, [batch_size, num_sources].

        Returns:
            What each unit found, [batch_size, num_units, channels]; the bias alone where there is nothing to look at.
        """
        query, key = self.query(x), self.key(source)
        # 1. Scaled dot product per head.  [batch_size, heads, num_units, num_sources]
        score = self._split(query) @ self._split(key).transpose(-1, -2) / math.sqrt(self.width)
        # 2. The product of both ends.  [batch_size, num_units, num_sources, channels]
        product = None
        if self.mix is not None and self.product_score is not None:
            product = functional.relu(self.mix(query.unsqueeze(2) * key.unsqueeze(1)))
            score = score + self.product_score(product).permute(0, 3, 1, 2)
        # 3. One soft maximum over the sources, and what they hand on.  [batch_size, heads, num_units, channels / heads]
        share = self.dropout(block_softmax(score, weight[:, None, None]))
        found = share @ self._split(self.value(source))
        if product is not None:
            found = found + torch.einsum("bhqk,bqkhc->bhqc", share, product.view(*product.shape[:3], self.heads, self.width))
        return self.out(found.transpose(1, 2).flatten(2))

    def _split(self, values: Tensor) -> Tensor:
        """Split channels into heads: [batch_size, n, channels] -> [batch_size, heads, n, channels / heads]."""
        return values.view(*values.shape[:2], self.heads, self.width).transpose(1, 2)
