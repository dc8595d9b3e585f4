"""Readouts: the nodes of each sample -> one vector per sample."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core import compiled
from graphfuse.core.errors import ConfigError
from graphfuse.nn import compiled_sample_means
from graphfuse.nn.fusion import NodeWeights
from graphfuse.nn.groups import Groups, total
from graphfuse.nn.typed import TypedLinear, TypedTable
from graphfuse.nn.weights import weighted_mean, weighted_softmax


class MeanReadout(nn.Module):
    """Mean per node type, projected and averaged over the types that are present.

    A type without nodes does not enter the average, so that absence is no feature of its own.
    """

    def __init__(self, channels: int, node_types: Sequence[str]) -> None:
        super().__init__()
        self.project = TypedLinear(channels, dict.fromkeys(node_types, channels), channels, bias=True)

    def forward(self, x_dict: Mapping[str, Tensor], batch: Batch, node_weight_dict: NodeWeights | None = None) -> Tensor:
        """Return one vector per sample, [batch_size, channels]."""
        weights = node_weight_dict or {}
        means = sample_means(x_dict, batch, weights)
        rows = self.project(means).view(len(means), batch.num_graphs, -1)
        has = torch.stack([presence(batch, name, weights.get(name)) for name in means]).unsqueeze(-1)  # [num_types, batch_size, 1]
        return (rows * has).sum(dim=0) / has.sum(dim=0).clamp(min=1)


class AttentionReadout(nn.Module):
    """Attention over all nodes of a sample, whatever their type: a soft maximum, so that one telling node is heard.

    Gated attention pooling: Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018.
    """

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        if channels % heads:
            raise ConfigError(f"model.hidden_channels: must be a multiple of {heads}, the heads of the readout (got {channels}).")
        self.heads = heads
        self.score = nn.Sequential(nn.Linear(channels, channels), nn.Tanh(), nn.Linear(channels, heads))

    def forward(self, x_dict: Mapping[str, Tensor], batch: Batch, node_weight_dict: NodeWeights | None = None) -> Tensor:
        """Return one vector per sample, [batch_size, channels]."""
        x = TypedTable.of(x_dict).table
        samples = Groups(torch.cat([batch[name].batch for name in x_dict]), batch.num_graphs)
        share = weighted_softmax(self.score(x), samples, _weights(x_dict, node_weight_dict))  # [num_nodes, heads]
        pooled = x.view(x.size(0), self.heads, x.size(1) // self.heads) * share.unsqueeze(-1)
        return total(pooled.flatten(1), samples)


class SampleReadout(nn.Module):
    """The vector of the sample node, to which every unit belongs."""

    def forward(self, x_dict: Mapping[str, Tensor], batch: Batch, node_weight_dict: NodeWeights | None = None) -> Tensor:
        """Return one vector per sample, [batch_size, channels]."""
        weight = (node_weight_dict or {}).get("sample")
        return total(x_dict["sample"], samples_of(batch, "sample"), weight)


def sample_means(x_dict: Mapping[str, Tensor], batch: Batch, node_weight_dict: NodeWeights | None = None) -> TypedTable:
    """Return the mean of each sample's nodes per node type, 0 where there are none, [batch_size, channels]."""
    x = TypedTable.of(x_dict)
    if not node_weight_dict and compiled.fits([x.table]):
        return compiled_sample_means.sample_means(x, [batch[name].ptr for name in x])
    index = torch.cat([batch[name].batch + number * batch.num_graphs for number, name in enumerate(x)])
    samples = Groups(index, len(x) * batch.num_graphs, ordered=True)
    return TypedTable(weighted_mean(x.table, samples, _weights(x, node_weight_dict)), dict.fromkeys(x, batch.num_graphs))


def samples_of(batch: Batch, node_type: str) -> Groups:
    """Return the sample of each node of a type; batches hold nodes sample by sample."""
    return Groups(batch[node_type].batch, batch.num_graphs, ordered=True)


def presence(batch: Batch, node_type: str, weight: Tensor | None = None) -> Tensor:
    """Return 1 where a sample has a node of this type (of weight above 0), else 0: [batch_size]."""
    index = batch[node_type].batch
    mass = torch.ones_like(index, dtype=torch.get_default_dtype()) if weight is None else weight
    has = mass.new_zeros(batch.num_graphs).scatter_reduce(0, index, mass, "amax")
    return (has > 0).to(mass.dtype) if weight is None else has


def _weights(x_dict: Mapping[str, Tensor], node_weight_dict: NodeWeights | None) -> Tensor | None:
    """Return the weight of every node, type after type, [num_nodes], or None if nothing weighs."""
    if not node_weight_dict:
        return None
    return torch.cat([node_weight_dict.get(name, x.new_ones(x.size(0))) for name, x in x_dict.items()])
