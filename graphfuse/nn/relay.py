"""Where a relation's matrix is applied: at the end of its edges that has fewer nodes.

A mean of projected neighbours is the projection of their mean, so the matrix product may come before the edges or after them.
Each edge runs from its source to a *relay row* and on to its destination; the product is taken at the relay rows. Where three
users wrote forty sentences, three rows are multiplied, in either direction. On a GPU, where products are cheap, it is the source.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from graphfuse.core.ragged import exclusive_sums
from graphfuse.core.tables import FloatArray, IntArray
from graphfuse.nn.groups import Groups, Ways, repeated, send

PerRelation = Sequence[Sequence[int]]
"""Something of each relation's source type, and of its destination type, [2, num_relations]."""
NO_SUCH_NODE = "Edges must end at nodes of their types (some are numbered below 0 or beyond the last node)."


@dataclass(frozen=True, kw_only=True)
class Leg:
    """Half of the way: from rows of one table to rows of the next."""

    ways: Ways
    edge: Tensor
    """Edge whose weight each step carries; one past the last edge stands for weight 1.  [num_steps]"""

    def pass_on(self, x: Tensor, weight: Tensor) -> Tensor:
        """Send rows along: x [num_sources, channels], weight [num_edges + 1] -> [num_destinations, channels]."""
        return send(x, self.ways, weight.index_select(0, self.edge))


@dataclass(frozen=True, kw_only=True)
class Relay:
    """All relations' ways, by way of their relay rows."""

    first: Leg
    """Nodes of all types to relay rows."""
    second: Leg
    """Relay rows to nodes of all types."""
    sizes: list[int]
    """Relay rows per relation."""
    share: Tensor
    """Share of every edge in the mean of its destination, [num_edges]."""


def make_relay(edges: Sequence[Tensor], num_nodes: PerRelation, offsets: PerRelation, num_all: int) -> Relay:
    """Lay out the steps of all relations, where their edges lie.

    Args:
        edges: Source and destination of every edge within their types, per relation [2, num_edges].
        num_nodes: Number of nodes of each relation's source and destination type, [2, num_relations].
        offsets: First node of each relation's source and destination type, counted over all types, [2, num_relations].
        num_all: Number of nodes of all types.

    Raises:
        IndexError: If an edge ends at a node that is not there; a GPU is not waited for to look.
    """
    if any(ends.is_cuda for ends in edges):  # where to count which end has fewer takes longer than the products that it saves
        return _at_sources(edges, num_nodes, offsets, num_all)
    return _at_smaller_ends([ends.numpy() for ends in edges], num_nodes, offsets, num_all)


def _at_sources(edges: Sequence[Tensor], num_nodes: PerRelation, offsets: PerRelation, num_all: int) -> Relay:
    """Take every node of a relation's source type for a relay row."""
    ends, sizes = torch.cat(list(edges), dim=1), [each.size(1) for each in edges]
    rows: IntArray = np.array(num_nodes[0])
    first_node: IntArray = np.array(offsets)
    device = ends.device
    first_row = exclusive_sums(rows)[:-1]
    row, edge = torch.arange(int(rows.sum()), device=device), torch.arange(ends.size(1), device=device)
    node = row + repeated(first_node[0] - first_row, rows, device)
    begin, end = (ends[side] + repeated(first, sizes, device) for side, first in enumerate((first_row, first_node[1])))
    arrival = ends[1] + repeated(exclusive_sums(np.array(num_nodes[1]))[:-1], sizes, device)
    share = torch.bincount(arrival, minlength=sum(num_nodes[1])).index_select(0, arrival).reciprocal()
    to_rows = Ways(Groups(node, num_all), Groups(row, row.numel(), ordered=True))
    return Relay(
        first=Leg(ways=to_rows, edge=torch.full_like(row, edge.numel())),
        second=Leg(ways=Ways(Groups(begin, row.numel()), Groups(end, num_all)), edge=edge),
        sizes=rows.tolist(),
        share=share,
    )


