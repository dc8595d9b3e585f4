"""Dropout by a compiled loop, to the same bits as by PyTorch: one pass, and a byte per value kept for the gradient."""

import ctypes
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphfuse.core.compiled import call, library

SOURCE = Path(__file__).with_name("dropout.cpp")


def drop(x: Tensor, drawn: Tensor, dropped: int, scale: float) -> Tensor:
    """Return x with 0 in place of some values, and the others scaled.

    Args:
        x: [...], float32, on the CPU.
        drawn: A byte per value, [number of values].
        dropped: Bytes below it drop a value.
        scale: Factor of the others.

    Raises:
        ConfigError: If the loop has to be compiled and cannot be.
    """
    return cast("Tensor", _CompiledDropout.apply(x, drawn, dropped, scale))


class _Dropout(ctypes.Structure):
    """`Dropout` of dropout.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("size", "threads", "dropped")),
        ("scale", ctypes.c_float),
        ("drawn", ctypes.c_void_p),
    )


class _CompiledDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, drawn: Tensor, dropped: int, scale: float) -> Tensor:
        ctx.save_for_backward(drawn)
        ctx.numbers = dropped, scale
        return _dropped(x, drawn, dropped, scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _dropped(gradient, *ctx.saved_tensors, *ctx.numbers), None, None, None


def _dropped(values: Tensor, drawn: Tensor, dropped: int, scale: float) -> Tensor:
    values = values.contiguous()
    out = torch.empty_like(values)
    shared = _Dropout(values.numel(), torch.get_num_threads(), dropped, scale, drawn.data_ptr())
    call(library(SOURCE), "drop", shared, values, out)
    return out
