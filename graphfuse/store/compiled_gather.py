"""The columns of a batch by compiled loops, to the same bits as by numpy and torch."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graphfuse.core.compiled import Loops, addresses
from graphfuse.core.tables import IntArray
from graphfuse.store.buffers import Allocate
from graphfuse.store.columns import Shard
from graphfuse.store.gathered import Columns

SOURCE = Path(__file__).with_name("gather.cpp")


def gather(shards: Sequence[Shard], shard_of: IntArray, local: IntArray, ends: IntArray, allocate: Allocate) -> Columns:
    """Gather samples in the order asked for, as `gather.gather` does.

    Raises:
        ConfigError: If the loops have to be compiled and cannot be.
        IndexError: If a sample does not lie in its shard.
    """
    types = len(shards[0].nodes)
    last = types + ends.shape[1]
    starts, counts = torch.empty((2, last + 1, len(local)), dtype=torch.int64)
    pointers = torch.empty((types, len(local) + 1), dtype=torch.int64)
    rows = np.empty(last + 1, dtype=np.int64)
    memory = np.stack([shard.memory for shard in shards])
    numbers = (len(local), types, ends.shape[1], len(shards[0].columns))
    loops = Loops(SOURCE, _Batch, *numbers, shard_of, local, memory, ends, shards[0].kinds, starts, counts, pointers, rows)
    if not loops("find"):
        raise IndexError(
            "A sample's pointers must ascend and lie in its shard (they do not: the store is damaged, and was opened unchecked)."
        )
    sizes = rows.tolist()
    taken = _memory(shards[0], sizes, allocate)
    whole = torch.empty(sum(sizes[:types]) + 2 * sum(sizes[types:last]), dtype=torch.int64)
    parts = torch.split(whole, [*sizes[:types], *(2 * size for size in sizes[types:last])])
    loops("take", addresses(taken), whole)
    rest = iter(taken[types:])
    return Columns(
        node_counts=counts[:types],
        node_pointers=pointers.unbind(),
        owners=parts[:types],
        nodes=taken[:types],
        edge_counts=counts[types:last],
        edges=[part.view(2, -1) for part in parts[types:]],
        weights={number: next(rest) for number in shards[0].weights},
        y=next(rest, None),
    )


def _memory(shard: Shard, sizes: Sequence[int], allocate: Allocate) -> list[Tensor]:
    """Return memory for each column of a batch, of as many rows as its type has; features are float32."""
    shapes = [(sizes[kind], *array.shape[1:]) for kind, array in shard.columns]
    types = len(shard.nodes)
    features = iter(allocate([shape for shape in shapes[:types] if len(shape) == 2]))
    return [
        torch.from_numpy(next(features) if kind < types and len(shape) == 2 else np.empty(shape, dtype=array.dtype))
        for shape, (kind, array) in zip(shapes, shard.columns, strict=True)
    ]


class _Batch(ctypes.Structure):
    """`Batch` of gather.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_samples", "num_node_types", "num_edge_types", "num_columns")),
        *((name, ctypes.c_void_p) for name in ("shard", "local", "memory", "ends", "kinds", "starts", "counts", "node_pointers", "rows")),
    )
