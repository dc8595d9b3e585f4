"""What models on canonical variates share: fitted maps of some node types into one space, read by a perceptron."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.models._early import EarlyModel, FittedMap, StandardInputs, presence_channels
from graphfuse.nn.correlation import CanonicalMaps
from graphfuse.nn.fusion import EdgeWeights, FusionModule, FusionOutput, NodeWeights, Rows


@dataclass(frozen=True, kw_only=True)
class CanonicalModel(EarlyModel):
    """Settings of models on canonical variates."""

    num_components: Annotated[int, Ge(1)] = 16
    """Most components per modality; the narrowest modality bounds them."""
    shrinkage: Annotated[float, Ge(0), Le(1)] = 0.1
    """How far covariances are drawn towards the identity: 0 is plain correlation, 1 is covariance (partial least squares)."""

    @abstractmethod
    def fit(self, views: Sequence[Tensor], has: Tensor, y: Tensor, num_components: int) -> CanonicalMaps:
        """Return the maps of the views.

        Args:
            views: Standardised means of train rows.  [num_rows, channels] each
            has: Which rows have which view.  [num_rows, num_views]
            y: Targets.  [num_rows, ...]
            num_components: Most components.
        """


class CanonicalFusion(FusionModule):
    """Mean per node type -> canonical variates, the other types as they are -> side by side -> perceptron.

    Args:
        model: The settings, and how to fit.
        schema: Node types with their channels.
        mapped: The node types that are mapped into one space.
    """

    def __init__(self, model: CanonicalModel, schema: GraphSchema, mapped: Sequence[str]) -> None:
        super().__init__()
        self.inputs = StandardInputs(schema)
        channels = self.inputs.channels
        self.num_components = min(model.num_components, *(channels[name] for name in mapped))
        self.maps = nn.ModuleDict({name: FittedMap(channels[name], self.num_components) for name in mapped})
        fused = sum(self.num_components if name in self.maps else width for name, width in channels.items()) + len(channels)
        self.perceptron = model.perceptron(fused)
        self.out_channels = model.perceptron_channels(fused)
        self._fit = model.fit

    def fit_train(self, rows: Rows) -> None:
        """Learn means, deviations and maps."""
        pooled, y = self.inputs.fit(rows)
        views = [pooled[name].mean for name in self.maps]
        has = torch.cat([pooled[name].has for name in self.maps], dim=1)
        fitted = self._fit(views, has, y, self.num_components)
        for name, mean, weight in zip(self.maps, fitted.means, fitted.maps, strict=True):
            cast("FittedMap", self.maps[name]).fit(mean, weight)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. Standardised means.  [batch_size, channels of the type] each
        pooled = self.inputs(batch, node_weight_dict)
        # 2. Canonical variates, 0 where there is nothing.  [batch_size, num_components] each
        views = {name: pooled[name].has * mapping(pooled[name].mean) for name, mapping in self.maps.items()}
        # 3. Side by side with the types that are not mapped, and with which types are there.
        parts = [views.get(name, part.mean) for name, part in pooled.items()]
        fused = torch.cat([*parts, presence_channels(pooled)], dim=1)
        # 4. Read them.  [batch_size, out_channels]
        return FusionOutput(embedding=self.perceptron(fused), views=views)
