"""Means per relation by compiled loops, which leave matrix products to BLAS."""

import ctypes
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphfuse.core.compiled import Loops, addresses
from graphfuse.nn.compiled_blas import sgemm
from graphfuse.nn.compiled_relay import CompiledRelay
from graphfuse.nn.typed import TypedTable

SOURCE = Path(__file__).with_name("relational_mean.cpp")


@dataclass(frozen=True, kw_only=True)
class Maps:
    """The linear maps of a layer, float32 on the CPU."""

    weights: Sequence[Tensor]
    """Matrices, one below the other, [k * out_channels, in_channels] each."""
    places: Sequence[tuple[int, int]]
    """Tensor of `weights`, and matrix in it, for each relation, and then for what nodes of each type know themselves."""
    biases: Sequence[Tensor]
    """Of each node type, [out_channels] each."""

    def matrices(self) -> list[int]:
        """Return the address of each matrix, [num_relations + num_types]."""
        first, (bias, *_) = self.weights[0], self.biases
        size = bias.numel() * first.size(1) * first.element_size()
        begins = [weight.data_ptr() for weight in self.weights]
        return [begins[tensor] + number * size for tensor, number in self.places]

    def zeros(self) -> "Maps":
        """Return as many zeros, for gradients."""
        weights, biases = ([torch.zeros_like(each) for each in tensors] for tensors in (self.weights, self.biases))
        return replace(self, weights=weights, biases=biases)


def mean_and_root(x: TypedTable, relay: CompiledRelay, share: Tensor | None, maps: Maps) -> Tensor:
    """Return what each node receives, means of its neighbours per relation, and what it knows itself; projected, and added up.

    Args:
        x: Nodes of all types, [num_nodes, in_channels]; float32, on the CPU.
        relay: The ways of edges.
        share: Share of every edge in the mean of its destination, [num_edges], without gradient; None: equal shares.
        maps: What projects neighbours of each relation, and nodes themselves.

    Returns:
        [num_nodes, out_channels].

    Raises:
        ConfigError: If the loops have to be compiled and cannot be.
    """
    sizes = list(x.sizes.values())
    return cast("Tensor", _CompiledMean.apply(x.table, sizes, relay, share, maps.places, *maps.weights, *maps.biases))


class _Means(ctypes.Structure):
    """`Means` of relational_mean.cpp."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("relay", "sgemm")),
        *((name, ctypes.c_int64) for name in ("threads", "num_types")),
        *((name, ctypes.c_void_p) for name in ("nodes", "matrix", "bias", "share", "x", "mean")),
    )


def _loops(threads: int, sizes: Sequence[int], relay: CompiledRelay, maps: Maps, share: Tensor, x: Tensor, mean: Tensor) -> Loops:
    """Return the loops.

    Args:
        threads: That share relay rows and nodes among them.
        sizes: Nodes of each type.
        relay: The ways of edges.
        maps: Linear maps.
        share: Share of every edge, [num_edges].
        x: Nodes, [num_nodes, in_channels].
        mean: Mean of each relay row at a destination, [num_rows, in_channels]; others are not touched.
    """
    numbers = (relay.layout, sgemm(), threads, len(sizes))
    nodes, matrices, biases = array("q", accumulate(sizes, initial=0)), array("q", maps.matrices()), addresses(maps.biases)
    return Loops(SOURCE, _Means, *numbers, nodes, matrices, biases, share, x, mean, IN=x.size(1), OUT=maps.biases[0].numel())


class _CompiledMean(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        sizes: Sequence[int],
        relay: CompiledRelay,
        share: Tensor | None,
        places: Sequence[tuple[int, int]],
        *parameters: Tensor,
    ) -> Tensor:
        parameters = tuple(each.contiguous() for each in parameters)
        maps = Maps(weights=parameters[: -len(sizes)], places=places, biases=parameters[-len(sizes) :])
        x, share = x.contiguous(), relay.share if share is None else share.contiguous()
        mean, at_sources = (x.new_empty(relay.num_rows, channels) for channels in (x.size(1), maps.biases[0].numel()))
        out = x.new_empty(x.size(0), at_sources.size(1))
        _loops(torch.get_num_threads(), sizes, relay, maps, share, x, mean)("forward", at_sources, out)
        ctx.sizes, ctx.relay, ctx.places = sizes, relay, places
        ctx.save_for_backward(x, share, mean, *parameters)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, share, mean, *parameters = ctx.saved_tensors
        maps = Maps(weights=parameters[: -len(ctx.sizes)], places=ctx.places, biases=parameters[-len(ctx.sizes) :])
        threads = torch.get_num_threads()
        loops = _loops(threads, ctx.sizes, ctx.relay, maps, share, x, mean)
        of_x, at_destinations = torch.empty_like(x), torch.empty_like(mean)
        found = [maps.zeros() for _ in range(threads)]
        of_matrix = array("q", [begin for each in found for begin in each.matrices()])
        of_bias = addresses([bias for each in found for bias in each.biases])
        loops("backward", gradient.contiguous(), at_destinations, of_x, of_matrix, of_bias)
        of_maps = ([each for tensors in (own.weights, own.biases) for each in tensors] for own in found)
        return of_x, None, None, None, None, *(sum(rest, start=first) for first, *rest in zip(*of_maps, strict=True))
