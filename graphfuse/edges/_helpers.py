"""Vectorised building blocks of edge builders: ragged pairs, joins by key, neighbours in an order."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.core.columns import as_texts
from graphfuse.core.errors import ConfigError, suggest
from graphfuse.core.ragged import ragged_rows
from graphfuse.core.schema import EdgeType
from graphfuse.core.tables import EdgeTable, FloatArray, IntArray, NodeTable, edge_order

Features = npt.NDArray[np.floating]
Float64Array = npt.NDArray[np.float64]

NUMBERS_IN_CACHE = 2**18
"""What is worked on at a time may hold (8 bytes each), so that it stays in a core's cache from the first step to the last."""


def check_ends(source: str, destination: str, node_types: Sequence[str]) -> None:
    """Raise a ConfigError that names every end that is not a node type."""
    ends = {"source": source, "destination": destination}
    problems = [
        f"{end}: must be a node type of the experiment's modalities (got '{name[:40]}'). {suggest(name, node_types)}"
        for end, name in ends.items()
        if name not in node_types
    ]
    if problems:
        raise ConfigError(problems)


def edge_table(edge_type: EdgeType, source: npt.ArrayLike, destination: npt.ArrayLike, weight: FloatArray | None = None) -> EdgeTable:
    """Return edges in the order of a store.

    Args:
        edge_type: The type of all edges.
        source: Rows in the source table.  [num_edges]
        destination: Rows in the destination table.  [num_edges]
        weight: Observed strength in [0, 1], or None.  [num_edges]
    """
    source, destination = np.asarray(source, dtype=np.int64), np.asarray(destination, dtype=np.int64)
    order = edge_order(source, destination)
    index = np.stack([source[order], destination[order]])  # several times as fast as index[:, order]
    return EdgeTable(edge_type=edge_type, index=index, weight=None if weight is None else weight[order])


def text_column(table: NodeTable, name: str) -> "pd.Series[str]":
    """Return a column of ids as text; a missing id is ""."""
    return as_texts(table.units[name]).values


def joined(left: NodeTable, left_key: "pd.Series[str]", right: NodeTable, right_key: "pd.Series[str]") -> tuple[IntArray, IntArray]:
    """Return the rows (left, right) that lie in the same sample and have the same key; the key "" matches nothing."""
    frames = [
        pd.DataFrame({"sample": table.sample, "key": key.to_numpy(), "row": np.arange(len(table))})[(key != "").to_numpy()]
        for table, key in ((left, left_key), (right, right_key))
    ]
    pairs = frames[0].merge(frames[1], on=["sample", "key"])
    return pairs["row_x"].to_numpy(dtype=np.int64), pairs["row_y"].to_numpy(dtype=np.int64)


def successors(groups: Sequence[npt.ArrayLike], position: npt.ArrayLike, hops: int) -> tuple[IntArray, IntArray]:
    """Return every element with the next 1 to `hops` elements of its group.

    Args:
        groups: Arrays [num_elements]; elements equal in all of them form a group.
        position: What orders a group; ties keep the order given.  [num_elements]
        hops: How many steps ahead to link, at least 1.
    """
    keys = [np.asarray(group) for group in groups]
    order = np.lexsort((np.asarray(position), *reversed(keys)))
    sources, destinations = [], []
    for hop in range(1, hops + 1):
        first, second = order[:-hop], order[hop:]
        together = np.ones(len(first), dtype=bool)
        for key in keys:
            together &= key[first] == key[second]
        sources.append(first[together])
        destinations.append(second[together])
    return np.concatenate(sources).astype(np.int64), np.concatenate(destinations).astype(np.int64)


def all_pairs(source_group: IntArray, destination_group: IntArray) -> tuple[IntArray, IntArray]:
    """Return every pair (source row, destination row) of the same group; both inputs ascend.

    Pairs are ordered by destination, then source.
    """
    begin = np.searchsorted(source_group, destination_group, side="left")
    count = np.searchsorted(source_group, destination_group, side="right") - begin
    destination = np.repeat(np.arange(len(destination_group)), count)
    return ragged_rows(begin, count), destination


def count_pairs(source_group: IntArray, destination_group: IntArray) -> IntArray:
    """Return how many pairs `all_pairs` makes per destination row, without making them."""
    begin = np.searchsorted(source_group, destination_group, side="left")
    return (np.searchsorted(source_group, destination_group, side="right") - begin).astype(np.int64)


def blocks(sizes: IntArray, limit: int) -> Iterator[slice]:
    """Yield consecutive slices whose sizes add up to at most `limit`, or to one element where that alone is larger."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + limit, side="right")))
        yield slice(start, stop)
        start = stop
