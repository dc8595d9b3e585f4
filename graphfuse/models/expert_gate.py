"""Late fusion by a learned gate that says, sample by sample, how much each expert counts."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from graphfuse.core.schema import GraphSchema
from graphfuse.models._decisions import mix, shares
from graphfuse.models._late import Decisions, LateFusion, LateModel
from graphfuse.nn.fusion import Decision


@dataclass(frozen=True, kw_only=True)
class ExpertGateModel(LateModel):
    """A mixture of experts: "Adaptive mixtures of local experts" (Jacobs et al., Neural Computation 3(1), 1991)."""

    def module(self, schema: GraphSchema, decision: Decision) -> "ExpertGateFusion":
        """Return the network for a schema."""
        return ExpertGateFusion(self, schema, decision)


class ExpertGateFusion(LateFusion):
    """The gate hears all modalities but adds up what each says, so that no combination of them decides: fusion stays late.

    With a gate that sees products of modalities, two constant experts (always yes, always no) could follow any rule.
    """

    joint: ClassVar[bool] = True

    def __init__(self, model: LateModel, schema: GraphSchema, decision: Decision) -> None:
        super().__init__(model, schema, decision)
        count = len(self.node_types)
        self.gate = nn.ModuleDict({name: _gate(model.hidden_channels, count) for name in self.node_types})
        self.bias = nn.Parameter(torch.zeros(count))

    def combine(self, decisions: Decisions) -> Tensor:
        """Average by the gate's shares among the experts that are there."""
        # each modality's say on every expert; an absent one says nothing.  [batch_size, num_experts]
        said = [gate(hidden) for gate, hidden in zip(self.gate.values(), decisions.hidden.unbind(dim=1), strict=True)]
        score = self.bias + (torch.stack(said, dim=1) * decisions.has.unsqueeze(-1)).sum(dim=1)
        return mix(self.kind, decisions.logits, shares(decisions.has, score))


def _gate(channels: int, num_experts: int) -> nn.Sequential:
    """Return a network [batch_size, channels] -> [batch_size, num_experts] that starts by preferring nobody."""
    last = nn.Linear(channels, num_experts)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(channels, channels), nn.Tanh(), last)
