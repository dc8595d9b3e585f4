"""Fusion models of two published packages behind graphfuse's socket, to hold our own against them on the same features.

The packages are not part of the environment; `README.md` says how to install them beside it. Both see of text and
pictures what our methods without a graph see, one mean vector per sample and modality, an absent one all zeros; the sample's own columns
(the films' year) are beyond their two modalities.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from fusilli.fusionmodels.tabularfusion.concat_data import ConcatTabularData
from fusilli.fusionmodels.tabularfusion.crossmodal_att import TabularCrossmodalMultiheadAttention
from fusilli.fusionmodels.tabularfusion.decision import TabularDecision
from torch import nn
from torch_geometric.data import Batch
from torchmultimodal.modules.fusions.attention_fusion import AttentionFusionModule

from graphfuse.core.schema import GraphSchema
from graphfuse.core.sockets import FusionModel
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.pooling import pool

TYPES = ("text_span", "image_region")


class Fusilli(FusionModule):
    """A network of fusilli 2 for two tables: (first, second) -> logits."""

    decides = True

    def __init__(self, kind: type[nn.Module], schema: GraphSchema, decision: Decision) -> None:
        super().__init__()
        first, second = (schema.channels_by_node_type[name] for name in TYPES)
        dims = {"mod1_dim": first, "mod2_dim": second, "mod3_dim": None, "img_dim": None}
        self.network = kind("multiclass", dims, decision.num_logits)
        self.out_channels = decision.num_logits

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Give the network the mean of each modality."""
        text, image = (part.mean for part in pool(batch, TYPES, node_weight_dict).values())
        logits = self.network(text, image)
        return FusionOutput(embedding=logits, logits=logits)


class Attended(FusionModule):
    """TorchMultimodal's attention fusion: a softmax weight per modality over vectors of one width."""

    def __init__(self, schema: GraphSchema, channels: int) -> None:
        super().__init__()
        self.project = nn.ModuleDict({name: nn.Linear(schema.channels_by_node_type[name], channels) for name in TYPES})
        self.fuse = AttentionFusionModule(dict.fromkeys(TYPES, channels), channels)
        self.out_channels = channels

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Project the means and let the module weigh them."""
        vectors = {name: self.project[name](part.mean) for name, part in pool(batch, TYPES, node_weight_dict).items()}
        return FusionOutput(embedding=torch.relu(self.fuse(vectors)))


@dataclass(frozen=True, kw_only=True)
class FusilliConcat(FusionModel):
    """fusilli's concatenation of tabular data; ours is `concat`."""

    stage: ClassVar[Literal["early"]] = "early"

    def module(self, schema: GraphSchema, decision: Decision) -> Fusilli:
        """Return the network."""
        return Fusilli(ConcatTabularData, schema, decision)


@dataclass(frozen=True, kw_only=True)
class FusilliDecision(FusionModel):
    """fusilli's average of decisions; ours is `average`."""

    stage: ClassVar[Literal["late"]] = "late"

    def module(self, schema: GraphSchema, decision: Decision) -> Fusilli:
        """Return the network."""
        return Fusilli(TabularDecision, schema, decision)


@dataclass(frozen=True, kw_only=True)
class FusilliCrossAttention(FusionModel):
    """fusilli's attention between two pooled vectors; ours, `cross_attention`, attends between units."""

    stage: ClassVar[Literal["intermediate"]] = "intermediate"

    def module(self, schema: GraphSchema, decision: Decision) -> Fusilli:
        """Return the network."""
        return Fusilli(TabularCrossmodalMultiheadAttention, schema, decision)


@dataclass(frozen=True, kw_only=True)
class TorchMultimodalAttention(FusionModel):
    """TorchMultimodal's attention over modalities; ours is `gated_unit`."""

    stage: ClassVar[Literal["intermediate"]] = "intermediate"
    hidden_channels: int = 32

    def module(self, schema: GraphSchema, decision: Decision) -> Attended:
        """Return the network."""
        return Attended(schema, self.hidden_channels)
