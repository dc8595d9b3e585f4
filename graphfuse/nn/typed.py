"""A linear map per part of a table, into one table: no copy splits or joins the parts, and autograd sees a single step."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


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

    def forward(self, x: Tensor, num_nodes: Mapping[str, int]) -> Tensor:
        """Return the rows of all nodes, type after type.

        Args:
            x: Nodes of all types, type after type, [num_nodes of all types, in_channels].
            num_nodes: Number of nodes per type, in the order of `x`.

        Returns:
            [num_rows, width]; a node has as many rows as its type's output holds `width`s.
        """
        maps = [cast("nn.Linear", self[name]) if name in self else None for name in num_nodes]
        weights = [None if linear is None else linear.weight for linear in maps]
        biases = [None if linear is None else linear.bias for linear in maps]
        return project(x, list(num_nodes.values()), weights, biases, self._width)


def project(x: Tensor, sizes: Sequence[int], weights: Sequence[Tensor | None], biases: Sequence[Tensor | None], width: int) -> Tensor:
    """Apply a linear map to each part of a table.

    Args:
        x: Parts, one below the other, [sum of sizes, in_channels].
        sizes: Rows of each part.
        weights: [out_channels, in_channels] each, `out_channels` a multiple of `width`; None leaves the part out.
        biases: [out_channels] or None each.
        width: Channels of one row of the result.

    Returns:
        [num_rows, width].
    """
    return cast("Tensor", _Project.apply(x, sizes, width, *weights, *biases))


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sizes: Sequence[int], width: int, *parameters: Tensor | None) -> Tensor:
        weights, biases = parameters[: len(sizes)], parameters[len(sizes) :]
        rows = [0 if weight is None else size * weight.size(0) // width for size, weight in zip(sizes, weights, strict=True)]
        table = x.new_empty(sum(rows), width)
        for part, weight, bias, out in zip(torch.split(x, list(sizes)), weights, biases, torch.split(table, rows), strict=True):
            if weight is None:
                continue
            target = out.view(part.size(0), weight.size(0))
            if bias is None:
                torch.mm(part, weight.t(), out=target)
            else:
                torch.addmm(bias, part, weight.t(), out=target)
        ctx.sizes, ctx.rows, ctx.biased = sizes, rows, [bias is not None for bias in biases]
        ctx.save_for_backward(x, *weights)
        return table

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, *weights = ctx.saved_tensors
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
        return of_x, None, None, *of_weights, *of_biases
