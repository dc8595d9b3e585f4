"""Principal components of all modalities side by side, read by a small perceptron."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from sklearn.decomposition import PCA
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.models._early import EarlyModel, FittedMap, StandardInputs, presence_channels
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights, Rows
from graphfuse.nn.pooling import Pooled


@dataclass(frozen=True, kw_only=True)
class PcaModel(EarlyModel):
    """Principal component analysis of the standardised means, fitted on train rows.

    "Analysis of a complex of statistical variables into principal components" (Hotelling, Journal of Educational Psychology 1933);
    an absent modality is the train mean, and a channel says so.
    """

    num_components: Annotated[int, Ge(1)] = 32
    """Most components; the features of all modalities bound them."""

    def module(self, schema: GraphSchema, decision: Decision) -> "PcaFusion":
        """Return the network for a schema."""
        return PcaFusion(self, schema)


class PcaFusion(FusionModule):
    """Mean per node type -> side by side -> components of variance 1 -> perceptron; edges are not looked at."""

    def __init__(self, model: PcaModel, schema: GraphSchema) -> None:
        super().__init__()
        self.inputs = StandardInputs(schema)
        channels = sum(self.inputs.channels.values())
        components = min(model.num_components, channels)
        self.components = FittedMap(channels, components)
        fused = components + len(self.inputs.node_types)
        self.perceptron = model.perceptron(fused)
        self.out_channels = model.perceptron_channels(fused)

    def fit_train(self, rows: Rows) -> None:
        """Learn means, deviations and components."""
        pooled, _ = self.inputs.fit(rows)
        x = _side_by_side(pooled).double().numpy()
        if not x.any():  # a single row, or rows that are all alike
            return
        count = min(self.components.weight.size(1), *x.shape)
        # both solvers are exact; the one on the covariance is the faster where rows outnumber features
        fitted = PCA(count, svd_solver="covariance_eigh" if x.shape[0] > x.shape[1] else "full").fit(x)
        # components of no variance have nothing to be scaled to
        scale = fitted.explained_variance_**0.5
        kept = scale > scale[0] * 1e-6
        self.components.fit(torch.from_numpy(fitted.mean_), torch.from_numpy(fitted.components_[kept].T / scale[kept]))

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. Standardised means, the train mean where there is nothing, side by side.  [batch_size, all channels]
        pooled = self.inputs(batch, node_weight_dict)
        # 2. Components, and which modalities are there.  [batch_size, components + num_types]
        fused = torch.cat([self.components(_side_by_side(pooled)), presence_channels(pooled)], dim=1)
        # 3. Read them.  [batch_size, out_channels]
        return FusionOutput(embedding=self.perceptron(fused))


def _side_by_side(pooled: dict[str, Pooled]) -> Tensor:
    return torch.cat([part.mean for part in pooled.values()], dim=1)
