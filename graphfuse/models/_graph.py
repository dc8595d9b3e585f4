"""What all graph models share: project, pass messages, read out."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, cast

from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import EdgeType, GraphSchema
from graphfuse.core.sockets import FusionModel
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.inputs import input_projections
from graphfuse.nn.plan import EdgePlan
from graphfuse.nn.readout import AttentionReadout, MeanReadout, SampleReadout
from graphfuse.nn.residual import residual
from graphfuse.nn.scores import mean_scores
from graphfuse.nn.typed import TypedTable
from graphfuse.nn.weights import effective_edge_weights

Readout = Literal["attention", "mean", "sample"]


@dataclass(frozen=True, kw_only=True)
class GraphModel(FusionModel):
    """Settings of every graph model; each adds its layer."""

    stage: ClassVar[Literal["graph"]] = "graph"

    hidden_channels: Annotated[int, Ge(1)] = 64
    """Width of every node type inside."""
    num_layers: Annotated[int, Ge(0)] = 2
    """Rounds of message passing."""
    readout: Readout = "attention"
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of hidden values dropped in training."""
    input_dropout: Annotated[float, Ge(0), Lt(1)] = 0.3
    """Share of feature values dropped in training; it keeps the network from learning samples by heart."""

    def __post_init__(self) -> None:
        """Check that the heads, where there are any, share the channels evenly."""
        heads = getattr(self, "heads", 1)
        if self.hidden_channels % heads:
            raise ValueError(f"heads must divide hidden_channels (got {heads} heads for {self.hidden_channels} channels)")

    @abstractmethod
    def layer(self, schema: GraphSchema) -> nn.Module:
        """Return one layer: (x_dict, edge_index_dict, edge_weight_dict, return_edge_scores=True) -> (x_dict, scores by edge type)."""

    def module(self, schema: GraphSchema, decision: Decision) -> "GraphFusion":
        """Return the network for a schema.

        Raises:
            ConfigError: If there is no edge type to pass messages along.
        """
        return GraphFusion(self, schema)


class GraphFusion(FusionModule):
    """Typed message passing between all modalities, then a readout."""

    def __init__(self, model: GraphModel, schema: GraphSchema) -> None:
        super().__init__()
        if model.num_layers and not schema.edge_types:
            raise ConfigError("model.name: a graph model passes messages along edges (got none). Add edges, or choose concat.")
        channels = self.out_channels = model.hidden_channels
        self.node_types = schema.node_types
        self.project = input_projections(schema.channels_by_node_type, channels, model.input_dropout)
        self.layers = nn.ModuleList(model.layer(schema) for _ in range(model.num_layers))
        self.norms = nn.ModuleList(
            nn.ModuleDict({name: nn.LayerNorm(channels) for name in self.node_types}) for _ in range(model.num_layers)
        )
        self.readout = make_readout(model.readout, channels, schema)
        self.dropout = Dropout(model.dropout)
        self.out = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), Dropout(model.dropout))

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. Project every type to one width.  [num_nodes, hidden_channels]
        x_dict = {name: self.project[name](batch[name].x) for name in self.node_types}
        # 2. Pass messages.
        weights = effective_edge_weights(batch, edge_weight_dict, node_weight_dict)
        edges = {edge_type: batch[edge_type].edge_index for edge_type in batch.edge_types}
        passed = self.pass_messages(x_dict, EdgePlan.of(batch.edge_types, x_dict, edges), weights)
        # 3. Read out one vector per sample.  [batch_size, hidden_channels]
        embedding = self.out(self.readout(passed.x_dict, batch, node_weight_dict))
        return FusionOutput(embedding=embedding, edge_scores=passed.edge_scores, penalties=passed.penalties)

    def pass_messages(
        self, x_dict: dict[str, Tensor], edge_index_dict: Mapping[EdgeType, Tensor], weights: Mapping[EdgeType, Tensor]
    ) -> "Passed":
        """Run all layers."""
        x = TypedTable.of(x_dict)
        scores: list[Mapping[EdgeType, Tensor]] = []
        for layer, norm in zip(self.layers, cast("Iterable[nn.ModuleDict]", self.norms), strict=True):
            received, score = layer(x, edge_index_dict, weights, return_edge_scores=True)
            changing = [name for name in x if name in received]  # not all do where some receive nothing
            after = residual(TypedTable.of(x, changing), TypedTable.of(received, changing), norm, self.dropout)
            x = after if len(after) == len(x) else TypedTable.of({**x, **after})
            scores.append(score)
        return Passed(x_dict=x, edge_scores=mean_scores(scores))


@dataclass(frozen=True, kw_only=True)
class Passed:
    """What passing messages gives."""

    x_dict: Mapping[str, Tensor]
    """[num_nodes, hidden_channels] per node type"""
    edge_scores: Mapping[EdgeType, Tensor]
    """[num_edges] per edge type"""
    penalties: Mapping[str, Tensor] = field(default_factory=dict)
    """Further terms of the loss."""


def make_readout(name: Readout, channels: int, schema: GraphSchema) -> nn.Module:
    """Return the readout of a name."""
    if name == "attention":
        return AttentionReadout(channels)
    if name == "mean":
        return MeanReadout(channels, schema.node_types)
    if "sample" not in schema.node_types:
        raise ConfigError(
            "model.readout: 'sample' needs the node type 'sample'. Add {name: sample} to modalities, or choose attention or mean."
        )
    return SampleReadout()
