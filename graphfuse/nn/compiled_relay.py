"""The ways of `relay.py` for compiled loops, laid out by such loops as well."""

import ctypes
from array import array
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from graphfuse.core.compiled import Loops
from graphfuse.core.errors import ConfigError
from graphfuse.nn.relay import NO_SUCH_NODE, PerRelation

SOURCE = Path(__file__).with_name("relay.cpp")


class _Layout(ctypes.Structure):
    """`Relay` of relay.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_relations", "num_nodes")),
        *((name, ctypes.c_void_p) for name in ("at_destination", "rows", "near", "edges_of_row", "far", "edge")),
        *((name, ctypes.c_void_p) for name in ("edges_of_node", "row", "edge_of_node", "share")),
    )


class CompiledRelay:
    """The way of every edge by the end of its relation that has fewer nodes.

    Args:
        edges: Source and destination of every edge within their types, per relation [2, num_edges].
        num_nodes: Number of nodes of each relation's source and destination type, [2, num_relations].
        offsets: First node of each relation's source and destination type, counted over all types, [2, num_relations].
        num_all: Number of nodes of all types.

    Raises:
        ConfigError: If the loops have to be compiled and cannot be, or there are too many nodes or edges.
        IndexError: If an edge ends at a node that is not there.
    """

    def __init__(self, edges: Sequence[Tensor], num_nodes: PerRelation, offsets: PerRelation, num_all: int) -> None:
        edges = [each.to(torch.int64).contiguous() for each in edges]
        counts = [each.size(1) for each in edges]
        num_edges, most = sum(counts), sum(map(min, *num_nodes))
        sizes = [len(edges), len(edges) + 1, most, most + 1, num_edges, num_edges, 2 * num_all + 1, num_edges, num_edges]
        if max(sizes) > torch.iinfo(torch.int32).max:
            raise ConfigError(
                f"train.kernels: compiled numbers edges, and nodes twice, with 31 bits (got {num_all:,} nodes and {num_edges:,} edges). "
                "Take smaller batches."
            )
        arrays = torch.empty(sum(sizes), dtype=torch.int32)
        self.share = torch.empty(num_edges)
        """Share of every edge in the mean of its destination, [num_edges]."""
        begins = accumulate(sizes[:-1], lambda begin, size: begin + 4 * size, initial=arrays.data_ptr())
        loops = Loops(SOURCE, _Layout, len(edges), num_all, *begins, self.share)
        self.layout = loops.shared
        """Where it lies, for other loops that read it."""
        self._kept = (loops, arrays)
        relations = array("q")  # `Relation` of relay.cpp
        for ends, *rest in zip(edges, counts, *num_nodes, *offsets, strict=True):
            begin = ends.data_ptr()
            relations.extend([*rest, begin, begin + rest[0] * ends.element_size()])
        self.num_rows = loops("lay_out", relations)
        """Relay rows of all relations."""
        if self.num_rows < 0:
            raise IndexError(NO_SUCH_NODE)
