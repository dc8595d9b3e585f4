"""Intermediate fusion by a multimodal variational autoencoder: a product of experts, for any subset of modalities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.models._pooled_vectors import PooledVectorsModel
from graphfuse.models._standardize import Standardize
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights, Rows
from graphfuse.nn.gaussian import Gaussian, product_with_prior
from graphfuse.nn.inputs import input_projections
from graphfuse.nn.pooling import Pooled, informative_types, pool, pooled_rows

LARGEST_LOG_PRECISION = 6.0
"""Bound on how sure an expert may be, either way, so that products stay finite."""


@dataclass(frozen=True, kw_only=True)
class MultimodalVAEModel(PooledVectorsModel):
    """A Gaussian per modality, their product with the prior, and decoders that give each modality back.

    From "Multimodal Generative Models for Scalable Weakly-Supervised Learning" (Wu and Goodman, NeurIPS 2018, arXiv:1802.05335), trained
    together with the task. An absent modality is no factor of the product, so every subset of modalities has its posterior.
    """

    latent_channels: Annotated[int, Ge(1)] = 32
    """Width of the latent vector, which is the embedding."""
    reconstruction: Annotated[float, Ge(0)] = 0.1
    """Weight of the negative evidence lower bounds (per feature value) beside the task's loss; 0 leaves them out."""
    beta: Annotated[float, Ge(0)] = 1.0
    """Weight of the divergence from the prior inside them; 1 is the bound itself."""
    warmup_steps: Annotated[int, Ge(0)] = 200
    """Forward passes in training over which the divergence grows to its weight, so that the latent vector is used before it is bounded."""

    def module(self, schema: GraphSchema, decision: Decision) -> "MultimodalVAEFusion":
        """Return the network for a schema."""
        return MultimodalVAEFusion(self, schema)


class MultimodalVAEFusion(FusionModule):
    """Mean per node type -> one Gaussian each -> product of experts -> embedding; edges are not looked at."""

    steps: Tensor

    def __init__(self, model: MultimodalVAEModel, schema: GraphSchema) -> None:
        super().__init__()
        self.model = model
        self.node_types = informative_types(schema)
        self.out_channels = model.latent_channels
        channels = {name: schema.channels_by_node_type[name] for name in self.node_types}
        hidden, latent = model.hidden_channels, model.latent_channels
        self.standardize = nn.ModuleDict({name: Standardize(width) for name, width in channels.items()})
        self.project = input_projections(channels, hidden, model.input_dropout)
        self.encode = nn.ModuleDict(
            {name: nn.Sequential(nn.ReLU(), Dropout(model.dropout), nn.Linear(hidden, 2 * latent)) for name in self.node_types}
        )
        self.decode = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), Dropout(model.dropout), nn.Linear(hidden, width))
                for name, width in channels.items()
            }
        )
        self.num_values = sum(channels.values())
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def fit_train(self, rows: Rows) -> None:
        """Learn the scale of what is reconstructed."""
        for name, pooled in pooled_rows(rows, self.node_types)[0].items():
            cast("Standardize", self.standardize[name]).fit(pooled)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch; in training the embedding is a draw from the posterior, else its mean."""
        # 1. One expert per modality, and the product of those that are there.  [batch_size, latent_channels]
        pooled = pool(batch, self.node_types, node_weight_dict)
        experts = self.experts(pooled)
        posterior = self.posterior(experts, pooled, self.node_types)
        if not self.training:
            return FusionOutput(embedding=posterior.mean)
        # 2. A draw, from which the modalities are given back.
        embedding = posterior.sample()
        if not self.model.reconstruction:
            return FusionOutput(embedding=embedding)
        misfit = self._misfit(embedding, pooled, self.node_types)
        divergence = posterior.divergence()
        # 3. The same from each modality alone: without it, experts would only learn to complete each other.
        if len(self.node_types) > 1:
            for name in self.node_types:
                alone = self.posterior(experts, pooled, (name,))
                misfit = misfit + self._misfit(alone.sample(), pooled, (name,))
                divergence = divergence + alone.divergence()
        weight = self.model.reconstruction / self.num_values
        penalties = {"reconstruction": weight * misfit.mean(), "divergence": weight * self._warm_beta() * divergence.mean()}
        return FusionOutput(embedding=embedding, penalties=penalties)

    def experts(self, pooled: Mapping[str, Pooled]) -> dict[str, Gaussian]:
        """Return what each modality says of the latent vector, whether it is there or not."""
        found = {}
        for name, part in pooled.items():
            mean, log_precision = self.encode[name](self.project[name](part.mean)).chunk(2, dim=-1)
            bounded = LARGEST_LOG_PRECISION * torch.tanh(log_precision / LARGEST_LOG_PRECISION)
            found[name] = Gaussian(mean=mean, precision=bounded.exp())
        return found

    def posterior(self, experts: Mapping[str, Gaussian], pooled: Mapping[str, Pooled], names: tuple[str, ...]) -> Gaussian:
        """Return the product of the prior and of those of the named experts whose modality is there."""
        return product_with_prior([experts[name] for name in names], [pooled[name].has for name in names])

    def _misfit(self, latent: Tensor, pooled: Mapping[str, Pooled], names: tuple[str, ...]) -> Tensor:
        """Return minus the log-likelihood (unit variance, without its constant) of the named modalities that are there: [batch_size]."""
        total = latent.new_zeros(len(latent))
        for name in names:
            error = self.decode[name](latent) - self.standardize[name](pooled[name].mean)
            total = total + pooled[name].has.squeeze(-1) * 0.5 * error.square().sum(dim=-1)
        return total

    def _warm_beta(self) -> float:
        """Count this step, and return the weight of the divergence at it."""
        self.steps += 1
        return self.model.beta * min(1.0, int(self.steps) / max(1, self.model.warmup_steps))
