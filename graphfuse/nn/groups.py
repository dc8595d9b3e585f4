"""Rows by group: taking a group's row for every member, and adding members up, without a tensor per member where none is needed.

`take` and `total` are each other's gradient, and `send` is both at once. Sums go through torch's `embedding_bag`, which adds rows up
group after group: several times as fast as gathering and `index_add` (experiments/speed, work `pieces`).
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphfuse.core.tables import IntArray

_FEW = 2**16
"""Groups whose numbers numpy sorts digit by digit; for more, scipy counts them, which takes longer to begin with."""
Context = Any
"""What torch hands from forward to backward; it has no public type."""


class Groups:
    """Which group each row belongs to.

    Args:
        index: Group of each row, from 0, in any order, [num_rows].
        num_groups: Number of groups; some may be empty.
        ordered: Whether rows are known to stand group after group.
        offsets: Where each group begins, and where the last ends, if that is known, [num_groups + 1].
    """

    def __init__(self, index: Tensor, num_groups: int, *, ordered: bool = False, offsets: Tensor | None = None) -> None:
        self.index = index
        self.num_groups = num_groups
        self.ordered = ordered
        if offsets is not None:
            self.offsets = offsets

    @cached_property
    def counts(self) -> Tensor:
        """Rows in each group, [num_groups]."""
        return torch.bincount(self.index, minlength=self.num_groups)

    @cached_property
    def offsets(self) -> Tensor:
        """Where each group begins in `order`, and where the last ends, [num_groups + 1]."""
        offsets = self.counts.new_zeros(self.num_groups + 1)
        torch.cumsum(self.counts, dim=0, out=offsets[1:])
        return offsets

    @cached_property
    def order(self) -> Tensor:
        """Rows, group after group, in their order within each, [num_rows]."""
        if self.ordered:
            return torch.arange(self.index.numel(), device=self.index.device)
        if self.index.is_cuda:
            return torch.argsort(self.index, stable=True)
        return torch.from_numpy(_counted(self.index.numpy(), self.num_groups))


def _counted(index: IntArray, num_groups: int) -> IntArray:
    """Return the rows group after group, in their order within each: as torch would sort them, in a third of the time."""
    if num_groups <= _FEW:
        return np.argsort(index.astype(np.uint16), kind="stable")
    rows = len(index)
    return np.asarray(csr_array((np.arange(rows), index, np.array([0, rows])), shape=(1, num_groups)).tocsc().data)


def repeated(values: Sequence[int] | IntArray, times: Sequence[int] | IntArray, device: torch.device) -> Tensor:
    """Return each value as often as `times` says, [sum of times], laid out where it is wanted, since ways to a GPU are long."""
    if device.type == "cpu":
        return torch.from_numpy(np.repeat(np.asarray(values, dtype=np.int64), times))
    few = torch.as_tensor(np.stack([values, times]), device=device)
    return torch.repeat_interleave(few[0], few[1], output_size=int(np.sum(times)))


def take(x: Tensor, groups: Groups) -> Tensor:
    """Return its group's row for every row: x [num_groups, channels] -> [num_rows, channels]."""
    return cast("Tensor", _Take.apply(x, groups))


def total(values: Tensor, groups: Groups, weight: Tensor | None = None) -> Tensor:
    """Add up each group's rows: values [num_rows, channels], weight [num_rows] -> [num_groups, channels]."""
    return cast("Tensor", _Total.apply(values, weight, groups))


def send(x: Tensor, source: Groups, destination: Groups, weight: Tensor | None = None) -> Tensor:
    """Send a row along every edge and add up what arrives: `total(take(x, source), destination, weight)` without a row per edge.

    Args:
        x: Rows of the sources, [source.num_groups, channels].
        source: Source of each edge.
        destination: Destination of each edge.
        weight: Factor of each edge, [num_edges]; None means 1.

    Returns:
        [destination.num_groups, channels].
    """
    return cast("Tensor", _Send.apply(x, weight, source, destination))


def largest(values: Tensor, groups: Groups) -> Tensor:
    """Return the largest value of each group and column, 0 for an empty group: [num_rows, columns] -> [num_groups, columns].

    Without gradient.
    """
    with torch.no_grad():
        ordered = values.detach() if groups.ordered else values.detach().index_select(0, groups.order)
        # on a CPU segment_reduce is slow for sums of wide rows, not for maxima of a few columns
        peak = torch.segment_reduce(ordered, "max", offsets=groups.offsets, initial=-torch.inf, unsafe=True)
        return peak.masked_fill_(peak == -torch.inf, 0.0)


def add_up(values: Tensor, groups: Groups) -> Tensor:
    """Add up each group's rows, without gradient: [num_rows, channels] -> [num_groups, channels]."""
    return _bag(values, groups.order, groups.offsets, None)


def _bag(table: Tensor, index: Tensor, offsets: Tensor, weight: Tensor | None) -> Tensor:
    """Add up rows `index` of a table, bag after bag: [num_bags, channels]."""
    if not index.numel():
        return table.new_zeros(offsets.numel() - 1, table.size(1))
    # detached, since for a table that requires gradients torch also notes what only its own backward needs
    return torch.embedding_bag(table.detach().contiguous(), index, offsets, False, 0, False, weight, True)[0]


def _dots(left: Tensor, left_rows: Tensor, right: Tensor, right_rows: Tensor | None = None) -> Tensor:
    """Return the dot product of chosen rows, [n]."""
    chosen = right if right_rows is None else right.index_select(0, right_rows)
    return (left.index_select(0, left_rows) * chosen).sum(dim=1)


class _Take(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Context, x: Tensor, groups: Groups) -> Tensor:
        ctx.groups = groups
        return x.index_select(0, groups.index)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor, None]:
        return add_up(gradient, ctx.groups), None


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Context, values: Tensor, weight: Tensor | None, groups: Groups) -> Tensor:
        ctx.groups = groups
        ctx.save_for_backward(values if weight is not None and ctx.needs_input_grad[1] else None, weight)
        return _bag(values, groups.order, groups.offsets, None if weight is None else weight.index_select(0, groups.order))

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        values, weight = ctx.saved_tensors
        index = ctx.groups.index
        of_values = of_weight = None
        if ctx.needs_input_grad[0]:
            of_values = gradient.index_select(0, index)
            if weight is not None:
                of_values.mul_(weight.unsqueeze(-1))
        if ctx.needs_input_grad[1]:
            of_weight = _dots(gradient, index, values)
        return of_values, of_weight, None


class _Send(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Context, x: Tensor, weight: Tensor | None, source: Groups, destination: Groups) -> Tensor:
        ctx.source, ctx.destination = source, destination
        ctx.save_for_backward(x if weight is not None and ctx.needs_input_grad[1] else None, weight)
        return _sent(x, weight, source, destination)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        of_x = _sent(gradient, weight, ctx.destination, ctx.source) if ctx.needs_input_grad[0] else None
        of_weight = _dots(gradient, ctx.destination.index, x, ctx.source.index) if ctx.needs_input_grad[1] else None
        return of_x, of_weight, None, None


def _sent(x: Tensor, weight: Tensor | None, source: Groups, destination: Groups) -> Tensor:
    order = destination.order
    return _bag(x, source.index.index_select(0, order), destination.offsets, None if weight is None else weight.index_select(0, order))
