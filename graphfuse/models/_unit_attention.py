"""What the models that attend between units, without a graph, share: project, attend, read out."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.core.sockets import FusionModel
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.inputs import input_projections
from graphfuse.nn.pooling import informative_types
from graphfuse.nn.readout import AttentionReadout, MeanReadout
from graphfuse.nn.units import UnitBlocks

Blocks = Mapping[str, Tensor]
"""Per node type a block, [batch_size, most, ...]."""


@dataclass(frozen=True, kw_only=True)
class UnitAttentionModel(FusionModel):
    """Settings of every model that attends between units; each adds its layer."""

    stage: ClassVar[Literal["intermediate"]] = "intermediate"

    hidden_channels: Annotated[int, Ge(1)] = 64
    """Width of every unit inside."""
    num_layers: Annotated[int, Ge(1)] = 2
    """Rounds of attention."""
    heads: Annotated[int, Ge(1)] = 4
    """Attention heads; must divide `hidden_channels`."""
    readout: Literal["attention", "mean"] = "attention"
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of hidden values dropped in training."""
    input_dropout: Annotated[float, Ge(0), Lt(1)] = 0.3
    """Share of feature values dropped in training; it keeps the network from learning samples by heart."""

    def __post_init__(self) -> None:
        """Check that the heads share the channels evenly."""
        if self.hidden_channels % self.heads:
            raise ValueError(f"heads must divide hidden_channels (got {self.heads} heads for {self.hidden_channels} channels)")

    @abstractmethod
    def layer(self, node_types: Sequence[str]) -> nn.Module:
        """Return one layer: (blocks of units, blocks of weights) -> blocks of units."""

    def module(self, schema: GraphSchema, decision: Decision) -> "UnitAttentionFusion":
        """Return the network for a schema."""
        return UnitAttentionFusion(self, schema)


class UnitAttentionFusion(FusionModule):
    """Every unit looks at units of other modalities, then a readout; edges are not looked at.

    Units have no position: a unit that is removed must leave the others as if it had never been there.
    """

    def __init__(self, model: UnitAttentionModel, schema: GraphSchema) -> None:
        super().__init__()
        channels = self.out_channels = model.hidden_channels
        self.node_types = informative_types(schema)
        widths = {name: schema.channels_by_node_type[name] for name in self.node_types}
        self.project = input_projections(widths, channels, model.input_dropout)
        self.layers = nn.ModuleList(model.layer(self.node_types) for _ in range(model.num_layers))
        self.readout = AttentionReadout(channels) if model.readout == "attention" else MeanReadout(channels, self.node_types)
        self.out = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), Dropout(model.dropout))

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        given = node_weight_dict or {}
        # 1. Project every type to one width, and lay the units of a sample side by side.  [batch_size, most, hidden_channels]
        blocks = {name: UnitBlocks(batch[name].batch, batch.num_graphs) for name in self.node_types}
        x_dict = {name: block.pad(self.project[name](batch[name].x)) for name, block in blocks.items()}
        weights = {name: block.weights(given.get(name), x_dict[name]) for name, block in blocks.items()}
        # 2. Attend; an absent modality has no weight anywhere.
        for layer in self.layers:
            x_dict = layer(x_dict, weights)
        # 3. Read out one vector per sample.  [batch_size, hidden_channels]
        units = {name: block.unpad(x_dict[name]) for name, block in blocks.items()}
        return FusionOutput(embedding=self.out(self.readout(units, batch, given)))


class FeedForward(nn.Module):
    """What follows attention: add, normalise, a perceptron over each unit, add, normalise (Vaswani et al., NeurIPS 2017)."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.found_norm = nn.LayerNorm(channels)
        self.perceptron = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.ReLU(), Dropout(dropout), nn.Linear(2 * channels, channels), Dropout(dropout)
        )
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, found: Tensor) -> Tensor:
        """Take in what was found: [..., channels] both -> [..., channels]."""
        x = self.found_norm(x + self.dropout(found))
        out: Tensor = self.norm(x + self.perceptron(x))
        return out
