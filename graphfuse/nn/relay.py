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

from graphfuse.core.tables import IntArray
from graphfuse.nn.groups import Groups, repeated, send


@dataclass(frozen=True, kw_only=True)
class Leg:
    """Half of the way: from rows of one table to rows of the next."""

    source: Groups
    destination: Groups
    edge: Tensor
    """Edge whose weight each step carries; one past the last edge stands for weight 1.  [num_steps]"""

    def pass_on(self, x: Tensor, weight: Tensor) -> Tensor:
        """Send rows along: x [source.num_groups, channels], weight [num_edges + 1] -> [destination.num_groups, channels]."""
        return send(x, self.source, self.destination, weight.index_select(0, self.edge))


@dataclass(frozen=True, kw_only=True)
class Relay:
    """All relations' ways, by way of their relay rows."""

    first: Leg
    """Nodes of all types to relay rows."""
    second: Leg
    """Relay rows to nodes of all types."""
    sizes: list[int]
    """Relay rows per relation."""


def make_relay(ends: Tensor, sizes: Sequence[int], num_nodes: IntArray, offsets: IntArray, num_all: int) -> Relay:
    """Lay out the steps of all relations, where their edges lie.

    Args:
        ends: Source and destination of every edge within their types, relation after relation, [2, num_edges].
        sizes: Edges per relation.
        num_nodes: Number of nodes of each relation's source and destination type, [2, num_relations].
        offsets: First node of each relation's source and destination type, counted over all types, [2, num_relations].
        num_all: Number of nodes of all types.
    """
    if ends.is_cuda:  # where to count which end has fewer takes longer than the products that it saves
        return _at_sources(ends, sizes, num_nodes, offsets, num_all)
    return _at_smaller_ends(ends.numpy(), sizes, num_nodes, offsets, num_all)


def _at_sources(ends: Tensor, sizes: Sequence[int], num_nodes: IntArray, offsets: IntArray, num_all: int) -> Relay:
    """Take every node of a relation's source type for a relay row."""
    rows, device = num_nodes[0], ends.device
    first_row = np.cumsum(rows) - rows
    row, edge = torch.arange(int(rows.sum()), device=device), torch.arange(ends.size(1), device=device)
    node = row + repeated(offsets[0] - first_row, rows, device)
    begin, end = (ends[side] + repeated(first, sizes, device) for side, first in enumerate((first_row, offsets[1])))
    return Relay(
        first=Leg(
            source=Groups(node, num_all), destination=Groups(row, row.numel(), ordered=True), edge=torch.full_like(row, edge.numel())
        ),
        second=Leg(source=Groups(begin, row.numel()), destination=Groups(end, num_all), edge=edge),
        sizes=rows.tolist(),
    )


def _at_smaller_ends(ends: IntArray, sizes: Sequence[int], num_nodes: IntArray, offsets: IntArray, num_all: int) -> Relay:
    """Choose each relation's end."""
    # 1. Count, per relation and end, the nodes that have an edge; relay rows stand at the end with fewer.
    sides = [_Side(*each, sizes) for each in zip(ends, num_nodes, offsets, strict=True)]
    at_source = sides[0].reached <= sides[1].reached
    rows = np.where(at_source, sides[0].reached, sides[1].reached)
    first_row = np.cumsum(rows) - rows
    # 2. At that end one step per row joins it to its node, at the other one step per edge.
    legs = []
    for side, other, here in ((sides[0], sides[1], at_source), (sides[1], sides[0], ~at_source)):
        relation = np.flatnonzero(here).repeat(side.reached[here])
        mine = np.repeat(here, side.reached)
        passing = np.flatnonzero(np.repeat(~here, sizes))
        node = np.concatenate([side.nodes[mine], side.node_of_edge[passing]])
        row = np.concatenate([first_row[relation] + side.numbers[mine], (np.repeat(first_row, sizes) + other.number_of_edge)[passing]])
        edge = np.concatenate([np.full(len(relation), ends.shape[1]), passing])
        at_node, at_row, carried = (torch.from_numpy(part) for part in (node, row, edge))
        legs.append((Groups(at_node, num_all), Groups(at_row, int(rows.sum())), carried))
    (node_from, row_to, sent), (node_to, row_from, passed) = legs
    return Relay(
        first=Leg(source=node_from, destination=row_to, edge=sent),
        second=Leg(source=row_from, destination=node_to, edge=passed),
        sizes=rows.tolist(),
    )


class _Side:
    """One end of all relations: the nodes that have an edge, numbered within each relation."""

    def __init__(self, index: IntArray, num_nodes: IntArray, offsets: IntArray, sizes: Sequence[int]) -> None:
        first = np.cumsum(num_nodes) - num_nodes  # of each relation, when every relation has its own copy of the nodes
        place = index + np.repeat(first, sizes)
        there = np.bincount(place, minlength=int(num_nodes.sum())) > 0
        before = np.concatenate([[0], np.cumsum(there)])
        start = before[first]
        self.reached: IntArray = before[first + num_nodes] - start
        """Nodes that have an edge, [num_relations]."""
        self.nodes: IntArray = np.flatnonzero(there) + np.repeat(offsets - first, self.reached)
        """These nodes, counted over all types, relation after relation."""
        self.numbers: IntArray = np.arange(len(self.nodes)) - np.repeat(start, self.reached)
        """Their numbers within their relation."""
        self.node_of_edge: IntArray = index + np.repeat(offsets, sizes)
        self.number_of_edge: IntArray = before[place] - np.repeat(start, sizes)
