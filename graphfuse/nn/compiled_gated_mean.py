"""Means of gated messages by compiled loops."""

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphfuse.nn.compiled_edges import EdgeLoops, Edges
from graphfuse.nn.plan import EdgePlan

SOURCE = Path(__file__).with_name("gated_mean.cpp")


@dataclass(frozen=True, kw_only=True)
class Gating:
    """Parameters of the product term `relu(mix (key * query) + bias)`, and of the gate `sigmoid(gate product + gate_bias)`."""

    mix: Tensor
    """[channels, channels]"""
    bias: Tensor
    """[channels]"""
    gate: Tensor
    """[1, channels]"""
    gate_bias: Tensor
    """[1]"""


def gated_mean(source: Tensor, destination: Tensor, gating: Gating, plan: EdgePlan, share: Tensor) -> tuple[Tensor, Tensor]:
    """Add up `share * gate * (value + product)` of the edges of each node; all tensors float32, on the CPU.

    Args:
        source: Value of every source slot, and behind it its key, [num_source_slots, 2 channels].
        destination: Query of every destination slot, [num_destination_slots, channels].
        gating: Parameters of product and gate.
        plan: Where edges find their slots.
        share: Share of every edge in the mean of its destination slot, [num_edges].

    Returns:
        What each node receives [num_nodes, channels], and the gate of every edge in the order of `plan.by_destination`, without
        gradient [num_edges].

    Raises:
        ConfigError: If the loops have to be compiled and cannot be.
    """
    parameters = (gating.mix, gating.bias, gating.gate, gating.gate_bias)
    return cast("tuple[Tensor, Tensor]", _CompiledGates.apply(source, destination, *parameters, share, plan))


class _Gates(Edges):
    """`Gates` of gated_mean.cpp."""

    _fields_ = (("gate_bias", ctypes.c_float), *((name, ctypes.c_void_p) for name in ("weight", "share", "gate")))


def _loops(tensors: list[Tensor], share: Tensor, found: Tensor, plan: EdgePlan) -> EdgeLoops:
    *tables, gate, gate_bias = tensors
    return EdgeLoops(SOURCE, _Gates, tables, plan, (gate_bias.item(), gate, share, found), CHANNELS=tables[2].size(0))


class _CompiledGates(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        *tensors, share, plan = arguments
        tensors = [each.detach().contiguous() for each in tensors]
        ordered = share.detach().index_select(0, plan.by_destination.order)
        gate, out = torch.empty_like(ordered), tensors[0].new_empty(plan.node.num_groups, tensors[4].size(1))
        _loops(tensors, ordered, gate, plan)("forward", out)
        ctx.plan = plan
        ctx.save_for_backward(*tensors, ordered, gate)
        ctx.mark_non_differentiable(gate)
        return out, gate

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, share, gate = ctx.saved_tensors
        loops = _loops(tensors, share, gate, ctx.plan)
        of_source, of_destination = loops.gradients()
        parameters = [each.new_zeros(loops.threads, *each.shape) for each in tensors[2:5]]
        of_score, of_share = torch.empty_like(share), torch.empty_like(share) if ctx.needs_input_grad[6] else None
        loops("backward", gradient.contiguous(), of_source, of_destination, *parameters, of_share, of_score)
        of_parameters = [each.sum(dim=0) for each in parameters]  # threads added up their own
        of_share = None if of_share is None else ctx.plan.by_destination.in_plan_order(of_share)
        return loops.of_source(of_source), of_destination, *of_parameters, of_score.sum(dim=0, keepdim=True), of_share, None
