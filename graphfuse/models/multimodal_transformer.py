"""One transformer over the units of all modalities together (a single tower).

Li et al., VisualBERT: A Simple and Performant Baseline for Vision and Language, 2019 (arXiv:1908.03557), from scratch. Units
have no position, and the type embedding is the shift at the end of each type's projection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graphfuse.models._unit_attention import Blocks, FeedForward, UnitAttentionModel
from graphfuse.nn.units import UnitAttention


@dataclass(frozen=True, kw_only=True)
class MultimodalTransformerModel(UnitAttentionModel):
    """Every unit attends to all units of its sample, its own modality's among them, with the same weights."""

    def layer(self, node_types: Sequence[str]) -> "TransformerLayer":
        """Return one layer of self-attention."""
        return TransformerLayer(self.hidden_channels, self.heads, dropout=self.dropout)


class TransformerLayer(nn.Module):
    """Self-attention over all units of a sample, whatever their type."""

    def __init__(self, channels: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        self.attention = UnitAttention(channels, heads, dropout=dropout)
        self.take_in = FeedForward(channels, dropout)

    def forward(self, x_dict: Blocks, weights: Blocks) -> dict[str, Tensor]:
        """Attend: blocks [batch_size, most, channels] -> blocks of the same shapes."""
        # 1. All types side by side.  [batch_size, units of all types, channels]
        x = torch.cat(list(x_dict.values()), dim=1)
        found = self.attention(x, x, torch.cat(list(weights.values()), dim=1))
        # 2. Take it in, and part again.
        parts = self.take_in(x, found).split([block.size(1) for block in x_dict.values()], dim=1)
        return dict(zip(x_dict, parts, strict=True))
