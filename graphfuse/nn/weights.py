"""Edge and node weights: one meaning for every layer (contract 2)."""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch_geometric.data import Batch

from graphfuse.core.schema import EdgeType
from graphfuse.nn.fusion import EdgeWeights, NodeWeights
from graphfuse.nn.groups import Groups, add_up, largest, total

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


def weighted_mean(values: Tensor, groups: Groups, weight: Tensor | None = None) -> Tensor:
    """Average rows by group; a group of total weight 0 is 0: values [n, channels], weight [n] -> [num_groups, channels]."""
    # a tiny total (weights near 0) must still divide exactly, so only exact zeros are replaced
    return total(values, groups, weight) / without_zeros(mass(groups, weight)).unsqueeze(-1)


def mass(groups: Groups, weight: Tensor | None) -> Tensor:
    """Return the total weight of each group, which is its size where nothing weighs: [num_groups]."""
    return groups.counts if weight is None else total(weight.unsqueeze(-1), groups).squeeze(-1)


def without_zeros(divisor: Tensor) -> Tensor:
    """Return a divisor with 1 in place of 0."""
    return torch.where(divisor == 0, torch.ones_like(divisor), divisor)


def weighted_softmax(score: Tensor, groups: Groups, weight: Tensor | None = None) -> Tensor:
    """Softmax within groups, in which an element of weight w counts w times.

    Weight 0 is exactly the element removed: the others renormalise as if it had never been there.

    Args:
        score: Any real values, [n, heads].
        groups: Group of each row.
        weight: Weight in [0, 1], [n]; None means 1.

    Returns:
        Shares that sum to 1 over each group that has any weight, [n, heads].
    """
    return cast("Tensor", _Softmax.apply(score, weight, groups))


def softmax_shares(score: Tensor, groups: Groups, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return what `weighted_softmax` gives, and what it would give each row if its weight alone were 1; without gradient."""
    seen = score if weight is None else score.masked_fill((weight == 0).unsqueeze(-1), -torch.inf)
    unit = score.sub(largest(seen, groups).index_select(0, groups.index)).clamp_(max=LARGEST_EXPONENT).exp_()
    weighed = unit if weight is None else unit * weight.unsqueeze(-1)
    divisor = without_zeros(add_up(weighed, groups)).index_select(0, groups.index)
    weighed = weighed / divisor
    return weighed, weighed if weight is None else unit / divisor


def softmax_gradient(gradient: Tensor, weighed: Tensor, groups: Groups) -> Tensor:
    """Return how much each row's gradient is above its group's mean, [n, heads].

    Times `weighed` it is the gradient of the score; times the share of a row of weight 1, and summed over heads, that of the weight.
    """
    return gradient - add_up(gradient * weighed, groups).index_select(0, groups.index)


class _Softmax(torch.autograd.Function):
    """The gradient in closed form: what autograd would keep of each step are tensors of all rows."""

    @staticmethod
    def forward(ctx: Any, score: Tensor, weight: Tensor | None, groups: Groups) -> Tensor:
        weighed, unit = softmax_shares(score, groups, weight)
        ctx.groups = groups
        ctx.save_for_backward(weighed, unit if ctx.needs_input_grad[1] else None)
        return weighed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None]:
        weighed, unit = ctx.saved_tensors
        apart = softmax_gradient(gradient, weighed, ctx.groups)
        return weighed * apart, None if unit is None else (unit * apart).sum(dim=1), None
