"""Attention over edges, block by block: forward and gradient, written out.

Attention needs a dozen tensors of [num_edges, channels]; of a large batch each goes to memory and back, and autograd keeps most
of them for the gradient. Here a few thousand edges at a time go through all steps, nothing but each edge's share is kept, and the
gradient computes the rest again. Compiled loops do the same if asked for (`graphfuse.core.compiled`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from graphfuse.core import compiled
from graphfuse.nn import compiled_attention
from graphfuse.nn.groups import Groups, add_up
from graphfuse.nn.plan import EdgeBlock, EdgePlan
from graphfuse.nn.weights import softmax_gradient, softmax_shares

SLOPE = 0.2
"""Of the leaky rectifier, as in GATv2."""


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """Parameters of score and message."""

    attention: Tensor
    """Score vector per relation and head, [num_relations, heads, channels / heads]."""
    mix: Tensor | None = None
    """Of the product term `relu(mix (key * query) + bias)`; None leaves it out.  [channels, channels]"""
    bias: Tensor | None = None
    """[channels]"""
    product_score: Tensor | None = None
    """What the product adds to the score, [heads, channels]."""


def edge_attention(
    source: Tensor, destination: Tensor, scoring: Scoring, plan: EdgePlan, weight: Tensor | None, *, across_relations: bool
) -> tuple[Tensor, Tensor]:
    """Attend along all edges at once.

    Args:
        source: Value of every source slot, and behind it its key if there is a product, [num_source_slots, channels or 2 channels].
        destination: Match of every destination slot, and behind it its query, likewise.
        scoring: Parameters of score and message.
        plan: Where edges find their slots.
        weight: Weight in [0, 1] per edge, or None, [num_edges].
        across_relations: One softmax over all incoming edges of a node; else one per relation, their results summed.

    Returns:
        What each node receives [num_nodes, channels], and the share of every edge in the order of `plan.by_destination`, without
        gradient [num_edges, heads].
    """
    tensors = (source, destination, scoring.attention, scoring.mix, scoring.bias, scoring.product_score, weight)
    if compiled.fits(tensors):
        return compiled_attention.attend(tensors, plan, across_relations=across_relations, slope=SLOPE)
    return cast("tuple[Tensor, Tensor]", _EdgeAttention.apply(*tensors, plan, across_relations))


class _Edges:
    """What forward and gradient both need of the edges of a block; n of them."""

    def __init__(self, tensors: Sequence[Tensor], block: EdgeBlock) -> None:
        source, destination, attention, self.mix, bias, self.product_score = tensors
        self.heads, channels = attention.size(1), attention.size(1) * attention.size(2)
        # 1. Both ends, and the score vector of the relation.  [n, channels] each
        value, *key = torch.split(source.index_select(0, block.source), channels, dim=1)
        match, *query = torch.split(destination.index_select(0, block.destination), channels, dim=1)
        self.joint = value + match
        self.attention = attention.flatten(1).index_select(0, block.relation)
        # 2. The product term, and the message.  [n, channels]
        self.ends, self.product, self.message = (*key, *query), None, value
        if self.mix is not None:
            self.product = torch.addmm(bias, self.ends[0] * self.ends[1], self.mix.t()).relu_()
            self.message = value + self.product

    def scores(self) -> Tensor:
        """Return the score of every edge, [n, heads]."""
        scores = _by_head(functional.leaky_relu(self.joint, SLOPE).mul_(self.attention), self.heads)
        # transposed twice, since a product with so few columns is twice as slow
        return scores if self.product is None else scores.add_((self.product_score @ self.product.t()).t())


class _EdgeAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        *tensors, weight, plan, across_relations = arguments
        by, (_, heads, width) = plan.by_destination, tensors[2].shape
        ordered = None if weight is None else weight.index_select(0, by.order)
        out = tensors[0].new_zeros(plan.node.num_groups, heads * width)
        share = tensors[0].new_empty(by.order.numel(), heads)
        unit = torch.empty_like(share) if ctx.needs_input_grad[6] else None
        for block in by.blocks:
            edges, competing = _Edges(tensors, block), block.by_node if across_relations else block.by_slot
            shares, alone = softmax_shares(edges.scores(), competing, None if ordered is None else ordered[block.edges])
            share[block.edges] = shares
            if unit is not None:
                unit[block.edges] = alone
            out[block.nodes] = add_up(_times(edges.message, shares), block.by_node)
        ctx.plan, ctx.across_relations = plan, across_relations
        ctx.save_for_backward(*tensors, share, unit)
        ctx.mark_non_differentiable(share)
        return out, share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, share, unit = ctx.saved_tensors
        by, found = ctx.plan.by_destination, _Gradients(tensors, share, unit)
        for block in by.blocks:
            found.add(_Edges(tensors, block), block, block.by_node if ctx.across_relations else block.by_slot, gradient)
        of_weight = None if found.weight is None else by.in_plan_order(found.weight)
        of_source = add_up(found.source, by.sources)
        return of_source, found.destination, found.attention.view_as(tensors[2]), found.mix, found.bias, found.score, of_weight, None, None


class _Gradients:
    """Gradients of everything, gathered block by block."""

    def __init__(self, tensors: list[Tensor], share: Tensor, unit: Tensor | None) -> None:
        source, destination, attention, mix, bias, score = tensors
        self._share, self._unit = share, unit
        self.source = source.new_empty(share.size(0), source.size(1))
        """Per edge, since the edges of a source lie in many blocks."""
        self.destination = torch.zeros_like(destination)
        self.attention = torch.zeros_like(attention.flatten(1))
        self.mix, self.bias, self.score = (None if each is None else torch.zeros_like(each) for each in (mix, bias, score))
        self.weight = None if unit is None else unit.new_empty(unit.size(0))

    def add(self, edges: _Edges, block: EdgeBlock, competing: Groups, gradient: Tensor) -> None:
        """Add what a block of edges contributes; gradient [num_nodes, channels]."""
        arrived, share = gradient.index_select(0, block.node), self._share[block.edges]
        # 1. The softmax.  [n, heads]
        apart = softmax_gradient(_by_head(arrived * edges.message, edges.heads), share, competing)
        of_score = share * apart
        if self._unit is not None and self.weight is not None:
            self.weight[block.edges] = (self._unit[block.edges] * apart).sum(dim=1)
        # 2. The additive score.  [n, channels]
        self.attention.index_add_(0, block.relation, _times(functional.leaky_relu(edges.joint, SLOPE), of_score))
        # written where they are wanted, without a copy to join the halves of a row
        of_source, of_ends = self.source[block.edges], edges.joint.new_empty(share.size(0), self.destination.size(1))
        channels = edges.joint.size(1)
        of_joint = of_ends[:, :channels]
        torch.ops.aten.leaky_relu_backward.grad_input(_times(edges.attention, of_score), edges.joint, SLOPE, False, grad_input=of_joint)
        # 3. The message and its product term.  [n, channels]
        of_message = _times(arrived, share)
        torch.add(of_message, of_joint, out=of_source[:, :channels])
        if edges.product is not None:
            of_pair = self._product(edges, of_message, of_score)
            key, query = edges.ends
            torch.mul(of_pair, query, out=of_source[:, channels:])
            torch.mul(of_pair, key, out=of_ends[:, channels:])
        self.destination[block.slots] = add_up(of_ends, block.by_slot)

    def _product(self, edges: _Edges, of_message: Tensor, of_score: Tensor) -> Tensor:
        """Return the gradient of `key * query`, [n, channels], and note those of the parameters."""
        assert edges.product is not None, "asked for where there is a product only"
        of_product = torch.addmm(of_message, of_score, edges.product_score)
        of_product = torch.ops.aten.threshold_backward(of_product, edges.product, 0)  # of the rectifier
        self.score.addmm_(of_score.t(), edges.product)
        self.mix.addmm_(of_product.t(), edges.ends[0] * edges.ends[1])
        self.bias.add_(of_product.sum(dim=0))
        return of_product @ edges.mix


def _by_head(values: Tensor, heads: int) -> Tensor:
    """Add up the channels of each head: [n, channels] -> [n, heads]."""
    # a product with ones: torch adds up so few neighbours at half the speed
    parts = values.view(-1, values.size(1) // heads)
    return parts.mv(parts.new_ones(parts.size(1))).view(-1, heads)


def _times(values: Tensor, factor: Tensor) -> Tensor:
    """Multiply each head's channels: [n, channels], [n, heads] -> [n, channels]."""
    heads = factor.size(1)
    return (values.view(-1, heads, values.size(1) // heads) * factor.unsqueeze(-1)).flatten(1)
