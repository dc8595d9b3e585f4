"""What compiled loops over the edges of a plan have in common: the ends of edges, and their product terms."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from graphfuse.core.compiled import Loops, Numbers
from graphfuse.nn.compiled_blas import sgemm
from graphfuse.nn.groups import add_up
from graphfuse.nn.plan import EdgePlan


class Edges(ctypes.Structure):
    """`Edges` of edges.h; loops of one kind add fields of their own."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_nodes", "num_edges", "num_slots", "source_stride", "destination_stride", "threads")),
        *((name, ctypes.c_void_p) for name in ("sgemm", "source", "destination", "from", "to", "nodes", "mix", "mix_bias")),
    )


class EdgeLoops(Loops):
    """The loops over the edges of a plan, with what all their calls share.

    Args:
        file: Their source.
        layout: The fields that they read.
        tables: Source slots [num_source_slots, source_stride], destination slots [num_destination_slots, destination_stride], and of the
            product term `relu(mix (key * query) + bias)` mix [channels, channels] and bias [channels], or None.
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
        tables: Sequence[Tensor | None],
        plan: EdgePlan,
        own: Sequence[Numbers | float | None],
        **numbers: int,
    ) -> None:
        source, destination, mix, bias = tables
        assert source is not None
        assert destination is not None
        by = plan.by_destination
        self._source, self._destination, self._sources = source, destination, by.sources
        self.threads = torch.get_num_threads()
        counts = (plan.node.num_groups, by.order.numel(), destination.size(0), source.size(1), destination.size(1), self.threads)
        arrays = (source, destination, by.sources.index, by.slot, plan.node.offsets, mix, bias)
        super().__init__(file, layout, *counts, sgemm(), *arrays, *own, **numbers)

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
