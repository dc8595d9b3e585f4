"""Dropout by a compiled loop, to the same bits as by PyTorch: one pass, and a byte per value kept for the gradient."""

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphfuse.core.compiled import Loops

SOURCE = Path(__file__).with_name("dropout.cpp")


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Which values are dropped."""

    bytes: Tensor
    """A byte per value, [number of values]."""
    dropped: int
    """Bytes below it drop a value."""
    scale: float
    """Factor of the others."""


def drop(x: Tensor, drawn: Drawn) -> Tensor:
    """Return x, [...], with 0 in place of what is dropped, and the rest scaled; float32, on the CPU.

    Raises:
        ConfigError: If the loop has to be compiled and cannot be.
    """
    return cast("Tensor", _CompiledDropout.apply(x, drawn))


class _Dropout(ctypes.Structure):
    """`Dropout` of dropout.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("size", "threads", "dropped")),
        ("scale", ctypes.c_float),
        ("drawn", ctypes.c_void_p),
    )


class _CompiledDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, drawn: Drawn) -> Tensor:
        ctx.drawn = drawn
        return _dropped(x, drawn)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _dropped(gradient, ctx.drawn), None


def _dropped(values: Tensor, drawn: Drawn) -> Tensor:
    values = values.contiguous()
    out = torch.empty_like(values)
    Loops(SOURCE, _Dropout, values.numel(), torch.get_num_threads(), drawn.dropped, drawn.scale, drawn.bytes)("drop", values, out)
    return out
