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

    def sort(self, values: Tensor) -> Tensor:
        """Return something of every row, group after group: [num_rows, ...] -> [num_rows, ...]."""
        return values if self.ordered else values.index_select(0, self.order)


class Ways:
    """Ways from rows of one table to rows of another, which may be gone many times, and back for the gradient.

    Args:
        source: Where each way begins.
        destination: Where it ends.
    """

    def __init__(self, source: Groups, destination: Groups) -> None:
        self.source = source
        self.destination = destination

    @cached_property
    def arriving(self) -> Tensor:
        """Source of each way, destination after destination, [num_ways]."""
        return self.destination.sort(self.source.index)

    @cached_property
    def returning(self) -> Tensor:
        """Destination of each way, source after source, [num_ways]."""
        return self.source.sort(self.destination.index)


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


def send(x: Tensor, ways: Ways, weight: Tensor | None = None) -> Tensor:
    """Send a row along every way and add up what arrives: `total(take(x, source), destination, weight)` without a row per way.

    Args:
        x: Rows of the sources, [num_sources, channels].
        ways: Source and destination of each way.
        weight: Factor of each way, [num_ways]; None means 1.

    Returns:
        [num_destinations, channels].
    """
    return cast("Tensor", _Send.apply(x, weight, ways))


def largest(values: Tensor, groups: Groups) -> Tensor:
    """Return the largest value of each group and column, 0 for an empty group: [num_rows, columns] -> [num_groups, columns].

    Without gradient.
    """
    with torch.no_grad():
        ordered = groups.sort(values.detach())
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
        return _bag(values, groups.order, groups.offsets, None if weight is None else groups.sort(weight))

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
    def forward(ctx: Context, x: Tensor, weight: Tensor | None, ways: Ways) -> Tensor:
        ctx.ways = ways
        ctx.save_for_backward(x if weight is not None and ctx.needs_input_grad[1] else None, weight)
        return _bag(x, ways.arriving, ways.destination.offsets, None if weight is None else ways.destination.sort(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        ways, of_x, of_weight = ctx.ways, None, None
        if ctx.needs_input_grad[0]:
            of_x = _bag(gradient, ways.returning, ways.source.offsets, None if weight is None else ways.source.sort(weight))
        if ctx.needs_input_grad[1]:
            of_weight = _dots(gradient, ways.destination.index, x, ways.source.index)
        return of_x, of_weight, None
