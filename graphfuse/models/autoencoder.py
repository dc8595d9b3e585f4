"""A joint autoencoder: one code from which every modality can be made again, also from some of them."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Le, Lt
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.core.sockets import FusionModel
from graphfuse.models._early import StandardInputs, presence_channels, reconstruction_error
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights, Rows
from graphfuse.nn.perceptron import hidden_layers
from graphfuse.nn.pooling import Pooled


@dataclass(frozen=True, kw_only=True)
class AutoencoderModel(FusionModel):
    """A code of all modalities that is trained to decide and to reconstruct.

    "Multimodal Deep Learning" (Ngiam et al., ICML 2011), whose bimodal autoencoder must reconstruct all modalities when it sees only some.
    """

    stage: ClassVar[Literal["early"]] = "early"

    hidden_channels: Annotated[int, Ge(1)] = 64
    """Width of hidden layers and of the code."""
    num_layers: Annotated[int, Ge(1)] = 2
    """Layers of the encoder; each decoder has as many, the last of which gives the features."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of hidden values dropped in training."""
    input_dropout: Annotated[float, Ge(0), Lt(1)] = 0.3
    """Share of feature values dropped in training, which makes it a denoising autoencoder."""
    hide: Annotated[float, Ge(0), Le(1)] = 0.5
    """Chance that a modality is hidden in the pass that reconstructs from some; one that is there always stays."""
    reconstruction: Annotated[float, Ge(0)] = 1.0
    """Weight of the reconstruction errors in the loss."""

    def module(self, schema: GraphSchema, decision: Decision) -> "AutoencoderFusion":
        """Return the network for a schema."""
        return AutoencoderFusion(self, schema)


class AutoencoderFusion(FusionModule):
    """Mean per node type -> side by side -> code -> the means again; edges are not looked at."""

    def __init__(self, model: AutoencoderModel, schema: GraphSchema) -> None:
        super().__init__()
        self.inputs = StandardInputs(schema)
        channels, width = self.inputs.channels, model.hidden_channels
        self.out_channels = width
        self.input_dropout = Dropout(model.input_dropout)
        self.encoder = nn.Sequential(*hidden_layers(sum(channels.values()) + len(channels), width, model.num_layers, model.dropout))
        self.decoders = nn.ModuleDict(
            {
                name: nn.Sequential(*hidden_layers(width, width, model.num_layers - 1, model.dropout), nn.Linear(width, count))
                for name, count in channels.items()
            }
        )
        self.hide = model.hide
        self.reconstruction = model.reconstruction

    def fit_train(self, rows: Rows) -> None:
        """Learn means and deviations, so that errors of all features weigh alike."""
        self.inputs.fit(rows)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. Standardised means, 0 where there is nothing.  [batch_size, channels of the type] each
        pooled = self.inputs(batch, node_weight_dict)
        has = presence_channels(pooled)  # [batch_size, num_types]
        # 2. The code of all that is there.  [batch_size, hidden_channels]
        code = self.encode(pooled, torch.ones_like(has))
        if not self.training:
            return FusionOutput(embedding=code)
        # 3. Reconstruct from it, and from a code of only some modalities.
        partial = self.encode(pooled, self._kept(has))
        error = (reconstruction_error(self.reconstruct(code), pooled) + reconstruction_error(self.reconstruct(partial), pooled)) / 2
        return FusionOutput(embedding=code, penalties={"reconstruction": self.reconstruction * error})

    def encode(self, pooled: dict[str, Pooled], kept: Tensor) -> Tensor:
        """Return the code of the modalities that are kept (1) and not hidden (0): [batch_size, num_types] -> [batch_size, hidden_channels]."""
        columns = kept.unsqueeze(2).unbind(dim=1)
        features = [part.mean * column for part, column in zip(pooled.values(), columns, strict=True)]
        seen = [part.has * column for part, column in zip(pooled.values(), columns, strict=True)]
        return self.encoder(torch.cat([self.input_dropout(torch.cat(features, dim=1)), *seen], dim=1))

    def reconstruct(self, code: Tensor) -> dict[str, Tensor]:
        """Return the standardised means of every node type that a code stands for.  [batch_size, channels of the type] each."""
        return {name: decoder(code) for name, decoder in self.decoders.items()}

    def _kept(self, has: Tensor) -> Tensor:
        """Draw which modalities are not hidden, 1 or 0; a sample keeps at least one that it has.  [batch_size, num_types]."""
        draw = torch.rand_like(has) * (has > 0)
        return ((draw >= self.hide) | (draw == draw.amax(dim=1, keepdim=True))).to(has.dtype)
