"""One learned weight per feature, so that telling features count more, then concatenation."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.models._early import EarlyModel, StandardInputs, presence_channels
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights, Rows


@dataclass(frozen=True, kw_only=True)
class FeatureWeightingModel(EarlyModel):
    """Standardised features, each times its weight; all weights start at 1.

    The squeezed gate looks at all modalities of the sample: "Squeeze-and-Excitation Networks" (Hu et al., CVPR 2018), across modalities as
    in "MMTM: Multimodal Transfer Module for CNN Fusion" (Joze et al., CVPR 2020).
    """

    gate: Literal["sigmoid", "softmax", "squeeze"] = "sigmoid"
    """sigmoid: a weight per feature, each for itself; softmax: features of all modalities share a fixed sum of weights; squeeze: weights
    depend on the sample."""
    squeeze_channels: Annotated[int, Ge(1)] = 16
    """Width of the bottleneck of the squeezed gate."""

    def module(self, schema: GraphSchema, decision: Decision) -> "FeatureWeightingFusion":
        """Return the network for a schema."""
        return FeatureWeightingFusion(self, schema)


class FeatureWeightingFusion(FusionModule):
    """Mean per node type -> times a weight per feature -> side by side -> perceptron; edges are not looked at."""

    def __init__(self, model: FeatureWeightingModel, schema: GraphSchema) -> None:
        super().__init__()
        self.inputs = StandardInputs(schema)
        channels, types = sum(self.inputs.channels.values()), len(self.inputs.node_types)
        self.gate: nn.Module
        if model.gate == "squeeze":
            self.gate = SqueezeGate(channels, types, model.squeeze_channels)
        else:
            self.gate = FeatureGate(channels, shared=model.gate == "softmax")
        self.perceptron = model.perceptron(channels + types)
        self.out_channels = model.perceptron_channels(channels + types)

    def fit_train(self, rows: Rows) -> None:
        """Learn means and deviations, without which weights of features could not be compared."""
        self.inputs.fit(rows)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. Standardised means side by side, 0 where there is nothing.  [batch_size, all channels]
        pooled = self.inputs(batch, node_weight_dict)
        x, has = torch.cat([part.mean for part in pooled.values()], dim=1), presence_channels(pooled)
        # 2. Weigh every feature.  [batch_size or 1, all channels]
        weighed = x * self.gate(x, has)
        # 3. Read them, and which modalities are there.  [batch_size, out_channels]
        return FusionOutput(embedding=self.perceptron(torch.cat([weighed, has], dim=1)))


class FeatureGate(nn.Module):
    """A weight per feature, the same for all samples: in [0, 2] each, or above 0 with a mean of 1."""

    def __init__(self, channels: int, *, shared: bool) -> None:
        super().__init__()
        self.shared = shared
        self.score = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, has: Tensor) -> Tensor:
        """Return the weights.  [1, channels]."""
        weight = self.score.softmax(dim=0) * self.score.numel() if self.shared else 2 * self.score.sigmoid()
        return weight.unsqueeze(0)


class SqueezeGate(nn.Module):
    """A weight in [0, 2] per feature and sample, from a narrow summary of all its features."""

    def __init__(self, channels: int, num_types: int, squeeze_channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels + num_types, squeeze_channels)
        self.excite = nn.Linear(squeeze_channels, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def forward(self, x: Tensor, has: Tensor) -> Tensor:
        """Return the weights.  [batch_size, channels]."""
        return 2 * self.excite(self.squeeze(torch.cat([x, has], dim=1)).relu()).sigmoid()
