"""Outer product of the vectors of all modalities, each with a constant 1: every product of features, of any order.

Zadeh et al., Tensor Fusion Network for Multimodal Sentiment Analysis, EMNLP 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import GraphSchema
from graphfuse.models._pooled_vectors import PooledVectorsModel
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.perceptron import perceptron
from graphfuse.nn.pooling import PooledInputs


@dataclass(frozen=True, kw_only=True)
class TensorFusionModel(PooledVectorsModel):
    """Products of the features of all modalities, as wide as there is room for; an absent modality is a learned token."""

    max_products: Annotated[int, Ge(4)] = 4096
    """Most entries of the outer product; all modalities get the largest width (at most `hidden_channels`) that stays within."""

    def width(self, num_modalities: int) -> int:
        """Return the largest width of a vector with (width + 1) ** num_modalities <= max_products.

        Raises:
            ConfigError: If not even a width of 1 does.
        """
        fitting = [width for width in range(1, self.hidden_channels + 1) if (width + 1) ** num_modalities <= self.max_products]
        if not fitting:
            raise ConfigError(
                f"model.max_products: an outer product of {num_modalities} modalities has at least {2**num_modalities} entries "
                f"(got {self.max_products}). Raise it, or choose low_rank_fusion."
            )
        return fitting[-1]

    def module(self, schema: GraphSchema, decision: Decision) -> "TensorFusion":
        """Return the network for a schema."""
        return TensorFusion(self, schema)


class TensorFusion(FusionModule):
    """Mean per node type -> projection -> narrow vector -> outer product -> perceptron; edges are not looked at."""

    def __init__(self, model: TensorFusionModel, schema: GraphSchema) -> None:
        super().__init__()
        channels = self.out_channels = model.hidden_channels
        self.inputs = PooledInputs(schema, channels, model.input_dropout)
        names = self.inputs.node_types
        width = model.width(len(names))
        self.narrow = nn.ModuleDict({name: nn.Linear(channels, width) for name in names})
        self.perceptron = perceptron((width + 1) ** len(names), channels, model.dropout)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. Mean of what is there, or the learned token where nothing is there.  [batch_size, hidden_channels] each
        vectors, _ = self.inputs(batch, node_weight_dict)
        # 2. Every product of their features.  [batch_size, (width + 1) ** num_modalities]
        products = outer_product([self.narrow[name](vector) for name, vector in vectors.items()])
        # 3. Fuse.  [batch_size, hidden_channels]
        return FusionOutput(embedding=self.perceptron(products))


def outer_product(vectors: Sequence[Tensor]) -> Tensor:
    """Multiply every feature, or 1, of each vector with those of all others.

    Args:
        vectors: One per modality, [batch_size, width of the modality].

    Returns:
        All products, the last modality running fastest and 1 before each modality's features,
        [batch_size, product of all (width + 1)].
    """
    products = vectors[0].new_ones(vectors[0].size(0), 1)
    for vector in vectors:
        factors = nn.functional.pad(vector, (1, 0), value=1.0)
        products = (products.unsqueeze(-1) * factors.unsqueeze(1)).flatten(1)
    return products
