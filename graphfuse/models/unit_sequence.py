"""All units of all modalities as one sequence, read by a convolutional or recurrent network."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.core.sockets import FusionModel
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights
from graphfuse.nn.inputs import input_projections
from graphfuse.nn.pooling import informative_types
from graphfuse.nn.units import UnitBlocks


@dataclass(frozen=True, kw_only=True)
class UnitSequenceModel(FusionModel):
    """Units in node order, modality after modality, with no edge looked at; absent units are simply not there.

    Convolution with a maximum over positions: "Convolutional Neural Networks for Sentence Classification" (Kim, EMNLP 2014).
    Gated recurrent units: "Learning Phrase Representations using RNN Encoder-Decoder" (Cho et al., EMNLP 2014), read in both directions.
    """

    stage: ClassVar[Literal["early"]] = "early"

    kind: Literal["cnn", "gru"] = "cnn"
    hidden_channels: Annotated[int, Ge(1)] = 64
    num_layers: Annotated[int, Ge(1)] = 2
    """Convolutions, each of which also looks at both neighbours, or recurrent layers."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of hidden values dropped in training."""
    input_dropout: Annotated[float, Ge(0), Lt(1)] = 0.3
    """Share of feature values dropped in training; it keeps the network from learning samples by heart."""

    def module(self, schema: GraphSchema, decision: Decision) -> "UnitSequenceFusion":
        """Return the network for a schema."""
        return UnitSequenceFusion(self, schema)


class UnitSequenceFusion(FusionModule):
    """Units -> projection -> one sequence per sample -> encoder -> maximum over positions."""

    def __init__(self, model: UnitSequenceModel, schema: GraphSchema) -> None:
        super().__init__()
        channels = self.out_channels = model.hidden_channels
        self.node_types = informative_types(schema)
        self.project = input_projections(
            {name: schema.channels_by_node_type[name] for name in self.node_types}, channels, model.input_dropout
        )
        self.type_embedding = nn.ParameterDict({name: nn.Parameter(torch.randn(channels) / channels**0.5) for name in self.node_types})
        encoder = Convolutions if model.kind == "cnn" else Recurrence
        self.encoder = encoder(channels, model.num_layers, model.dropout)
        self.feature = nn.Linear(channels, channels)
        self.nothing = nn.Parameter(torch.zeros(channels))
        self.out = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), Dropout(model.dropout))

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. One sequence per sample, from which units of weight 0 are gone.  [batch_size, length, hidden_channels], [batch_size, length]
        x, weight = self._sequences(batch, node_weight_dict or {})
        # 2. Let every unit see its neighbours, or all before and after it.
        x = self.encoder(x * weight.unsqueeze(-1), weight > 0)
        # 3. The strongest sign of every feature; signs are 0 or more, so that a unit of little weight gives little.
        strongest = (self.feature(x).relu() * weight.unsqueeze(-1)).amax(dim=1)  # [batch_size, hidden_channels]
        # 4. A sample without any unit is a learned vector.
        has = weight.amax(dim=1, keepdim=True)
        return FusionOutput(embedding=self.out(has * strongest + (1 - has) * self.nothing))

    def _sequences(self, batch: Batch, weights: NodeWeights) -> tuple[Tensor, Tensor]:
        """Return the units of each sample side by side, padded with zeros, and their weights, 0 for padding."""
        # 1. All units that have weight.
        xs, owners, masses = [], [], []
        for name in self.node_types:
            store, weight = batch[name], weights.get(name)
            mass = store.x.new_ones(store.x.size(0)) if weight is None else weight
            kept = (mass > 0).nonzero().squeeze(1)
            xs.append(self.project[name](store.x[kept]) + self.type_embedding[name])
            owners.append(store.batch[kept])
            masses.append(mass[kept])
        # 2. Sorted by sample; a stable sort keeps modality after modality, and node order within.
        owner, order = torch.cat(owners).sort(stable=True)
        # 3. Padded; one place at least, so that there is a maximum to take.
        block = UnitBlocks(owner, batch.num_graphs)
        return block.pad(torch.cat(xs)[order]), block.pad(torch.cat(masses)[order])


class Convolutions(nn.Module):
    """Convolutions over three units, with residuals; outside the sequence is 0, as is padding."""

    def __init__(self, channels: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(channels, channels, kernel_size=3, padding=1) for _ in range(num_layers))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """Return [batch_size, length, channels]; `there` [batch_size, length] is false for padding."""
        for layer in self.layers:
            heard = layer(x.transpose(1, 2)).transpose(1, 2).relu()
            # padding hears its neighbours too, and must not tell the next layer
            x = (x + self.dropout(heard)) * there.unsqueeze(-1)
        return x


class Recurrence(nn.Module):
    """Gated recurrent units in both directions over the units that are there."""

    def __init__(self, channels: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(channels, channels, num_layers, batch_first=True, bidirectional=True, dropout=dropout if num_layers > 1 else 0.0)
        self.join = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """Return [batch_size, length, channels]; `there` [batch_size, length] is false for padding."""
        # an empty sequence is read as one zero, whose result has weight 0
        lengths = there.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=x.size(1))
        return self.join(states)
