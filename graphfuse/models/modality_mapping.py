"""Intermediate fusion that maps each modality into the others' spaces, and fills in with it what is absent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.models._pooled_vectors import PooledVectorsModel
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.perceptron import perceptron
from graphfuse.nn.pooling import PooledInputs


@dataclass(frozen=True, kw_only=True)
class ModalityMappingModel(PooledVectorsModel):
    """Each modality is translated into the others; what is absent is what the others make of it.

    After "Found in Translation: Learning Robust Joint Representations by Cyclic Translations Between Modalities" (Pham et al., AAAI 2019,
    arXiv:1812.07809), with one vector per modality instead of sequences: the code on the way of the translation is shared by all modalities.
    """

    translation: Annotated[float, Ge(0)] = 0.3
    """Weight of the error of translations beside the task's loss."""
    cycle: Annotated[float, Ge(0)] = 0.1
    """Weight of the error of translations there and back."""

    def module(self, schema: GraphSchema, decision: Decision) -> "ModalityMappingFusion":
        """Return the network for a schema."""
        return ModalityMappingFusion(self, schema)


class ModalityMappingFusion(FusionModule):
    """Mean per node type -> vectors and their translations -> perceptron; edges are not looked at."""

    def __init__(self, model: ModalityMappingModel, schema: GraphSchema) -> None:
        super().__init__()
        self.model = model
        channels = self.out_channels = model.hidden_channels
        self.inputs = PooledInputs(schema, channels, model.input_dropout)
        names = self.inputs.node_types
        self.encode = nn.ModuleDict({name: nn.Sequential(nn.Linear(channels, channels), nn.ReLU()) for name in names})
        # normalised as the vectors that they are to resemble
        self.decode = nn.ModuleDict({name: nn.Sequential(nn.Linear(channels, channels), nn.LayerNorm(channels)) for name in names})
        self.perceptron = perceptron(2 * channels * len(names), channels, model.dropout)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. Mean of what is there, or the learned token, and its code in the space that all share.  [batch_size, channels] each
        vectors, present = self.inputs(batch, node_weight_dict)
        codes = {name: self.encode[name](vector) for name, vector in vectors.items()}
        # 2. What the others make of each modality; the token where no other is there.
        told = {name: self._told(name, vectors, codes, present) for name in vectors}
        # 3. What is absent is what the others make of it.
        filled = {name: present[name] * vector + (1 - present[name]) * told[name] for name, vector in vectors.items()}
        # 4. Fuse what is there with what was expected.  [batch_size, hidden_channels]
        embedding = self.perceptron(torch.cat([*filled.values(), *told.values()], dim=-1))
        penalties = self._penalties(vectors, codes, present) if self.training and len(vectors) > 1 else {}
        return FusionOutput(embedding=embedding, views=codes, penalties=penalties)

    def _told(self, target: str, vectors: Mapping[str, Tensor], codes: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return the mean translation of the other modalities that are there into the target's space, [batch_size, channels]."""
        total, count = torch.zeros_like(vectors[target]), torch.zeros_like(present[target])
        most = torch.zeros_like(count)
        for name, code in codes.items():
            if name != target:
                total = total + present[name] * self.decode[target](code)
                count, most = count + present[name], torch.maximum(most, present[name])
        mean = total / torch.where(count == 0, torch.ones_like(count), count)
        return most * mean + (1 - most) * self.inputs.absent[target]

    def _penalties(self, vectors: Mapping[str, Tensor], codes: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the errors of all translations, there and back, over the samples that have both modalities."""
        there, back = [], []
        for source, code in codes.items():
            for target, vector in vectors.items():
                if target != source:
                    both = present[source] * present[target]
                    translated = self.decode[target](code)
                    # the vectors are given, so that they do not fall together to be easily told
                    there.append(_mean_error(translated, vector.detach(), both))
                    returned = self.decode[source](self.encode[target](translated))
                    back.append(_mean_error(returned, vectors[source].detach(), present[source]))
        return {
            "translation": self.model.translation * torch.stack(there).mean(),
            "cycle": self.model.cycle * torch.stack(back).mean(),
        }


def _mean_error(given: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Return the mean squared error over the samples that count; 0 if none does.  []."""
    error = (given - wanted).square().mean(dim=-1, keepdim=True)  # [batch_size, 1]
    return (weight * error).sum() / weight.sum().clamp(min=1)
