"""Late fusion by an autoencoder over the experts' decisions, read from any subset of them."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.models._decisions import evidence, shares
from graphfuse.models._late import LateFusion, LateModel
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionOutput, NodeWeights


@dataclass(frozen=True, kw_only=True)
class DecisionAutoencoderModel(LateModel):
    """From some experts' decisions, guess what all of them decide; the code in between carries the decision.

    A denoising autoencoder in which whole experts are the noise: "Extracting and composing robust features with denoising
    autoencoders" (Vincent et al., ICML 2008), on modalities as in "Multimodal deep learning" (Ngiam et al., ICML 2011).
    """

    code_channels: Annotated[int, Ge(1)] = 16
    """Width of the code."""
    hidden_experts: Annotated[float, Ge(0), Lt(1)] = 0.3
    """Chance in training that a decision is hidden from the code."""
    reconstruction: Annotated[float, Ge(0)] = 1.0
    """Weight of the reconstruction in the loss."""

    def module(self, schema: GraphSchema, decision: Decision) -> "DecisionAutoencoderFusion":
        """Return the network for a schema."""
        return DecisionAutoencoderFusion(self, schema, decision)


class DecisionAutoencoderFusion(LateFusion):
    """The code is the mean of what each expert that is there contributes, and the decision is linear in it: fusion stays late."""

    def __init__(self, model: DecisionAutoencoderModel, schema: GraphSchema, decision: Decision) -> None:
        super().__init__(model, schema, decision)
        code = self.out_channels = model.code_channels
        width, logits = model.hidden_channels, decision.num_logits
        self.hidden_experts, self.reconstruction = model.hidden_experts, model.reconstruction
        self.encode = nn.ModuleDict({name: _two_layers(logits, width, code) for name in self.node_types})
        self.decode = nn.ModuleDict({name: _two_layers(code, width, logits) for name in self.node_types})
        self.nothing = nn.Parameter(torch.zeros(code))
        """The code of a sample without any expert."""
        self.read = nn.Linear(code, logits)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch; edges are not looked at."""
        # 1. Every expert decides; the autoencoder takes its decisions as they are.  [batch_size, num_experts, num_logits]
        decisions = self.experts_decide(batch, node_weight_dict)
        experts = dict(zip(self.node_types, decisions.logits.unbind(dim=1), strict=True))
        if self.training:
            decisions = decisions.detached()
        told = evidence(self.kind, decisions.logits, self.prior)
        # 2. Encode those that are there, in training without some of them.  [batch_size, code_channels]
        code = self.code(told, self._shown(decisions.has))
        # 3. Decide from the code, and guess all decisions from it.  [batch_size, num_logits]
        logits = self.or_prior(self.prior + self.read(code), decisions.has)
        guess = {"reconstruction": self.reconstruction * self._error(code, told, decisions.has)}
        return FusionOutput(embedding=code, logits=logits, experts=experts, penalties=guess)

    def code(self, told: Tensor, has: Tensor) -> Tensor:
        """Return the mean contribution of the experts that are there, [batch_size, code_channels]."""
        parts = [encode(part) for encode, part in zip(self.encode.values(), told.unbind(dim=1), strict=True)]
        nobody = (1 - has).prod(dim=1, keepdim=True)
        mean = (torch.stack(parts, dim=1) * shares(has).unsqueeze(-1)).sum(dim=1)
        return nobody * self.nothing + (1 - nobody) * mean

    def _shown(self, has: Tensor) -> Tensor:
        """Hide some experts in training, but never the last one of a sample."""
        if not self.training:
            return has
        shown = has * (torch.rand_like(has) >= self.hidden_experts)
        return torch.where(shown.amax(dim=1, keepdim=True) > 0, shown, has)

    def _error(self, code: Tensor, told: Tensor, has: Tensor) -> Tensor:
        """Return the mean squared error of the guessed decisions over the experts that are there, []."""
        guessed = torch.stack([decode(code) for decode in self.decode.values()], dim=1)
        error = (guessed - told).square().mean(dim=-1) * has
        return error.sum() / has.sum().clamp(min=1)


def _two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
