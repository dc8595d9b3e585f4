"""Where the samples of a batch lie.

What belongs to a sample lies side by side in each column of a shard, and so does what belongs to its neighbours. A batch is therefore a
list of *stretches*, samples that follow one another in a shard, and each column of it the copy of a slice per stretch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphfuse.core.ragged import exclusive_sums
from graphfuse.core.tables import IntArray
from graphfuse.store.columns import Shard


@dataclass(frozen=True, kw_only=True)
class Stretches:
    """The stretches of a batch; types stand in the order of the schema, node types first."""

    shards: Sequence[Shard]
    """The shards that occur."""
    shard: IntArray
    """The shard of each stretch.  [num_stretches]"""
    samples: IntArray
    """Number of samples of each stretch.  [num_stretches]"""
    first: IntArray
    """First sample of each stretch, in its shard.  [num_stretches]"""
    starts: IntArray
    """First row of each stretch in its shard's column of each type.  [num_types, num_stretches]"""
    stops: IntArray
    """The row after its last.  [num_types, num_stretches]"""
    node_counts: IntArray
    """[num_node_types, batch_size]"""
    node_pointers: IntArray
    """First node of each sample in the batch, and the end.  [num_node_types, batch_size + 1]"""
    edge_counts: IntArray
    """[num_edge_types, batch_size]"""

    @property
    def node_shapes(self) -> list[tuple[int, ...]]:
        """Shape of each node type's column in the batch: features [num_nodes, channels], or rows of the entity table [num_nodes]."""
        return [
            (count, *column.shape[1:]) for count, column in zip(self.node_counts.sum(axis=1).tolist(), self.shards[0].nodes, strict=True)
        ]

    @property
    def ends(self) -> tuple[IntArray, IntArray]:
        """Where the ends of the edges of each stretch begin in `Shard.edges`, and where they stop.  [num_stretches] each."""
        starts, stops = (2 * bound[len(self.node_counts) :].sum(axis=0) for bound in (self.starts, self.stops))
        return starts, stops


def find_stretches(shards: Sequence[Shard], shard_of: IntArray, local: IntArray) -> Stretches:
    """Find the stretches of a batch.

    Args:
        shards: The shards that occur.
        shard_of: Each sample's position in `shards`.  [batch_size]
        local: Each sample's position in its shard.  [batch_size]
    """
    goes_on = (np.diff(local) == 1) & (np.diff(shard_of) == 0)
    begin = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    samples = np.diff(begin, append=len(local))
    shard, first = shard_of[begin], local[begin]
    # one row more than samples per stretch, since a sample ends where the next begins
    pointers = take([each.pointers for each in shards], shard, first, first + samples + 1)
    row = np.arange(len(local)) + np.repeat(np.arange(len(begin)), samples)
    types = len(shards[0].nodes)
    node_counts, edge_counts = np.split(np.ascontiguousarray((pointers[row + 1] - pointers[row]).T), [types])
    begin += np.arange(len(begin))  # where each stretch begins in `pointers`
    return Stretches(
        shards=shards,
        shard=shard,
        samples=samples,
        first=first,
        starts=pointers[begin].T,
        stops=pointers[begin + samples].T,
        node_counts=node_counts,
        node_pointers=exclusive_sums(node_counts),
        edge_counts=edge_counts,
    )


def take(
    columns: Sequence[npt.NDArray[Any]], shard: IntArray, starts: IntArray, stops: IntArray, out: npt.NDArray[Any] | None = None
) -> npt.NDArray[Any]:
    """Return rows `start` to `stop` of each stretch, one after the other.

    Args:
        columns: A column of each shard.
        shard: The shard of each stretch.  [num_stretches]
        starts: First row of each.  [num_stretches]
        stops: The row after its last.  [num_stretches]
        out: Where to put them; None: into a new array.
    """
    stretches = zip(shard.tolist(), starts.tolist(), stops.tolist(), strict=True)
    return np.concatenate([columns[number][start:stop] for number, start, stop in stretches], out=out)