def _at_smaller_ends(edges: Sequence[IntArray], num_nodes: PerRelation, offsets: PerRelation, num_all: int) -> Relay:
    """Choose each relation's end: of its edges' sources and destinations, where fewer nodes have an edge."""
    steps = _Steps(num_all), _Steps(num_all)  # at sources, before the relay rows, and at destinations, behind them
    sizes: list[int] = []
    shares: list[FloatArray] = []
    num_rows = num_edges = 0
    every = sum(ends.shape[1] for ends in edges)
    for ends, sized, first in zip(edges, zip(*num_nodes, strict=True), zip(*offsets, strict=True), strict=True):
        if ends.size and (ends.min() < 0 or any(ends.max(axis=1) >= sized)):
            raise IndexError(NO_SUCH_NODE)
        counts = [np.bincount(end, minlength=size) for end, size in zip(ends, sized, strict=True)]
        shares.append(np.divide(1, counts[1][ends[1]], dtype=np.float32))
        there = [np.flatnonzero(count) for count in counts]
        near = int(len(there[1]) < len(there[0]))
        far, nodes = 1 - near, there[near]
        row = np.arange(num_rows, num_rows + len(nodes))
        row_of_node = np.zeros(sized[near], dtype=np.int64)
        row_of_node[nodes] = row
        # one step per row joins it to its node, at the other end one step per edge leads on
        steps[near].add(nodes, first[near], row, np.full(len(nodes), every), np.minimum(counts[near], 1), np.ones_like(nodes))
        edge = np.arange(num_edges, num_edges + ends.shape[1])
        steps[far].add(ends[far], first[far], row_of_node[ends[near]], edge, counts[far], counts[near][nodes])
        sizes.append(len(nodes))
        num_rows, num_edges = num_rows + len(nodes), num_edges + ends.shape[1]
    (sources, begins, sent), (destinations, arrivals, passed) = (each.laid_out(num_rows) for each in steps)
    to_rows, onward = Leg(ways=Ways(sources, begins), edge=sent), Leg(ways=Ways(arrivals, destinations), edge=passed)
    share = np.concatenate([np.zeros(0, dtype=np.float32), *shares])
    return Relay(first=to_rows, second=onward, sizes=sizes, share=torch.from_numpy(share))


class _Steps:
    """The steps between nodes and relay rows, relation after relation.

    Args:
        num_all: Number of nodes of all types.
    """

    def __init__(self, num_all: int) -> None:
        self._parts: tuple[list[IntArray], ...] = ([], [], [], [])
        self._per_node = np.zeros(num_all, dtype=np.int64)

    def add(self, node: IntArray, first: int, row: IntArray, edge: IntArray, per_node: IntArray, per_row: IntArray) -> None:
        """Add the steps of one relation.

        Args:
            node: Node of each step within its type.  [num_steps]
            first: First node of the type, counted over all types.
            row: Relay row of each step.  [num_steps]
            edge: Edge whose weight it carries.  [num_steps]
            per_node: Steps at each node of the type.  [num_nodes]
            per_row: Steps at each relay row of the relation.  [num_rows]
        """
        for parts, part in zip(self._parts, (node + first, row, edge, per_row), strict=True):
            parts.append(part)
        self._per_node[first : first + len(per_node)] += per_node

    def laid_out(self, num_rows: int) -> tuple[Groups, Groups, Tensor]:
        """Return the nodes and the relay rows of all steps, and the edges whose weights they carry."""
        node, row, edge, per_row = (np.concatenate([np.zeros(0, dtype=np.int64), *parts]) for parts in self._parts)
        # a store keeps edges by destination, so that often nothing is left to sort
        ordered = bool(np.all(row[1:] >= row[:-1]))
        of_nodes, of_rows = (torch.from_numpy(exclusive_sums(counts)) for counts in (self._per_node, per_row))
        rows = Groups(torch.from_numpy(row), num_rows, ordered=ordered, offsets=of_rows)
        return Groups(torch.from_numpy(node), len(self._per_node), offsets=of_nodes), rows, torch.from_numpy(edge)
