"""A tower per modality, whose inner products are the decision: alignment instead of mixing."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.models._pooled_vectors import PooledVectorsModel
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.pooling import PooledInputs


@dataclass(frozen=True, kw_only=True)
class TwoTowerModel(PooledVectorsModel):
    """Every logit is a scaled cosine between what two towers make of their modalities, summed over pairs of modalities.

    After "Learning Deep Structured Semantic Models for Web Search using Clickthrough Data" (Huang et al., CIKM 2013) and "Learning
    Transferable Visual Models From Natural Language Supervision" (Radford et al., ICML 2021, arXiv:2103.00020). The towers' vectors lie in
    one space (`views`), where `train.contrast` aligns them and the analysis `retrieval` searches. An absent modality is a learned token.
    """

    logit_channels: Annotated[int, Ge(1)] = 32
    """Width of the two vectors whose cosine is a logit."""

    def module(self, schema: GraphSchema, decision: Decision) -> "TwoTowerFusion":
        """Return the network for a schema."""
        return TwoTowerFusion(self, schema, decision)


class TwoTowerFusion(FusionModule):
    """Mean per node type -> tower -> one vector per logit -> inner products; edges are not looked at."""

    decides = True

    def __init__(self, model: TwoTowerModel, schema: GraphSchema, decision: Decision) -> None:
        super().__init__()
        channels, self.num_logits = model.hidden_channels, decision.num_logits
        wide = model.logit_channels * decision.num_logits
        self.out_channels = wide
        self.inputs = PooledInputs(schema, channels, model.input_dropout)
        names = self.inputs.node_types
        self.towers = nn.ModuleDict({name: _tower(channels, model.dropout) for name in names})
        self.sides = nn.ModuleDict({name: nn.Linear(channels, wide) for name in names})
        # a modality alone is held against a constant, as in a linear layer
        self.constant = nn.Parameter(torch.randn(wide)) if len(names) == 1 else None
        self.scale = nn.Parameter(torch.full((decision.num_logits,), 4.0))
        self.bias = nn.Parameter(torch.zeros(decision.num_logits))

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch and decide."""
        # 1. Mean of what is there, or the learned token, through its tower.  [batch_size, hidden_channels] each
        vectors, _ = self.inputs(batch, node_weight_dict)
        views = {name: normalize(self.towers[name](vector), dim=-1) for name, vector in vectors.items()}
        # 2. Products of both sides, channel by channel, over all pairs.  [batch_size, num_logits, logit_channels]
        products = self._products({name: self.sides[name](view) for name, view in views.items()})
        # 3. Their sum is the inner product; embeddings keep its terms, so that they hold all that the decision does.
        logits = self.scale * products.sum(dim=-1) + self.bias
        return FusionOutput(embedding=products.flatten(1), logits=logits, views=views)

    def _products(self, sides: Mapping[str, Tensor]) -> Tensor:
        """Return the terms of every logit's cosines, summed over the pairs of modalities."""
        units = [normalize(side.view(len(side), self.num_logits, -1), dim=-1) for side in sides.values()]
        if self.constant is not None:
            units.append(normalize(self.constant.view(1, self.num_logits, -1), dim=-1))
        return torch.stack([one * other for one, other in combinations(units, 2)]).sum(dim=0)


def _tower(channels: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), Dropout(dropout), nn.Linear(channels, channels))
