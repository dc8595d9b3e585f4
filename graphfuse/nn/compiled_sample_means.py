"""Means of each sample's nodes per type by compiled loops, to the same bits as by PyTorch."""

import ctypes
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphfuse.core.compiled import Loops, addresses
from graphfuse.nn.typed import TypedTable

SOURCE = Path(__file__).with_name("sample_means.cpp")


def sample_means(x: TypedTable, pointers: Sequence[Tensor]) -> TypedTable:
    """Return the mean of each sample's nodes per type, 0 where there are none, [batch_size, channels].

    Args:
        x: Nodes of all types, sample after sample; float32, on the CPU.
        pointers: First node of each sample within its type, and the end, [batch_size + 1] per type.

    Raises:
        ConfigError: If the loops have to be compiled and cannot be.
        IndexError: If pointers do not ascend from 0 to the number of nodes.
    """
    means = cast("Tensor", _CompiledMeans.apply(x.table, list(x.sizes.values()), pointers))
    return TypedTable(means, dict.fromkeys(x, means.size(0) // len(pointers)))


class _Samples(ctypes.Structure):
    """`Samples` of sample_means.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_types", "num_samples", "threads")),
        *((name, ctypes.c_void_p) for name in ("sizes", "pointers")),
    )


class _CompiledMeans(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sizes: Sequence[int], pointers: Sequence[Tensor]) -> Tensor:
        x, num_samples = x.contiguous(), pointers[0].numel() - 1
        counts = (len(sizes), num_samples, torch.get_num_threads())
        loops = Loops(SOURCE, _Samples, *counts, array("q", sizes), addresses(pointers), CHANNELS=x.size(1))
        means = x.new_empty(len(sizes) * num_samples, x.size(1))
        if not loops("forward", x, means):
            raise IndexError(f"A batch's pointers must ascend from 0 to the number of nodes of each type (got {list(sizes)} nodes).")
        ctx.shape, ctx.loops, ctx.pointers = x.shape, loops, pointers
        return means

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradient.contiguous()
        of_x = gradient.new_empty(ctx.shape)
        ctx.loops("backward", gradient, of_x)
        return of_x, None, None
