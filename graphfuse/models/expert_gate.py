"""Late fusion by a learned gate that says, sample by sample, how much each expert counts."""

from dataclasses import dataclass

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
    """Each modality bids for its expert, and the shares are the softmax of the bids.

    A gate over products of modalities, or one that trains the experts, could follow any rule with two constant experts (always
    yes, always no). Here experts learn alone and bid alone, so that "probability above t" is a sum over modalities,
    `sum of exp(bid) * (probability - t) > 0`: fusion stays late.
    """

    def __init__(self, model: LateModel, schema: GraphSchema, decision: Decision) -> None:
        super().__init__(model, schema, decision)
        self.gate = nn.ModuleDict({name: _gate(model.hidden_channels) for name in self.node_types})

    def combine(self, decisions: Decisions) -> Tensor:
        """Average by the shares of the experts that are there."""
        bids = [gate(hidden) for gate, hidden in zip(self.gate.values(), decisions.hidden.unbind(dim=1), strict=True)]
        return mix(self.kind, decisions.logits, shares(decisions.has, torch.cat(bids, dim=1)))


def _gate(channels: int) -> nn.Sequential:
    """Return a network [batch_size, channels] -> [batch_size, 1] that starts by bidding the same for all."""
    last = nn.Linear(channels, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(channels, channels), nn.Tanh(), last)
