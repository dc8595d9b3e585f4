"""Edge and node weights: one meaning for every layer (contract 2)."""

import torch
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.core.schema import EdgeType
from graphfuse.nn.fusion import EdgeWeights, NodeWeights

LARGEST_EXPONENT = 30.0
"""Bound on exp() for edges of weight 0, so that 0 * exp(x) stays 0 instead of becoming NaN."""


def effective_edge_weights(
    batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
) -> dict[EdgeType, Tensor]:
    """Multiply all that weighs on an edge: its stored weight, the weight given, and the weights of both its ends.

    Returns:
        Weight in [0, 1] per edge, [num_edges]; edge types on which nothing weighs are left out (weight 1).
    """
    weights = {}
    for edge_type in batch.edge_types:
        store = batch[edge_type]
        source, _, destination = edge_type
        factors = []
        if "edge_weight" in store:
            factors.append(store.edge_weight)
        if edge_weight_dict is not None and edge_type in edge_weight_dict:
            factors.append(edge_weight_dict[edge_type])
        if node_weight_dict is not None:
            ends = zip((source, destination), store.edge_index, strict=True)
            factors += [node_weight_dict[node_type][index] for node_type, index in ends if node_type in node_weight_dict]
        if factors:
            weights[edge_type] = torch.stack(factors).prod(dim=0) if len(factors) > 1 else factors[0]
    return weights


def weighted_sum(values: Tensor, index: Tensor, num_groups: int, weight: Tensor | None = None) -> Tensor:
    """Sum rows by group: values [n, channels], index [n], weight [n] -> [num_groups, channels]."""
    if weight is not None:
        values = values * weight.unsqueeze(-1)
    return values.new_zeros(num_groups, values.size(-1)).index_add(0, index, values)


def weighted_mean(values: Tensor, index: Tensor, num_groups: int, weight: Tensor | None = None) -> Tensor:
    """Average rows by group; a group of total weight 0 is 0: values [n, channels] -> [num_groups, channels]."""
    mass = values.new_ones(index.numel()) if weight is None else weight
    total = values.new_zeros(num_groups).index_add(0, index, mass)
    # a tiny total (weights near 0) must still divide exactly, so only exact zeros are replaced
    total = torch.where(total == 0, torch.ones_like(total), total)
    return weighted_sum(values, index, num_groups, weight) / total.unsqueeze(-1)


def weighted_softmax(score: Tensor, index: Tensor, num_groups: int, weight: Tensor | None = None) -> Tensor:
    """Softmax within groups, in which an element of weight w counts w times.

    Weight 0 is exactly the element removed: the others renormalise as if it had never been there.

    Args:
        score: Any real values, [n, heads].
        index: Group of each row, [n].
        num_groups: Number of groups.
        weight: Weight in [0, 1], [n]; None means 1.

    Returns:
        Shares that sum to 1 over each group that has any weight, [n, heads].
    """
    seen = score if weight is None else score.masked_fill((weight == 0).unsqueeze(-1), -torch.inf)
    peak = score.new_full((num_groups, score.size(1)), -torch.inf)
    peak = peak.scatter_reduce(0, index.unsqueeze(-1).expand_as(score), seen.detach(), "amax")
    peak = torch.where(peak.isinf(), torch.zeros_like(peak), peak)
    mass = (score - peak.index_select(0, index)).clamp(max=LARGEST_EXPONENT).exp()
    if weight is not None:
        mass = mass * weight.unsqueeze(-1)
    total = score.new_zeros(num_groups, score.size(1)).index_add(0, index, mass)
    total = torch.where(total == 0, torch.ones_like(total), total)
    return mass / total.index_select(0, index)
