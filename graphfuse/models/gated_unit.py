"""Gated multimodal unit: what each modality says, times a gate that has seen all of them.

Arevalo et al., Gated Multimodal Units for Information Fusion, ICLR 2017 workshop (arXiv:1702.01992), in its form for any number of
modalities: one gate each, which need not add up to 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.models._pooled_vectors import PooledVectorsModel
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.perceptron import perceptron
from graphfuse.nn.pooling import PooledInputs


@dataclass(frozen=True, kw_only=True)
class GatedUnitModel(PooledVectorsModel):
    """Sum of what the present modalities say, each feature gated by all; the gates see a learned token for an absent one."""

    def module(self, schema: GraphSchema, decision: Decision) -> "GatedUnitFusion":
        """Return the network for a schema."""
        return GatedUnitFusion(self, schema)


class GatedUnitFusion(FusionModule):
    """Mean per node type -> projection -> gated multimodal unit -> perceptron; edges are not looked at."""

    def __init__(self, model: GatedUnitModel, schema: GraphSchema) -> None:
        super().__init__()
        channels = self.out_channels = model.hidden_channels
        self.inputs = PooledInputs(schema, channels, model.input_dropout)
        self.unit = GatedUnit(self.inputs.node_types, channels, channels)
        self.perceptron = perceptron(channels, channels, model.dropout)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. Mean of what is there, or the learned token where nothing is there.  [batch_size, hidden_channels] each
        vectors, present = self.inputs(batch, node_weight_dict)
        # 2. Gate and add up what is there.  [batch_size, hidden_channels]
        fused = self.unit(vectors, present)
        # 3. Fuse.  [batch_size, hidden_channels]
        return FusionOutput(embedding=self.perceptron(fused))


class GatedUnit(nn.Module):
    """Sum over modalities of sigmoid(V [all vectors]) * tanh(W vector).

    Args:
        names: Modalities.
        in_channels: Width of every vector.
        out_channels: Width of the result.
    """

    def __init__(self, names: Sequence[str], in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.says = nn.ModuleDict({name: nn.Linear(in_channels, out_channels) for name in names})
        self.gate = nn.ModuleDict({name: nn.Linear(in_channels * len(names), out_channels) for name in names})

    def forward(self, vectors: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Gate and add.

        Args:
            vectors: One per modality, [batch_size, in_channels].
            present: Whether the modality is there, [batch_size, 1]; an absent one adds nothing.

        Returns:
            One vector per sample, [batch_size, out_channels].
        """
        seen = torch.cat(list(vectors.values()), dim=-1)
        parts = [present[name] * self.gate[name](seen).sigmoid() * self.says[name](vector).tanh() for name, vector in vectors.items()]
        return torch.stack(parts).sum(dim=0)
