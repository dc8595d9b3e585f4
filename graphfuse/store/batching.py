"""Which samples make up which batch: a function of (seed, epoch) and nothing else."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from graphfuse.core.tables import IntArray


def in_order(chosen: IntArray, batch_size: int) -> Iterator[IntArray]:
    """Yield the chosen samples in their order, `batch_size` at a time; the last batch may be smaller."""
    for start in range(0, len(chosen), batch_size):
        yield chosen[start : start + batch_size]


def shuffled(chosen: IntArray, batch_size: int, windows: Iterable[IntArray], rng: np.random.Generator) -> Iterator[IntArray]:
    """Yield the chosen samples in random batches, each sample once.

    Each window of shards is shuffled by itself, so that no more of the store than one window is read at a time; batches run
    across windows, and only the last may be smaller. Samples of a batch are in ascending order, so that reading runs forward.

    Args:
        chosen: Positions in the store.
        batch_size: Samples per batch.
        windows: First position and end of each shard of a window, [num_shards, 2] each.
        rng: Source of the order.
    """
    rest = np.zeros(0, dtype=np.int64)
    for window in windows:
        inside = np.concatenate([chosen[np.searchsorted(chosen, start) : np.searchsorted(chosen, end)] for start, end in window])
        waiting = np.concatenate([rest, rng.permutation(inside)])
        whole = len(waiting) // batch_size * batch_size
        for batch in in_order(waiting[:whole], batch_size):
            yield np.sort(batch)
        rest = waiting[whole:]
    if len(rest):
        yield np.sort(rest)


def shard_windows(sizes: Sequence[int], budget: int, rng: np.random.Generator) -> list[list[int]]:
    """Group shards into windows of at most `budget` bytes each (and at least one shard).

    One window holds everything where it fits, which makes the shuffle exact; else shards are drawn in random order.

    Args:
        sizes: Bytes of each shard.
        budget: Bytes that may be in memory at a time.
        rng: Source of the order.

    Returns:
        Numbers of the shards of each window.
    """
    if sum(sizes) <= budget:
        return [list(range(len(sizes)))]
    windows: list[list[int]] = [[]]
    used = 0
    for shard in rng.permutation(len(sizes)).tolist():
        if windows[-1] and used + sizes[shard] > budget:
            windows.append([])
            used = 0
        windows[-1].append(shard)
        used += sizes[shard]
    return windows
