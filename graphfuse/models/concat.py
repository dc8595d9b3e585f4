"""Early fusion without a graph: mean per modality, concatenate, multilayer perceptron."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Lt
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.core.sockets import FusionModel
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.perceptron import perceptron
from graphfuse.nn.pooling import PooledInputs


@dataclass(frozen=True, kw_only=True)
class ConcatModel(FusionModel):
    """Concatenated means of all modalities; an absent one is a learned token."""

    stage: ClassVar[Literal["early"]] = "early"

    hidden_channels: Annotated[int, Ge(1)] = 64
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of hidden values dropped in training."""
    input_dropout: Annotated[float, Ge(0), Lt(1)] = 0.3
    """Share of feature values dropped in training; it keeps the network from learning samples by heart."""

    def module(self, schema: GraphSchema, decision: Decision) -> "ConcatFusion":
        """Return the network for a schema."""
        return ConcatFusion(self, schema)


class ConcatFusion(FusionModule):
    """Mean per node type -> projection -> concatenation -> perceptron; edges are not looked at."""

    def __init__(self, model: ConcatModel, schema: GraphSchema) -> None:
        super().__init__()
        channels = self.out_channels = model.hidden_channels
        self.inputs = PooledInputs(schema, channels, model.input_dropout)
        self.perceptron = perceptron(channels * len(self.inputs.node_types), channels, model.dropout)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. Mean of what is there, or the learned token where nothing is there.  [batch_size, channels] each
        vectors, _ = self.inputs(batch, node_weight_dict)
        # 2. Concatenate and fuse.  [batch_size, hidden_channels]
        return FusionOutput(embedding=self.perceptron(torch.cat(list(vectors.values()), dim=-1)))
