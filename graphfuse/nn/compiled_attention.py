"""`edge_attention` by the compiled loops: they go through edges and nodes, torch multiplies matrices."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphfuse.core.compiled import address, call, library
from graphfuse.nn.groups import add_up
from graphfuse.nn.plan import EdgePlan
from graphfuse.nn.weights import LARGEST_EXPONENT

SOURCE = Path(__file__).with_name("edge_attention.cpp")


def attend(tensors: Sequence[Tensor | None], plan: EdgePlan, *, across_relations: bool, slope: float) -> tuple[Tensor, Tensor]:
    """Return what `edge_attention` returns.

    Args:
        tensors: Source, destination, attention, mix, bias, product_score and weight; float32, on the CPU.
        plan: Where edges find their slots.
        across_relations: One softmax per node; else one per destination slot.
        slope: Of the leaky rectifier.

    Raises:
        ConfigError: If the loops have to be compiled and cannot be.
    """
    return cast("tuple[Tensor, Tensor]", _CompiledAttention.apply(*tensors, plan, across_relations, slope))


class _Shared(ctypes.Structure):
    """`Edges` of edge_attention.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("stride", "across_relations", "num_edges", "num_slots")),
        *((name, ctypes.c_float) for name in ("slope", "largest_exponent")),
        *((name, ctypes.c_void_p) for name in ("source", "destination", "attention", "product_score", "weight")),
        *((name, ctypes.c_void_p) for name in ("from", "to", "relation", "nodes", "share", "unit")),
    )


class _Loops:
    """The loops over the edges of a plan, with what all their calls share.

    Args:
        tensors: Source, destination, attention, mix, bias, product_score as `edge_attention` takes them.
        weight: Weight of every sorted edge, or None.
        share: Share of every sorted edge, [num_edges, heads].
        unit: Share of a weight of 1, or None.
    """

    def __init__(
        self,
        tensors: Sequence[Tensor],
        weight: Tensor | None,
        share: Tensor,
        unit: Tensor | None,
        plan: EdgePlan,
        across: bool,
        slope: float,
    ) -> None:
        source, destination, attention, mix, _, product_score = tensors
        by = plan.by_destination
        ends = (by.sources.index, by.slot, by.relation, plan.node.offsets)
        # kept, since the loops only know addresses
        self._kept = [source, destination, attention, product_score, weight, *ends, share, unit]
        self._shared = _Shared(
            source.size(1), across, share.size(0), destination.size(0), slope, LARGEST_EXPONENT, *(address(each) for each in self._kept)
        )
        self._library = library(SOURCE, HEADS=attention.size(1), CHANNELS=attention.size(1) * attention.size(2))
        self.threads = torch.get_num_threads()
        everything = [(slice(0, share.size(0)), slice(0, plan.node.num_groups))]
        self.blocks = everything if mix is None else [(block.edges, block.nodes) for block in by.blocks]
        """Edges and nodes that go at once: all, but for what torch has to multiply in between."""

    def __call__(self, name: str, nodes: slice, *arguments: Tensor | int | None) -> None:
        """Call one of the loops for a block of nodes."""
        call(self._library, name, self._shared, nodes.start, nodes.stop, self.threads, *arguments)

    def product(self, edges: slice, nodes: slice, mix: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return `key * query` of every edge of a block, and the product term, [n, channels] each."""
        pairs = mix.new_empty(edges.stop - edges.start, mix.size(1))
        self("pair", nodes, pairs)
        return pairs, torch.addmm(bias, pairs, mix.t()).relu_()


class _CompiledAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        *tensors, weight, plan, across, slope = arguments
        tensors = [None if each is None else each.detach().contiguous() for each in tensors]
        by, (_, heads, width), mix, bias = plan.by_destination, tensors[2].shape, tensors[3], tensors[4]
        ordered = None if weight is None else weight.detach().index_select(0, by.order)
        share = tensors[0].new_empty(by.order.numel(), heads)
        unit = torch.empty_like(share) if weight is not None and ctx.needs_input_grad[6] else None
        out = tensors[0].new_empty(plan.node.num_groups, heads * width)
        if mix is not None:  # blocks may leave out nodes without edges
            out.zero_()
        loops = _Loops(tensors, ordered, share, unit, plan, across, slope)
        for edges, nodes in loops.blocks:
            product = None if mix is None else loops.product(edges, nodes, mix, bias)[1]
            loops("forward", nodes, product, out)
        ctx.plan, ctx.across, ctx.slope = plan, across, slope
        ctx.save_for_backward(*tensors, ordered, share, unit)
        ctx.mark_non_differentiable(share)
        return out, share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, ordered, share, unit = ctx.saved_tensors
        source, destination, attention, mix, bias, score = tensors
        by = ctx.plan.by_destination
        loops = _Loops(tensors, ordered, share, unit, ctx.plan, ctx.across, ctx.slope)
        gradient, alone = gradient.contiguous(), loops.threads == 1
        # threads may meet at a source, so each edge then has a row of its own
        of_source = torch.zeros_like(source) if alone else source.new_zeros(share.size(0), source.size(1))
        # the loops clear rows of destinations as they come to them
        of_destination = torch.empty_like(destination) if share.size(0) else torch.zeros_like(destination)
        of_attention = attention.new_zeros(loops.threads, *attention.shape)
        of_product_term: list[Any] = [None if each is None else torch.zeros_like(each) for each in (mix, bias, score)]
        of_score, of_weight = torch.empty_like(share), None if unit is None else share.new_empty(share.size(0))
        for edges, nodes in loops.blocks:
            found = (gradient, attention.size(0), of_source, of_destination, of_attention, of_score, of_weight)
            if mix is None:
                loops("backward", nodes, None, *found, None)
                continue
            pairs, product = loops.product(edges, nodes, mix, bias)
            of_product = torch.empty_like(product)
            loops("backward", nodes, product, *found, of_product)
            of_mix, of_bias, of_product_score = of_product_term
            of_mix.addmm_(of_product.t(), pairs)
            of_bias.add_(of_product.sum(dim=0))
            of_product_score.addmm_(of_score[edges].t(), product)
            loops("backward_pair", nodes, of_product @ mix, of_source, of_destination)
        of_source = of_source if alone else add_up(of_source, by.sources)
        of_weight = None if of_weight is None else by.in_plan_order(of_weight)
        return of_source, of_destination, of_attention.sum(dim=0), *of_product_term, of_weight, None, None, None
