"""Changes of the nodes of a batch: whole modalities absent, features from another sample, features with noise or nothing but noise."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.comparison.edge_changes import local_numbers, positions_of_nodes
from graphfuse.core.draws import normal, uniform
from graphfuse.core.schema import GraphSchema
from graphfuse.core.tables import IntArray
from graphfuse.store.changed import keep_nodes, loose_copy
from graphfuse.store.graph_store import GraphStore

MISSING, DONOR, NOISE = 1, 2, 3
"""Streams of random numbers, so that no two changes of one seed share theirs."""

STATISTICS_BATCH = 1024
"""Samples read at a time while means are taken; their last digits depend on it."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How the features of one node type are spread over the train rows."""

    mean: Tensor
    """[channels]"""
    deviation: Tensor
    """[channels]"""


def node_types_of(schema: GraphSchema, modalities: Collection[str]) -> tuple[str, ...]:
    """Return the node types of some modalities, in schema order."""
    return tuple(name for name, modality in schema.modality_by_node_type.items() if modality in modalities)


def with_missing(batch: Batch, schema: GraphSchema, rates: Mapping[str, float], included: Tensor, seed: int) -> Batch:
    """Return the batch in which some samples have no nodes of a modality, and no edges to them: they never were.

    Which samples is drawn by seed, modality and position in the store: modalities go missing independently of each other, and
    a sample that lacks one at some rate lacks it at every higher one.

    Args:
        batch: A schema-complete batch.
        schema: Modality of each node type.
        rates: Share of the samples in [0, 1] per modality.
        included: Which samples of the store the change applies to.  [num_samples_of_store]
        seed: Seed of the draws.
    """
    kept: dict[str, Tensor] = {}
    for modality, rate in rates.items():
        gone = torch.from_numpy(uniform(seed, MISSING, _number(schema, modality), batch.position.numpy()) < rate)
        stays = ~(gone & included[batch.position])
        kept |= {name: stays[batch[name].batch] for name in node_types_of(schema, [modality])}
    return keep_nodes(batch, kept)


def draw_donors(store: GraphStore, modality: str, seed: int) -> dict[str, IntArray]:
    """Return for each node type of a modality the sample that each sample takes its features from.  [num_samples] each.

    The samples of a split that have the type are put into a random circle, and each takes from the next: every sample gives
    once, so that the features of the split are together what they were, and none takes from itself unless it is the only one.
    """
    everywhere = np.arange(len(store))
    split = np.unique(store.samples["split"].to_numpy(dtype=str), return_inverse=True)[1]
    key = uniform(seed, DONOR, _number(store.schema, modality), everywhere)
    donors = {}
    for node_type in node_types_of(store.schema, [modality]):
        has = np.flatnonzero(store.node_counts(node_type))
        circle = has[np.lexsort((key[has], split[has]))]
        # the next on the circle; the last of a split goes back to its first
        following = np.roll(circle, -1)
        last = np.flatnonzero(np.diff(split[circle], append=-1))
        following[last] = circle[np.concatenate([[0], last[:-1] + 1])] if len(last) else []
        donors[node_type] = everywhere.copy()
        donors[node_type][circle] = following
    return donors


def with_features_of(batch: Batch, plain: GraphStore, donors: Mapping[str, IntArray]) -> Batch:
    """Return the batch in which the k-th node of a type has the features of node k modulo n of its sample's donor.

    Nodes and edges stay. Shared nodes take the donor's entity along.

    Args:
        batch: A schema-complete batch.
        plain: The store that the donors are read from.
        donors: Per node type the donor of each sample.  [num_samples_of_store]
    """
    other = loose_copy(batch)
    for node_type, donor in donors.items():
        given = plain.batch(donor[batch.position.numpy()])[node_type]
        owner = batch[node_type].batch
        # a donor has nodes wherever the sample has; the floor is for samples without any
        place = torch.from_numpy(local_numbers(batch, node_type)) % given.ptr.diff().clamp(min=1)[owner]
        for key in ("x", "entity"):
            if key in given:
                other[node_type][key] = given[key][given.ptr[owner] + place]
    return other


def with_noise(batch: Batch, amounts: Mapping[str, float], scales: Mapping[str, Scale], seed: int) -> Batch:
    """Return the batch with Gaussian noise added to features.

    Args:
        batch: A schema-complete batch.
        amounts: Per node type the size of the noise, in deviations of each channel.
        scales: Deviation of each channel, per node type.
        seed: Seed of the draws; each node draws its own, a shared node in each sample.
    """
    noisy = loose_copy(batch)
    for node_type, amount in amounts.items():
        noisy[node_type].x = batch[node_type].x + amount * scales[node_type].deviation * _noise(batch, node_type, seed)
    return noisy


def with_nothing_but_noise(batch: Batch, scales: Mapping[str, Scale], seed: int) -> Batch:
    """Return the batch with features replaced by Gaussian noise of the same mean and deviation per channel."""
    noisy = loose_copy(batch)
    for node_type, scale in scales.items():
        noisy[node_type].x = scale.mean + scale.deviation * _noise(batch, node_type, seed)
    return noisy


def measure_scales(store: GraphStore, node_types: Collection[str]) -> dict[str, Scale]:
    """Return mean and deviation of each channel over the nodes of the train rows; 0 where there are none."""
    totals = {name: torch.zeros(3, store.schema.channels_by_node_type[name], dtype=torch.float64) for name in node_types}
    if not totals:
        return {}
    for batch in store.batches("train", batch_size=STATISTICS_BATCH):
        for name, total in totals.items():
            x = batch[name].x.double()
            total += torch.stack([torch.full_like(total[0], len(x)), x.sum(dim=0), x.square().sum(dim=0)])
    scales = {}
    for name, (count, once, squared) in totals.items():
        mean = once / count.clamp(min=1)
        deviation = (squared / count.clamp(min=1) - mean.square()).clamp(min=0).sqrt()
        scales[name] = Scale(mean=mean.float(), deviation=deviation.float())
    return scales


def _noise(batch: Batch, node_type: str, seed: int) -> Tensor:
    """Return standard normal numbers for the features of one type.  [num_nodes, channels]."""
    names = seed, NOISE, batch.node_types.index(node_type), positions_of_nodes(batch, node_type), local_numbers(batch, node_type)
    return torch.from_numpy(normal(*names, width=batch[node_type].x.size(1)))


def _number(schema: GraphSchema, modality: str) -> int:
    """Return the number of a modality among the names in order."""
    return sorted(set(schema.modality_by_node_type.values())).index(modality)
