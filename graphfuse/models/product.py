"""Element-wise product of the aligned vectors of every pair of modalities: which of their features agree.

Kumar and Nandakumar, Hate-CLIPper: Multimodal Hateful Meme Classification based on Cross-modal Interaction of CLIP Features,
NLP4PI at EMNLP 2022, where it does as well as the whole outer product at a fraction of its weights. With projections before and
after it, it is low-rank bilinear pooling (Kim et al., Hadamard Product for Low-rank Bilinear Pooling, ICLR 2017).
"""

from dataclasses import dataclass
from itertools import combinations

import torch
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.models._pooled_vectors import PooledVectorsModel
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.perceptron import perceptron
from graphfuse.nn.pooling import PooledInputs


@dataclass(frozen=True, kw_only=True)
class ProductModel(PooledVectorsModel):
    """Products of all pairs, and the vectors themselves; an absent modality is a learned token."""

    keep_vectors: bool = True
    """Give the vectors themselves beside their products; a single modality, which has no product, always does."""

    def module(self, schema: GraphSchema, decision: Decision) -> "ProductFusion":
        """Return the network for a schema."""
        return ProductFusion(self, schema)


class ProductFusion(FusionModule):
    """Mean per node type -> projection to one space -> products of pairs -> perceptron; edges are not looked at."""

    def __init__(self, model: ProductModel, schema: GraphSchema) -> None:
        super().__init__()
        channels = self.out_channels = model.hidden_channels
        self.inputs = PooledInputs(schema, channels, model.input_dropout)
        self.pairs = tuple(combinations(self.inputs.node_types, 2))
        self.kept = self.inputs.node_types if model.keep_vectors or not self.pairs else ()
        self.perceptron = perceptron(channels * (len(self.kept) + len(self.pairs)), channels, model.dropout)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. Mean of what is there, or the learned token, in the space that all share.  [batch_size, hidden_channels] each
        vectors, _ = self.inputs(batch, node_weight_dict)
        # 2. The products of all pairs.  [batch_size, hidden_channels] each
        features = [vectors[name] for name in self.kept] + [vectors[first] * vectors[second] for first, second in self.pairs]
        # 3. Fuse.  [batch_size, hidden_channels]
        return FusionOutput(embedding=self.perceptron(torch.cat(features, dim=-1)), views=vectors)
