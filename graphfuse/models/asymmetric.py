"""Asymmetric intermediate fusion: one modality leads, the others assist it."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.errors import ConfigError, suggest
from graphfuse.core.schema import GraphSchema
from graphfuse.models._pooled_vectors import PooledVectorsModel
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.inputs import input_projections
from graphfuse.nn.pooling import informative_types
from graphfuse.nn.units import UnitAttention, UnitBlocks, block_softmax


@dataclass(frozen=True, kw_only=True)
class AsymmetricModel(PooledVectorsModel):
    """Units of the leading modality look at the units of all others; only the leading ones are read out.

    Attention from "Attention Is All You Need" (Vaswani et al., NeurIPS 2017), in one direction between modalities as in "Multimodal
    Transformer for Unaligned Multimodal Language Sequences" (Tsai et al., ACL 2019). Messages carry the product of both ends, without which
    a match between two units cannot be seen. Where the leading modality is absent, a learned token leads.
    """

    leading: str = ""
    """The modality or node type that leads, such as `text`; left out, the first of the store."""
    heads: Annotated[int, Ge(1)] = 4
    """Attention heads; must divide `hidden_channels`."""

    def __post_init__(self) -> None:
        """Check that the heads share the channels evenly."""
        if self.hidden_channels % self.heads:
            raise ValueError(f"heads must divide hidden_channels (got {self.heads} heads for {self.hidden_channels} channels)")

    def module(self, schema: GraphSchema, decision: Decision) -> "AsymmetricFusion":
        """Return the network for a schema.

        Raises:
            ConfigError: If the store has no such modality.
        """
        return AsymmetricFusion(self, schema, _leading_types(self.leading, schema))


class AsymmetricFusion(FusionModule):
    """Leading units attend to assisting units -> attention over the leading units; edges are not looked at."""

    def __init__(self, model: AsymmetricModel, schema: GraphSchema, leading: tuple[str, ...]) -> None:
        super().__init__()
        channels = self.out_channels = model.hidden_channels
        self.leading = leading
        self.assisting = tuple(name for name in informative_types(schema) if name not in leading)
        widths = {name: schema.channels_by_node_type[name] for name in (*leading, *self.assisting)}
        self.project = input_projections(widths, channels, model.input_dropout)
        self.token = nn.Parameter(torch.randn(channels))
        self.attention = UnitAttention(channels, model.heads, product=True, dropout=model.dropout)
        self.dropout = Dropout(model.dropout)
        self.norm = nn.LayerNorm(channels)
        self.score = nn.Sequential(nn.Linear(channels, channels), nn.Tanh(), nn.Linear(channels, 1))
        self.out = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), Dropout(model.dropout))

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        weights = node_weight_dict or {}
        # 1. The leading units, and a token that is there where they are not.  [batch_size, num_leading + 1, channels]
        lead, there = self._blocks(batch, self.leading, weights)
        lead = torch.cat([lead, self.token.expand(batch.num_graphs, 1, -1)], dim=1)
        there = torch.cat([there, 1 - there.amax(dim=1, keepdim=True)], dim=1)
        # 2. They look at the units that assist; the residual keeps what they knew.
        if self.assisting:
            lead = self.norm(lead + self.dropout(self.attention(lead, *self._blocks(batch, self.assisting, weights))))
        # 3. A soft maximum over the leading units.  [batch_size, hidden_channels]
        share = block_softmax(self.score(lead).squeeze(-1), there)
        return FusionOutput(embedding=self.out((share.unsqueeze(-1) * lead).sum(dim=1)))

    def _blocks(self, batch: Batch, node_types: tuple[str, ...], given: NodeWeights) -> tuple[Tensor, Tensor]:
        """Return the units of some types side by side, [batch_size, most, channels], and their weights, [batch_size, most]."""
        units, weights = [], []
        for name in node_types:
            block, x = UnitBlocks(batch[name].batch, batch.num_graphs), self.project[name](batch[name].x)
            units.append(block.pad(x))
            weights.append(block.weights(given.get(name), x))
        return torch.cat(units, dim=1), torch.cat(weights, dim=1)


def _leading_types(leading: str, schema: GraphSchema) -> tuple[str, ...]:
    """Return the node types that lead: one, or all of a modality."""
    informative = informative_types(schema)
    if not leading:
        return informative[:1]
    found = tuple(name for name in informative if leading in (name, schema.modality_by_node_type[name]))
    if not found:
        known = {*informative, *(schema.modality_by_node_type[name] for name in informative)}
        raise ConfigError(f"model.leading: is not a modality of this store. {suggest(leading, known)}")
    return found
