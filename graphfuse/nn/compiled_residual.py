"""`residual` by compiled loops: one pass over all nodes, and one for the gradient."""

import ctypes
from array import array
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphfuse.core.compiled import Loops, addresses
from graphfuse.nn.compiled_dropout import Drawn

SOURCE = Path(__file__).with_name("residual.cpp")


def normalised_sum(
    before: Tensor, received: Tensor, sizes: Sequence[int], norms: Sequence[torch.nn.LayerNorm], drawn: Drawn | None
) -> Tensor:
    """Return `norm(before + dropout(relu(received)))`; all tensors float32, on the CPU.

    Args:
        before: What nodes knew, [num_nodes, channels].
        received: What they received, [num_nodes, channels].
        sizes: Nodes of each type.
        norms: Of each type.
        drawn: Which values are dropped; None: none.

    Raises:
        ConfigError: If the loops have to be compiled and cannot be.
    """
    parameters = [*(norm.weight for norm in norms), *(norm.bias for norm in norms)]
    return cast("Tensor", _CompiledResidual.apply(before, received, sizes, norms[0].eps, drawn, *parameters))


class _Residual(ctypes.Structure):
    """`Residual` of residual.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_types", "threads", "dropped")),
        *((name, ctypes.c_float) for name in ("scale", "epsilon")),
        *((name, ctypes.c_void_p) for name in ("nodes", "weight", "bias", "drawn", "received", "normal", "inverse")),
    )


def _loops(
    threads: int, sizes: Sequence[int], epsilon: float, drawn: Drawn | None, parameters: Sequence[Tensor], *tensors: Tensor
) -> Loops:
    """Return the loops.

    Args:
        threads: That share nodes among them.
        sizes: Nodes of each type.
        epsilon: Of the norms.
        drawn: Which values are dropped.
        parameters: Weights of all norms, then biases.
        tensors: What nodes received, and memory for what the gradient needs: normalised sums, and inverse deviations.
    """
    types = len(sizes)
    dropped, scale, drawn_bytes = (0, 1.0, None) if drawn is None else (drawn.dropped, drawn.scale, drawn.bytes)
    numbers = (types, threads, dropped, scale, epsilon)
    arrays = (array("q", accumulate(sizes, initial=0)), addresses(parameters[:types]), addresses(parameters[types:]), drawn_bytes)
    return Loops(SOURCE, _Residual, *numbers, *arrays, *tensors, CHANNELS=tensors[0].size(1))


class _CompiledResidual(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, before: Tensor, received: Tensor, sizes: Sequence[int], epsilon: float, drawn: Drawn | None, *parameters: Tensor
    ) -> Tensor:
        before, received, parameters = before.contiguous(), received.contiguous(), tuple(each.contiguous() for each in parameters)
        normal, inverse, out = torch.empty_like(before), before.new_empty(before.size(0)), torch.empty_like(before)
        _loops(torch.get_num_threads(), sizes, epsilon, drawn, parameters, received, normal, inverse)("forward", before, out)
        ctx.sizes, ctx.epsilon, ctx.drawn = sizes, epsilon, drawn
        ctx.save_for_backward(received, normal, inverse, *parameters)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        received, normal, inverse, *parameters = ctx.saved_tensors
        threads = torch.get_num_threads()
        loops = _loops(threads, ctx.sizes, ctx.epsilon, ctx.drawn, parameters, received, normal, inverse)
        of_before, of_received = torch.empty_like(normal), torch.empty_like(normal)
        found = [normal.new_zeros(threads, len(ctx.sizes), normal.size(1)) for _ in ("weights", "biases")]
        loops("backward", gradient.contiguous(), of_before, of_received, *found)
        of_parameters = (each for kind in found for each in kind.sum(dim=0).unbind())  # threads added up their own
        return of_before, of_received, None, None, None, *of_parameters
