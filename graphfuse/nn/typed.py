"""Rows of all node types in one table, and what differs by type done to each part of it.

No copy splits or joins the parts, and autograd sees a single step.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class TypedTable(Mapping[str, Tensor]):
    """An `x_dict` whose types are parts of one table, so that what is done alike to all of them takes one step.

    Args:
        table: Rows, type after type, [num_rows, channels].
        sizes: Rows of each type.
    """

    def __init__(self, table: Tensor, sizes: Mapping[str, int]) -> None:
        self.table = table
        self.sizes = sizes

    @classmethod
    def of(cls, x_dict: Mapping[str, Tensor], types: Iterable[str] | None = None) -> "TypedTable":
        """Return the table that `x_dict` is, or one made of it.

        Args:
            x_dict: Rows per type, [num_rows, channels].
            types: Which types, in this order; None: all as they stand.
        """
        types = list(x_dict if types is None else types)
        if isinstance(x_dict, cls) and types == list(x_dict.sizes):
            return x_dict
        parts = {name: x_dict[name] for name in types}
        return cls(torch.cat(list(parts.values())), {name: part.size(0) for name, part in parts.items()})

    def changed(self, table: Tensor) -> "TypedTable":
        """Return other rows of the same types, [num_rows, channels]."""
        return TypedTable(table, self.sizes)

    def __getitem__(self, name: str) -> Tensor:
        """Return the rows of a type, a view of the table."""
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def _parts(self) -> dict[str, Tensor]:
        return dict(zip(self.sizes, torch.split(self.table, list(self.sizes.values())), strict=True))


class TypedLinear(nn.ModuleDict):
    """A linear map per node type.

    Args:
        in_channels: Width of every node type.
        widths: Output channels per node type, a multiple of `width`; 0 for a type that takes no part.
        width: Channels of one row of the result.
        bias: Add a bias.
    """

    def __init__(self, in_channels: int, widths: Mapping[str, int], width: int, *, bias: bool = False) -> None:
        super().__init__({name: nn.Linear(in_channels, out, bias=bias) for name, out in widths.items() if out})
        self._width = width

    def forward(self, x: TypedTable, onto: Tensor | None = None) -> Tensor:
        """Return the rows of all nodes, type after type.

        Args:
            x: Nodes, in_channels wide.
            onto: What the rows are added to, in place, [num_rows, width]; None returns them alone.

        Returns:
            [num_rows, width]; a node has as many rows as its type's output holds `width`s.
        """
        maps = [cast("nn.Linear", self[name]) if name in self else None for name in x]
        weights = [None if linear is None else linear.weight for linear in maps]
        biases = [None if linear is None else linear.bias for linear in maps]
        return project(x.table, list(x.sizes.values()), weights, biases, self._width, onto)


def project(
    x: Tensor,
    sizes: Sequence[int],
    weights: Sequence[Tensor | None],
    biases: Sequence[Tensor | None],
    width: int,
    onto: Tensor | None = None,
) -> Tensor:
    """Apply a linear map to each part of a table.

    Args:
        x: Parts, one below the other, [sum of sizes, in_channels].
        sizes: Rows of each part.
        weights: [out_channels, in_channels] each, `out_channels` a multiple of `width`; None leaves the part out.
        biases: [out_channels] or None each.
        width: Channels of one row of the result.
        onto: What the result is added to, in place, [num_rows, width]; None returns it alone.

    Returns:
        [num_rows, width].
    """
    return cast("Tensor", _Project.apply(x, onto, sizes, width, *weights, *biases))


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, onto: Tensor | None, sizes: Sequence[int], width: int, *parameters: Tensor | None) -> Tensor:
        weights, biases = parameters[: len(sizes)], parameters[len(sizes) :]
        rows = [0 if weight is None else size * weight.size(0) // width for size, weight in zip(sizes, weights, strict=True)]
        table = x.new_empty(sum(rows), width) if onto is None else onto
        for part, weight, bias, out in zip(torch.split(x, list(sizes)), weights, biases, torch.split(table, rows), strict=True):
            if weight is None:
                continue
            target = out.view(part.size(0), weight.size(0))
            if onto is not None:
                target.addmm_(part, weight.t())
                if bias is not None:
                    target.add_(bias)
            elif bias is None:
                torch.mm(part, weight.t(), out=target)
            else:
                torch.addmm(bias, part, weight.t(), out=target)
        if onto is not None:
            ctx.mark_dirty(onto)
        ctx.sizes, ctx.rows, ctx.biased = sizes, rows, [bias is not None for bias in biases]
        ctx.save_for_backward(x, *weights)
        return table

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, *weights = ctx.saved_tensors
        of_onto = gradient if ctx.needs_input_grad[1] else None
        of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        of_x_parts = [None] * len(weights) if of_x is None else torch.split(of_x, ctx.sizes)
        of_weights: list[Tensor | None] = []
        of_biases: list[Tensor | None] = []
        parts = zip(torch.split(gradient.contiguous(), ctx.rows), torch.split(x, ctx.sizes), weights, of_x_parts, ctx.biased, strict=True)
        for rows, part, weight, of_part, biased in parts:
            if weight is None:
                if of_part is not None:
                    of_part.zero_()
                of_weights.append(None)
                of_biases.append(None)
                continue
            out = rows.view(part.size(0), weight.size(0))
            if of_part is not None:
                torch.mm(out, weight, out=of_part)
            of_weights.append(out.t() @ part)
            of_biases.append(out.sum(dim=0) if biased else None)
        return of_x, of_onto, None, None, *of_weights, *of_biases
