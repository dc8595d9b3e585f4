"""What all late methods share: one expert network per modality, and a decision made of the experts' decisions."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.core.sockets import FusionModel
from graphfuse.models._decisions import mix, prior_logits, shares
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights, Rows
from graphfuse.nn.inputs import input_projections
from graphfuse.nn.losses import labelled
from graphfuse.nn.perceptron import perceptron
from graphfuse.nn.pooling import informative_types, pool


@dataclass(frozen=True, kw_only=True)
class LateModel(FusionModel):
    """Settings of every late method: those of its experts."""

    stage: ClassVar[Literal["late"]] = "late"

    hidden_channels: Annotated[int, Ge(1)] = 64
    """Width of each expert inside."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of hidden values dropped in training."""
    input_dropout: Annotated[float, Ge(0), Lt(1)] = 0.3
    """Share of feature values dropped in training; it keeps the network from learning samples by heart."""


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What the experts decided for the samples of a batch."""

    logits: Tensor
    """The prior where the expert's modality is absent.  [batch_size, num_experts, num_logits]"""
    has: Tensor
    """1 where the expert's modality is there, 0 where not; between them where node weights are.  [batch_size, num_experts]"""
    hidden: Tensor
    """What each expert decided from.  [batch_size, num_experts, hidden_channels]"""

    def detached(self) -> "Decisions":
        """Return the same decisions as facts, through which no gradient reaches the experts."""
        return Decisions(logits=self.logits.detach(), has=self.has.detach(), hidden=self.hidden.detach())


class LateFusion(FusionModule):
    """One expert per modality, each trained by the task's loss alone; how they become one decision is up to the method.

    An expert whose modality a sample lacks takes no part in it; a sample without any modality gets the prior of the train
    rows. The embedding is what the experts decide, side by side. Without more, decisions are averaged.
    """

    decides = True

    prior: Tensor

    def __init__(self, model: LateModel, schema: GraphSchema, decision: Decision) -> None:
        super().__init__()
        self.target = decision.target
        self.kind = decision.target.kind
        self.node_types = informative_types(schema)
        self.num_logits, channels = decision.num_logits, model.hidden_channels
        self.out_channels = decision.num_logits * len(self.node_types)
        widths = {name: schema.channels_by_node_type[name] for name in self.node_types}
        self.project = input_projections(widths, channels, model.input_dropout)
        self.perceptron = nn.ModuleDict({name: perceptron(channels, channels, model.dropout) for name in self.node_types})
        self.decide = nn.ModuleDict({name: nn.Linear(channels, decision.num_logits) for name in self.node_types})
        self.register_buffer("prior", prior_logits(decision.target, decision.num_logits))

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch; edges are not looked at."""
        # 1. Every expert decides.  [batch_size, num_experts, num_logits]
        decisions = self.experts_decide(batch, node_weight_dict)
        experts = dict(zip(self.node_types, decisions.logits.unbind(dim=1), strict=True))
        # 2. Their decisions become one; in training each expert learns as if it were alone.  [batch_size, num_logits]
        if self.training:
            decisions = decisions.detached()
        logits = self.or_prior(self.combine(decisions), decisions.has)
        return FusionOutput(embedding=decisions.logits.flatten(1), logits=logits, experts=experts)

    def combine(self, decisions: Decisions) -> Tensor:
        """Return one decision per sample [batch_size, num_logits]; any finite one where a sample has no expert."""
        return mix(self.kind, decisions.logits, shares(decisions.has))

    def experts_decide(self, batch: Batch, node_weight_dict: NodeWeights | None = None) -> Decisions:
        """Let every expert decide from the mean of its modality's units."""
        logits, has, hidden = [], [], []
        for name, part in pool(batch, self.node_types, node_weight_dict).items():
            inside = self.perceptron[name](self.project[name](part.mean))
            logits.append(part.has * self.decide[name](inside) + (1 - part.has) * self.prior)
            has.append(part.has)
            hidden.append(inside)
        return Decisions(logits=torch.stack(logits, dim=1), has=torch.cat(has, dim=1), hidden=torch.stack(hidden, dim=1))

    def or_prior(self, logits: Tensor, has: Tensor) -> Tensor:
        """Return the decision, or the prior where there is no expert."""
        nobody = (1 - has).prod(dim=1, keepdim=True)  # 1 only where all are absent
        return nobody * self.prior + (1 - nobody) * logits

    def decided_rows(self, rows: Rows) -> tuple[Decisions, Tensor]:
        """Return the decisions of all rows that have a target, and the targets `y`, in evaluation mode."""
        training = self.training
        self.eval()
        found, targets = [], []
        with torch.no_grad():
            for batch in rows():
                decisions, known = self.experts_decide(batch), labelled(batch.y)
                found.append(Decisions(logits=decisions.logits[known], has=decisions.has[known], hidden=decisions.hidden[known]))
                targets.append(batch.y[known])
        self.train(training)
        joined = {name: torch.cat([getattr(part, name) for part in found]) for name in ("logits", "has", "hidden")}
        return Decisions(**joined), torch.cat(targets)


class WeightedFusion(LateFusion):
    """Average in which each expert has a weight, learned from validation rows; equal until then."""

    log_weight: Tensor

    def __init__(self, model: LateModel, schema: GraphSchema, decision: Decision) -> None:
        super().__init__(model, schema, decision)
        self.register_buffer("log_weight", torch.zeros(len(self.node_types)))

    def combine(self, decisions: Decisions) -> Tensor:
        """Return the weighted average; weights renormalise over the experts that are there."""
        return mix(self.kind, decisions.logits, shares(decisions.has, self.log_weight))
