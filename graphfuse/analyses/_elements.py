"""The elements that analyses score: edges, each taken together with its reverse twin."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.analyses._copies import edge_sample
from graphfuse.core.errors import ConfigError, suggest
from graphfuse.core.schema import EdgeType, edge_name, reverse_edge_type


@dataclass(frozen=True, kw_only=True)
class Elements:
    """The edges of a batch as elements, ordered by sample; parallel edges between the same ends are one element."""

    kinds: tuple[str, ...]
    """Edge names, `source__relation__destination`, of the forward types."""
    kind: Tensor
    """Position in `kinds`, [num_elements]."""
    sample: Tensor
    """Ascending, [num_elements]."""
    source: Tensor
    """Position within the sample's nodes of the source type, [num_elements]."""
    target: Tensor
    """Position within the sample's nodes of the destination type, [num_elements]."""
    of_edge: dict[EdgeType, Tensor]
    """Element of each edge, [num_edges]."""

    def __len__(self) -> int:
        """Return the number of elements."""
        return self.kind.numel()

    def weights(self, keep: Tensor) -> dict[EdgeType, Tensor]:
        """Return edge weights that remove all elements not in the mask `keep` [num_elements]."""
        return {edge_type: keep[element].float() for edge_type, element in self.of_edge.items()}

    def mean(self, values: dict[EdgeType, Tensor]) -> Tensor:
        """Return the mean of values over the edges of each element; 0 where there are none, [num_elements]."""
        count = torch.zeros(len(self))
        for edge_type in values:
            if edge_type in self.of_edge:
                count.index_add_(0, self.of_edge[edge_type], torch.ones(self.of_edge[edge_type].numel()))
        return self.sum(values) / count.clamp(min=1)

    def sum(self, values: dict[EdgeType, Tensor]) -> Tensor:
        """Return the sum of values over the edges of each element, [num_elements]."""
        total = torch.zeros(len(self))
        for edge_type, value in values.items():
            if edge_type in self.of_edge:
                total.index_add_(0, self.of_edge[edge_type], value.detach().float().reshape(-1))
        return total


def kinds_of(batch: Batch, joint_reverse: bool, edge_kinds: Sequence[str] = ()) -> dict[str, tuple[EdgeType, ...]]:
    """Return the edge types of each edge kind: the forward type, and its reverse twin when they are one element.

    Args:
        batch: A schema-complete batch.
        joint_reverse: Whether a type and its `rev_` twin are one kind.
        edge_kinds: Edge names to choose; empty means all.

    Raises:
        ConfigError: If a chosen edge kind is not in the batch.
    """
    types = list(batch.edge_types)
    twins = {reverse_edge_type(edge_type) for edge_type in types} & set(types) if joint_reverse else set()
    forward = [edge_type for edge_type in types if edge_type not in twins]
    kinds = {
        edge_name(edge_type): (edge_type, *(twin for twin in [reverse_edge_type(edge_type)] if twin in twins)) for edge_type in forward
    }
    unknown = [name for name in edge_kinds if name not in kinds]
    if unknown:
        raise ConfigError(
            [f"analyses.edge_kinds: '{name[:80]}' is not an edge kind of this store. {suggest(name, kinds)}" for name in unknown]
        )
    return {name: types for name, types in kinds.items() if not edge_kinds or name in edge_kinds}


def edge_elements(batch: Batch, joint_reverse: bool, edge_kinds: Sequence[str] = ()) -> Elements:
    """Return the elements of a batch (see `kinds_of` for the arguments)."""
    kinds = kinds_of(batch, joint_reverse, edge_kinds)
    parts = [_pairs(batch, types) for types in kinds.values()]
    sizes = [len(source) for source, _, _, _ in parts]
    sample = torch.cat([torch.empty(0, dtype=torch.int64), *(part[2] for part in parts)])
    order = torch.sort(sample, stable=True).indices
    rank = torch.empty_like(order)
    rank[order] = torch.arange(order.numel())
    of_edge: dict[EdgeType, Tensor] = {}
    start = 0
    for size, (_, _, _, members) in zip(sizes, parts, strict=True):
        of_edge |= {edge_type: rank[start + element] for edge_type, element in members.items()}
        start += size
    empty = torch.empty(0, dtype=torch.int64)
    return Elements(
        kinds=tuple(kinds),
        kind=torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes, dtype=torch.int64))[order],
        sample=sample[order],
        source=torch.cat([empty, *(part[0] for part in parts)])[order],
        target=torch.cat([empty, *(part[1] for part in parts)])[order],
        of_edge=of_edge,
    )


def _pairs(batch: Batch, types: tuple[EdgeType, ...]) -> tuple[Tensor, Tensor, Tensor, dict[EdgeType, Tensor]]:
    """Return source, target and sample of the distinct (source, destination) pairs, and the pair of every edge."""
    source_type, _, target_type = types[0]
    width = max(int(batch[target_type].num_nodes), 1)
    # the twin runs the other way: flip it so that both give the same pair
    ends = [batch[edge_type].edge_index.flip(0) if place else batch[edge_type].edge_index for place, edge_type in enumerate(types)]
    pairs, inverse = torch.unique(torch.cat([source * width + target for source, target in ends]), return_inverse=True)
    source, target = pairs // width, pairs % width
    sample = batch[source_type].batch[source]
    local_source = source - batch[source_type].ptr[sample]
    local_target = target - batch[target_type].ptr[batch[target_type].batch[target]]
    lengths = [index.shape[1] for index in ends]
    members = dict(zip(types, torch.split(inverse, lengths), strict=True))
    return local_source, local_target, sample, members


def samples_with(batch: Batch, types: tuple[EdgeType, ...]) -> Tensor:
    """Return the number of edges of some types in each sample, [batch_size]."""
    return sum((edge_sample(batch, edge_type).bincount(minlength=batch.num_graphs) for edge_type in types), torch.zeros(batch.num_graphs))


def rank_in_sample(sample: Tensor, score: Tensor) -> Tensor:
    """Return each element's place among its sample's, 0 for the highest score; equal scores keep their order, [num_elements]."""
    by_score = torch.sort(score, descending=True, stable=True).indices
    order = by_score[torch.sort(sample[by_score], stable=True).indices]
    count = sample.bincount()
    first = count.cumsum(0) - count
    rank = torch.empty_like(order)
    rank[order] = torch.arange(order.numel()) - first[sample[order]]
    return rank
