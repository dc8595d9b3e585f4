"""What compiled loops over the edges of a plan have in common: the ends of edges, and their products, which torch multiplies."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from graphfuse.core.compiled import Numbers, address, call, library
from graphfuse.nn.groups import add_up
from graphfuse.nn.plan import EdgePlan


class Edges(ctypes.Structure):
    """`Edges` of edges.h; loops of one kind add fields of their own."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_edges", "num_slots", "source_stride", "destination_stride")),
        *((name, ctypes.c_void_p) for name in ("source", "destination", "from", "to", "nodes")),
    )


class EdgeLoops:
    """The loops over the edges of a plan, with what all their calls share.

    Args:
        file: Their source.
        layout: The fields that they read.
        source: Table of source slots, [num_source_slots, source_stride].
        destination: Table of destination slots, [num_destination_slots, destination_stride].
        plan: Where edges find their slots.
        own: The fields that `layout` adds.
        numbers: What they are compiled for.

    Raises:
        ConfigError: If the loops have to be compiled and cannot be.
    """

    def __init__(
        self,
        file: Path,
        layout: type[Edges],
        source: Tensor,
        destination: Tensor,
        plan: EdgePlan,
        own: Sequence[Numbers | float | None],
        **numbers: int,
    ) -> None:
        by = plan.by_destination
        self._source, self._destination, self._sources = source, destination, by.sources
        # kept, since the loops only know addresses
        self._kept = (source, destination, by.sources.index, by.slot, plan.node.offsets, own)
        counts = (by.order.numel(), destination.size(0), source.size(1), destination.size(1))
        fields = (each if isinstance(each, int | float) else address(each) for each in own)
        self._shared = layout(*counts, *(address(each) for each in self._kept[:5]), *fields)
        self._library = library(file, **numbers)
        self.threads = torch.get_num_threads()

    def __call__(self, name: str, nodes: slice, *arguments: Tensor | int | None) -> None:
        """Call one of the loops for a block of nodes."""
        call(self._library, name, self._shared, nodes.start, nodes.stop, self.threads, *arguments)

    def product(self, edges: slice, nodes: slice, mix: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return `key * query` of every edge of a block, and `relu(mix (key * query) + bias)`, [n, channels] each."""
        pairs = mix.new_empty(edges.stop - edges.start, mix.size(1))
        self("pair", nodes, pairs)
        return pairs, torch.addmm(bias, pairs, mix.t()).relu_()

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Return memory for the gradients of both tables; that of sources goes through `of_source` in the end."""
        # threads may meet at a source, so each edge then has a row of its own
        rows = self._source.size(0) if self.threads == 1 else self._shared.num_edges
        # the loops clear rows of destinations as they come to them
        clear = torch.empty_like if self._shared.num_edges else torch.zeros_like
        return self._source.new_zeros(rows, self._source.size(1)), clear(self._destination)

    def of_source(self, found: Tensor) -> Tensor:
        """Return the gradient of the table of sources."""
        return found if self.threads == 1 else add_up(found, self._sources)
