"""`edge_attention` by the compiled loops: they go through edges and nodes, torch multiplies matrices."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphfuse.nn.compiled_edges import EdgeLoops, Edges
from graphfuse.nn.plan import EdgePlan
from graphfuse.nn.weights import LARGEST_EXPONENT

SOURCE = Path(__file__).with_name("edge_attention.cpp")


def attend(tensors: Sequence[Tensor | None], plan: EdgePlan, *, across_relations: bool, slope: float) -> tuple[Tensor, Tensor]:
    """Return what `edge_attention` returns.

    Args:
        tensors: Source, destination, attention, mix, bias, product_score and weight; float32, on the CPU.
        plan: Where edges find their slots.
        across_relations: One softmax per node; else one per destination slot.
        slope: Of the leaky rectifier.

    Raises:
        ConfigError: If the loops have to be compiled and cannot be.
    """
    return cast("tuple[Tensor, Tensor]", _CompiledAttention.apply(*tensors, plan, across_relations, slope))


class _Attention(Edges):
    """`Attention` of edge_attention.cpp."""

    _fields_ = (
        ("across_relations", ctypes.c_int64),
        *((name, ctypes.c_float) for name in ("slope", "largest_exponent")),
        *((name, ctypes.c_void_p) for name in ("attention", "product_score", "weight", "relation", "share", "unit")),
    )


def _loops(
    tensors: Sequence[Tensor], weight: Tensor | None, share: Tensor, unit: Tensor | None, plan: EdgePlan, across: bool, slope: float
) -> EdgeLoops:
    """Return the loops.

    Args:
        tensors: Source, destination, attention, mix, bias, product_score as `edge_attention` takes them.
        weight: Weight of every sorted edge, or None.
        share: Share of every sorted edge, [num_edges, heads].
        unit: Share of a weight of 1, or None.
        plan: Where edges find their slots.
        across: One softmax per node.
        slope: Of the leaky rectifier.
    """
    source, destination, attention, _, _, product_score = tensors
    own = (int(across), slope, LARGEST_EXPONENT, attention, product_score, weight, plan.by_destination.relation, share, unit)
    heads, width = attention.shape[1:]
    return EdgeLoops(SOURCE, _Attention, source, destination, plan, own, HEADS=heads, CHANNELS=heads * width)


def _blocks(plan: EdgePlan, mix: Tensor | None) -> list[tuple[slice, slice]]:
    """Return edges and nodes that go at once: all, but for what torch has to multiply in between."""
    if mix is None:
        return [(slice(0, sum(plan.sizes)), slice(0, plan.node.num_groups))]
    return [(block.edges, block.nodes) for block in plan.by_destination.blocks]


class _CompiledAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        *tensors, weight, plan, across, slope = arguments
        tensors = [None if each is None else each.detach().contiguous() for each in tensors]
        by, (_, heads, width), mix, bias = plan.by_destination, tensors[2].shape, tensors[3], tensors[4]
        ordered = None if weight is None else weight.detach().index_select(0, by.order)
        share = tensors[0].new_empty(by.order.numel(), heads)
        unit = torch.empty_like(share) if weight is not None and ctx.needs_input_grad[6] else None
        out = tensors[0].new_empty(plan.node.num_groups, heads * width)
        if mix is not None:  # blocks may leave out nodes without edges
            out.zero_()
        loops = _loops(tensors, ordered, share, unit, plan, across, slope)
        for edges, nodes in _blocks(plan, mix):
            product = None if mix is None else loops.product(edges, nodes, mix, bias)[1]
            loops("forward", nodes, product, out)
        ctx.plan, ctx.across, ctx.slope = plan, across, slope
        ctx.save_for_backward(*tensors, ordered, share, unit)
        ctx.mark_non_differentiable(share)
        return out, share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, ordered, share, unit = ctx.saved_tensors
        _, _, attention, mix, bias, score = tensors
        loops, gradient = _loops(tensors, ordered, share, unit, ctx.plan, ctx.across, ctx.slope), gradient.contiguous()
        of_source, of_destination = loops.gradients()
        of_attention = attention.new_zeros(loops.threads, *attention.shape)
        of_product_term: list[Any] = [None if each is None else torch.zeros_like(each) for each in (mix, bias, score)]
        of_score, of_weight = torch.empty_like(share), None if unit is None else share.new_empty(share.size(0))
        for edges, nodes in _blocks(ctx.plan, mix):
            found = (gradient, attention.size(0), of_source, of_destination, of_attention, of_score, of_weight)
            if mix is None:
                loops("backward", nodes, None, *found, None)
                continue
            pairs, product = loops.product(edges, nodes, mix, bias)
            of_product = torch.empty_like(product)
            loops("backward", nodes, product, *found, of_product)
            of_mix, of_bias, of_product_score = of_product_term
            of_mix.addmm_(of_product.t(), pairs)
            of_bias.add_(of_product.sum(dim=0))
            of_product_score.addmm_(of_score[edges].t(), product)
            loops("backward_pair", nodes, of_product @ mix, of_source, of_destination)
        of_weight = None if of_weight is None else ctx.plan.by_destination.in_plan_order(of_weight)
        return loops.of_source(of_source), of_destination, of_attention.sum(dim=0), *of_product_term, of_weight, None, None, None
