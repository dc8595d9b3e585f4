"""What methods share that fuse features before any network looks at them: standardised means, and a perceptron on top."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import GraphSchema
from graphfuse.core.sockets import FusionModel
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.fitted import FittedModule
from graphfuse.nn.fusion import NodeWeights, Rows
from graphfuse.nn.perceptron import hidden_layers
from graphfuse.nn.pooling import Pooled, informative_types, pool, pooled_rows

NARROWEST = 1e-6
"""Deviations below this share of a feature's size are of constant features, which are not scaled."""
FARTHEST = 10.0
"""Most deviations from the mean: what train rows hardly ever had (a rare word) would outweigh everything else where it comes up."""


@dataclass(frozen=True, kw_only=True)
class EarlyModel(FusionModel):
    """Settings of the perceptron that reads the fused features."""

    stage: ClassVar[Literal["early"]] = "early"

    hidden_channels: Annotated[int, Ge(1)] = 64
    num_layers: Annotated[int, Ge(0)] = 2
    """Hidden layers of the perceptron that reads the fused features; 0 leaves them to the task's linear head."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of hidden values dropped in training."""
    input_dropout: Annotated[float, Ge(0), Lt(1)] = 0.3
    """Share of fused features dropped in training; it keeps the network from learning samples by heart."""

    def perceptron(self, channels: int) -> nn.Sequential:
        """Return a network [n, channels] -> [n, `perceptron_channels(channels)`]."""
        return nn.Sequential(Dropout(self.input_dropout), *hidden_layers(channels, self.hidden_channels, self.num_layers, self.dropout))

    def perceptron_channels(self, channels: int) -> int:
        """Return the width that `perceptron(channels)` gives."""
        return self.hidden_channels if self.num_layers else channels


class StandardInputs(FittedModule):
    """Mean per node type, every feature of mean 0 and deviation 1 over the train rows that have the type.

    An absent type is the train mean (0); whoever uses this adds `presence_channels`, so that absence is told from an average picture.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, schema: GraphSchema) -> None:
        super().__init__()
        self.node_types = informative_types(schema)
        self.channels = {name: schema.channels_by_node_type[name] for name in self.node_types}
        self.register_buffer("mean", torch.zeros(sum(self.channels.values())))
        self.register_buffer("scale", torch.ones(sum(self.channels.values())))

    def fit(self, rows: Rows) -> tuple[dict[str, Pooled], Tensor]:
        """Learn means and deviations, and return the train rows standardised, with their targets `y`."""
        pooled, y = pooled_rows(rows, self.node_types)
        parts = [_moments(pooled[name]) for name in self.node_types]
        self.set_fitted(mean=torch.cat([mean for mean, _ in parts]), scale=torch.cat([scale for _, scale in parts]))
        return self._standardised(pooled), y

    def forward(self, batch: Batch, node_weight_dict: NodeWeights | None = None) -> dict[str, Pooled]:
        """Return per node type its standardised mean, 0 where it is absent; a unit of weight w counts as w of a unit."""
        return self._standardised(pool(batch, self.node_types, node_weight_dict))

    def _standardised(self, pooled: dict[str, Pooled]) -> dict[str, Pooled]:
        sizes = list(self.channels.values())
        parts = zip(self.node_types, torch.split(self.mean, sizes), torch.split(self.scale, sizes), strict=True)
        return {name: _standard(pooled[name], mean, scale) for name, mean, scale in parts}


def presence_channels(pooled: dict[str, Pooled]) -> Tensor:
    """Return which types each sample has, one channel per type; a linear layer on it is a learned token per absent type.

    [batch_size, num_types]
    """
    return torch.cat([part.has for part in pooled.values()], dim=1)


def reconstruction_error(made: dict[str, Tensor], pooled: dict[str, Pooled]) -> Tensor:
    """Return the mean squared error over samples and the node types they have, all of which weigh alike; 0 if they have none.  []."""
    errors = torch.cat([(made[name] - part.mean).square().mean(dim=1, keepdim=True) for name, part in pooled.items()], dim=1)
    has = presence_channels(pooled)
    return (errors * has).sum() / has.sum().clamp(min=1)


class FittedMap(FittedModule):
    """A linear map learned from rows; columns that could not be learned are 0.

    Args:
        channels: Width of what comes in.
        components: Width of what goes out.
    """

    mean: Tensor
    weight: Tensor

    def __init__(self, channels: int, components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("weight", torch.zeros(channels, components))

    def fit(self, mean: Tensor, weight: Tensor) -> None:
        """Set mean [channels] and map [channels, at most `components`]."""
        filled = weight.new_zeros(self.weight.shape)
        filled[:, : weight.size(1)] = weight
        self.set_fitted(mean=mean, weight=filled)

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, components]."""
        return (x - self.mean) @ self.weight


def need_types(schema: GraphSchema, model: str, least: int) -> tuple[str, ...]:
    """Return the informative node types.

    Raises:
        ConfigError: If there are fewer than the model needs.
    """
    found = informative_types(schema)
    if len(found) < least:
        raise ConfigError(
            f"model.name: {model} needs at least {least} node types with features (got {', '.join(found)}). "
            "Add a modality and convert again, or choose concat or pca."
        )
    return found


def _moments(part: Pooled) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each feature over the rows that have the type."""
    has, x = part.has.double(), part.mean.double()
    rows = has.sum().clamp(min=1)
    mean = (has * x).sum(dim=0) / rows
    deviation = (has * (x - mean).square()).sum(dim=0).div(rows).sqrt()
    return mean, torch.where(deviation > NARROWEST * (1 + mean.abs()), deviation, 1.0)


def _standard(part: Pooled, mean: Tensor, scale: Tensor) -> Pooled:
    x = ((part.mean - mean) / scale).clamp(-FARTHEST, FARTHEST)
    return Pooled(mean=part.has * x, has=part.has)
