"""Attention in both directions between the units of each pair of modalities, with a product term.

Directional cross-modal attention: Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, ACL 2019;
co-attention between two streams: Lu et al., ViLBERT, NeurIPS 2019. The product of both ends in the message is an addition of
this project: dot-product attention hands on what it found, but not how well it fits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from torch import Tensor, nn

from graphfuse.models._unit_attention import Blocks, FeedForward, UnitAttentionModel
from graphfuse.nn.units import UnitAttention


@dataclass(frozen=True, kw_only=True)
class CrossAttentionModel(UnitAttentionModel):
    """Units of each modality attend to those of every other; the layers of all directions have their own weights."""

    product: bool = True
    """Carry the product of both ends in score and message, beside the dot product that attention has anyway."""

    def layer(self, node_types: Sequence[str]) -> "CrossAttentionLayer":
        """Return one layer of attention in all directions."""
        return CrossAttentionLayer(node_types, self.hidden_channels, self.heads, product=self.product, dropout=self.dropout)


class CrossAttentionLayer(nn.Module):
    """Each node type attends to every other; what it found there is added up."""

    def __init__(self, node_types: Sequence[str], channels: int, heads: int, *, product: bool, dropout: float) -> None:
        super().__init__()
        self.directions = tuple(permutations(node_types, 2))
        self.attention = nn.ModuleDict(
            {f"{source}__{name}": UnitAttention(channels, heads, product=product, dropout=dropout) for name, source in self.directions}
        )
        self.take_in = nn.ModuleDict({name: FeedForward(channels, dropout) for name in node_types})

    def forward(self, x_dict: Blocks, weights: Blocks) -> dict[str, Tensor]:
        """Attend in all directions at once: blocks [batch_size, most, channels] -> blocks of the same shapes."""
        # 1. What each type finds in the others.
        found = {name: x.new_zeros(()) for name, x in x_dict.items()}
        for name, source in self.directions:
            found[name] = found[name] + self.attention[f"{source}__{name}"](x_dict[name], x_dict[source], weights[source])
        # 2. Take it in.
        return {name: self.take_in[name](x, found[name]) for name, x in x_dict.items()}
