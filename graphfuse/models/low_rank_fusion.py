"""Outer product of the vectors of all modalities under a low-rank weight, which is never written out.

Liu et al., Efficient Low-rank Multimodal Fusion with Modality-Specific Factors, ACL 2018.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.models._pooled_vectors import PooledVectorsModel
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.perceptron import perceptron
from graphfuse.nn.pooling import PooledInputs


@dataclass(frozen=True, kw_only=True)
class LowRankFusionModel(PooledVectorsModel):
    """Tensor fusion whose cost grows with the number of modalities, not with its power; an absent one is a learned token."""

    rank: Annotated[int, Ge(1)] = 8
    """Terms whose sum stands for the weight of the whole outer product."""

    def module(self, schema: GraphSchema, decision: Decision) -> "LowRankFusion":
        """Return the network for a schema."""
        return LowRankFusion(self, schema)


class LowRankFusion(FusionModule):
    """Mean per node type -> projection -> low-rank product -> perceptron; edges are not looked at."""

    def __init__(self, model: LowRankFusionModel, schema: GraphSchema) -> None:
        super().__init__()
        channels = self.out_channels = model.hidden_channels
        self.inputs = PooledInputs(schema, channels, model.input_dropout)
        self.product = LowRankProduct([channels] * len(self.inputs.node_types), channels, model.rank)
        self.perceptron = perceptron(channels, channels, model.dropout)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. Mean of what is there, or the learned token where nothing is there.  [batch_size, hidden_channels] each
        vectors, _ = self.inputs(batch, node_weight_dict)
        # 2. What the weight makes of every product of their features.  [batch_size, hidden_channels]
        fused = self.product(list(vectors.values()))
        # 3. Fuse.  [batch_size, hidden_channels]
        return FusionOutput(embedding=self.perceptron(fused))


class LowRankProduct(nn.Module):
    """A linear map of the outer product of vectors, each with a constant 1, whose weight is a sum of `rank` outer products.

    Args:
        widths: Width of each vector.
        out_channels: Width of the result.
        rank: Terms of the sum.
    """

    def __init__(self, widths: Sequence[int], out_channels: int, rank: int) -> None:
        super().__init__()
        self.factors = nn.ParameterList(nn.Parameter(torch.empty(width + 1, rank, out_channels)) for width in widths)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        for factor in self.factors:
            # each factor's value starts with variance 1 on standardised input, so that products neither vanish nor explode
            nn.init.normal_(factor, std=factor.size(0) ** -0.5)
        self.scale = rank**-0.5

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """Map [batch_size, width] of each vector to [batch_size, out_channels]."""
        product: Tensor | None = None
        for vector, factor in zip(vectors, self.factors, strict=True):
            with_one = nn.functional.pad(vector, (1, 0), value=1.0)
            part = (with_one @ factor.flatten(1)).view(-1, *factor.shape[1:])  # [batch_size, rank, out_channels]
            product = part if product is None else product * part
        if product is None:
            raise ValueError("There must be at least one vector to fuse.")
        return product.sum(dim=1) * self.scale + self.bias
