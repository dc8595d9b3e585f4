"""Hybrid fusion: modalities are joined at three depths at once, and the depths decide together."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.models._pooled_vectors import PooledVectorsModel
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.perceptron import perceptron
from graphfuse.nn.pooling import PooledInputs


@dataclass(frozen=True, kw_only=True)
class HybridModel(PooledVectorsModel):
    """Concatenation of inputs, products of hidden vectors and decisions of single modalities, weighted into one decision.

    Hybrid fusion as in "Multimodal fusion for multimedia analysis: a survey" (Atrey et al., Multimedia Systems 2010): feature-level and
    decision-level fusion side by side. Every branch is trained by the task as well; an absent modality has no say of its own.
    """

    def module(self, schema: GraphSchema, decision: Decision) -> "HybridFusion":
        """Return the network for a schema."""
        return HybridFusion(self, schema, decision)


class HybridFusion(FusionModule):
    """Mean per node type -> branches that join early, in the middle and late -> weighted decision; edges are not looked at."""

    decides = True

    def __init__(self, model: HybridModel, schema: GraphSchema, decision: Decision) -> None:
        super().__init__()
        channels = self.out_channels = model.hidden_channels
        self.inputs = PooledInputs(schema, channels, model.input_dropout)
        names = self.inputs.node_types
        self.pairs = tuple(combinations(names, 2))
        self.early = perceptron(channels * len(names), channels, model.dropout)
        self.middle = perceptron(channels * (len(names) + len(self.pairs)), channels, model.dropout)
        self.alone = nn.ModuleDict({name: perceptron(channels, channels, model.dropout) for name in names})
        self.heads = nn.ModuleDict({name: nn.Linear(channels, decision.num_logits) for name in ("early", "middle", *names)})
        self.say = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in self.heads})

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch and decide."""
        # 1. Mean of what is there, or the learned token where nothing is there.  [batch_size, channels] each
        vectors, present = self.inputs(batch, node_weight_dict)
        # 2. Join inputs, join hidden vectors with their products, and join nothing.
        hidden = {name: self.alone[name](vector) for name, vector in vectors.items()}
        products = [hidden[one] * hidden[other] for one, other in self.pairs]
        branches = {
            "early": self.early(torch.cat(list(vectors.values()), dim=-1)),
            "middle": self.middle(torch.cat([*hidden.values(), *products], dim=-1)),
            **hidden,
        }
        # 3. Each branch decides; branches weigh what was learned, those of absent modalities nothing.  [batch_size, num_logits]
        decisions = {name: self.heads[name](vector) for name, vector in branches.items()}
        share = self._shares(present)
        embedding = torch.stack([share[name] * vector for name, vector in branches.items()]).sum(dim=0)
        logits = torch.stack([share[name] * decision for name, decision in decisions.items()]).sum(dim=0)
        return FusionOutput(embedding=embedding, logits=logits, experts=decisions)

    def _shares(self, present: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return each branch's share of the decision, which sum to 1 in every sample: [batch_size, 1]."""
        everywhere = torch.ones_like(next(iter(present.values())))
        mass = {name: present.get(name, everywhere) * say.exp() for name, say in self.say.items()}
        total = torch.stack(list(mass.values())).sum(dim=0)
        return {name: value / total for name, value in mass.items()}
