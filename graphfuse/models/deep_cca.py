"""Deep canonical correlation: one network per modality, trained so that their outputs correlate."""

from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.models._early import EarlyModel, StandardInputs, need_types, presence_channels, reconstruction_error
from graphfuse.nn.correlation import expanded, multiset_maps, second_moments, total_correlation
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights, Rows
from graphfuse.nn.perceptron import hidden_layers
from graphfuse.nn.pooling import Pooled

MOMENTUM = 0.1
"""How much of the running moments a batch makes up."""


@dataclass(frozen=True, kw_only=True)
class DeepCcaModel(EarlyModel):
    """Networks of the standardised means whose outputs correlate over each batch, two or more modalities.

    "Deep Canonical Correlation Analysis" (Andrew et al., ICML 2013); with reconstruction, the autoencoders of "On Deep Multi-View
    Representation Learning" (Wang et al., ICML 2015). More than two modalities: the mean over their pairs.
    """

    num_components: Annotated[int, Ge(1)] = 16
    """Width of each modality's output; batches should be several times as large."""
    encoder_layers: Annotated[int, Ge(0)] = 1
    """Hidden layers of each modality's network; 0 is linear."""
    correlation: Annotated[float, Ge(0)] = 1.0
    """Weight of the correlation in the loss."""
    ridge: Annotated[float, Gt(0)] = 1e-3
    """Added to the variances of the outputs."""
    reconstruction: Annotated[float, Ge(0)] = 0.0
    """Weight of the reconstruction errors in the loss; 0 does without decoders."""

    def module(self, schema: GraphSchema, decision: Decision) -> "DeepCcaFusion":
        """Return the network for a schema.

        Raises:
            ConfigError: If there is only one node type with features.
        """
        need_types(schema, "deep_cca", least=2)
        return DeepCcaFusion(self, schema)


class DeepCcaFusion(FusionModule):
    """Mean per node type -> its network -> side by side -> perceptron; edges are not looked at."""

    def __init__(self, model: DeepCcaModel, schema: GraphSchema) -> None:
        super().__init__()
        self.model = model
        self.inputs = StandardInputs(schema)
        self.encoders = nn.ModuleDict({name: _network(model, count, model.num_components) for name, count in self.inputs.channels.items()})
        decoded = self.inputs.channels if model.reconstruction else {}
        self.decoders = nn.ModuleDict({name: _network(model, model.num_components, count) for name, count in decoded.items()})
        fused = len(self.encoders) * (model.num_components + 1)
        self.perceptron = model.perceptron(fused)
        self.out_channels = model.perceptron_channels(fused)
        self.align = RunningAlignment(len(self.encoders), model.num_components, model.ridge)

    def fit_train(self, rows: Rows) -> None:
        """Learn means and deviations."""
        self.inputs.fit(rows)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch."""
        # 1. Standardised means.  [batch_size, channels of the type] each
        pooled = self.inputs(batch, node_weight_dict)
        # 2. Each through its network, 0 where there is nothing.  [batch_size, num_components] each
        outputs = {name: pooled[name].has * encoder(pooled[name].mean) for name, encoder in self.encoders.items()}
        has = presence_channels(pooled)
        # 3. Side by side with which types are there, and read.  [batch_size, out_channels]
        embedding = self.perceptron(torch.cat([*outputs.values(), has], dim=1))
        # 4. The correlation knows outputs only up to a linear map each; views are what agrees without one.
        views = dict(zip(outputs, self.align(list(outputs.values()), has), strict=True))
        return FusionOutput(embedding=embedding, views=views, penalties=self._penalties(outputs, pooled) if self.training else {})

    def _penalties(self, outputs: dict[str, Tensor], pooled: dict[str, Pooled]) -> dict[str, Tensor]:
        """Return 1 less the mean canonical correlation of the pairs of modalities, and the reconstruction error, weighted."""
        found = [
            total_correlation(outputs[one], outputs[other], (pooled[one].has * pooled[other].has).squeeze(1), self.model.ridge)
            for one, other in combinations(outputs, 2)
        ]
        penalties = {"correlation": self.model.correlation * (1 - torch.stack(found).mean() / self.model.num_components)}
        if self.decoders:
            made = {name: decoder(outputs[name]) for name, decoder in self.decoders.items()}
            penalties["reconstruction"] = self.model.reconstruction * reconstruction_error(made, pooled)
        return penalties


class RunningAlignment(nn.Module):
    """Linear maps under which the networks' outputs agree: multi-set CCA of the last training batches' moments.

    Args:
        num_views: How many networks there are.
        channels: Width of their outputs.
        ridge: Added to the variances.
    """

    mean: Tensor
    moments: Tensor
    counts: Tensor

    def __init__(self, num_views: int, channels: int, ridge: float) -> None:
        super().__init__()
        self.sizes = [channels] * num_views
        self.ridge = ridge
        self.register_buffer("mean", torch.zeros(num_views, channels))
        self.register_buffer("moments", torch.zeros(num_views * channels, num_views * channels))
        self.register_buffer("counts", torch.zeros(num_views, num_views))

    def forward(self, outputs: list[Tensor], has: Tensor) -> list[Tensor]:
        """Return the outputs [batch_size, channels] each, aligned; `has` [batch_size, num_views] says where there are any."""
        with torch.no_grad():
            if self.training:
                self._update([output.detach() for output in outputs], has.detach())
            covariance = self.moments / expanded(self.counts.clamp(min=torch.finfo(self.counts.dtype).tiny), self.sizes)
            covariance.diagonal().add_(self.ridge)
            maps, _ = multiset_maps(covariance, self.sizes, self.sizes[0])
        centred = [output - mean for output, mean in zip(outputs, self.mean, strict=True)]
        return [has[:, [i]] * (x @ weight.to(x.dtype)) for i, (x, weight) in enumerate(zip(centred, maps, strict=True))]

    def _update(self, outputs: list[Tensor], has: Tensor) -> None:
        """Let this batch count for a tenth; a pair of views counts over the rows that have both."""
        counts = has.sum(dim=0)
        means = torch.stack(outputs).sum(dim=1) / counts.clamp(min=1).unsqueeze(1)  # outputs are 0 where there are none
        self.mean += MOMENTUM * (counts > 0).unsqueeze(1) * (means - self.mean)
        centred = [has[:, [i]] * (output - mean) for i, (output, mean) in enumerate(zip(outputs, means, strict=True))]
        self.moments += MOMENTUM * (second_moments(centred) - self.moments)
        self.counts += MOMENTUM * (has.T @ has - self.counts)


def _network(model: DeepCcaModel, channels: int, out_channels: int) -> nn.Sequential:
    """Return a network [n, channels] -> [n, out_channels]."""
    hidden = hidden_layers(channels, model.hidden_channels, model.encoder_layers, model.dropout)
    return nn.Sequential(*hidden, nn.Linear(model.hidden_channels if hidden else channels, out_channels))
