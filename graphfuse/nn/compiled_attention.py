"""`edge_attention` by the compiled loops."""

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
    source, destination, attention, mix, bias, product_score = tensors
    own = (int(across), slope, LARGEST_EXPONENT, attention, product_score, weight, plan.by_destination.relation, share, unit)
    heads, width = attention.shape[1:]
    tables = (source, destination, mix, bias)
    return EdgeLoops(SOURCE, _Attention, tables, plan, own, HEADS=heads, CHANNELS=heads * width)


class _CompiledAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        *tensors, weight, plan, across, slope = arguments
        tensors = [None if each is None else each.detach().contiguous() for each in tensors]
        order, (_, heads, width) = plan.by_destination.order, tensors[2].shape
        ordered = None if weight is None else weight.detach().index_select(0, order)
        share = tensors[0].new_empty(order.numel(), heads)
        unit = torch.empty_like(share) if weight is not None and ctx.needs_input_grad[6] else None
        out = tensors[0].new_empty(plan.node.num_groups, heads * width)
        _loops(tensors, ordered, share, unit, plan, across, slope)("forward", out)
        ctx.plan, ctx.across, ctx.slope = plan, across, slope
        ctx.save_for_backward(*tensors, ordered, share, unit)
        ctx.mark_non_differentiable(share)
        return out, share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, ordered, share, unit = ctx.saved_tensors
        loops = _loops(tensors, ordered, share, unit, ctx.plan, ctx.across, ctx.slope)
        of_source, of_destination = loops.gradients()
        parameters = [None if each is None else each.new_zeros(loops.threads, *each.shape) for each in tensors[2:]]
        of_weight = None if unit is None else share.new_empty(share.size(0))
        found = (of_source, of_destination, *parameters, of_weight, torch.empty_like(share))
        loops("backward", gradient.contiguous(), tensors[2].size(0), *found)
        of_parameters = [None if each is None else each.sum(dim=0) for each in parameters]  # threads added up their own
        of_weight = None if of_weight is None else ctx.plan.by_destination.in_plan_order(of_weight)
        return loops.of_source(of_source), of_destination, *of_parameters, of_weight, None, None, None
