"""What makes results repeat: deterministic algorithms, a thread count, and random numbers that depend on nothing but their names."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch


@contextmanager
def reproducible(*, threads: int, fast: bool) -> Iterator[None]:
    """Run torch deterministically on a number of threads; everything is as before afterwards, random numbers included.

    Args:
        threads: Torch threads, 0 for torch's choice. Sums are split by thread, so results repeat for one number only.
        fast: Leave deterministic algorithms off.
    """
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
    with torch.random.fork_rng(devices=[]):
        try:
            if threads:
                torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(not fast)
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1], warn_only=before[2])


def uniform(seed: int, epoch: int, stream: int, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return one number in [0, 1) per position, the same whatever the batch or the order (SplitMix64).

    From "Fast splittable pseudorandom number generators" (Steele, Lea and Flood, OOPSLA 2014).
    """
    state = np.zeros(len(positions), dtype=np.uint64)
    for part in (seed, epoch, stream, positions):
        # arrays of uint64 wrap around, which is what the mixing needs
        state = _mix(state ^ np.asarray(part, dtype=np.int64).astype(np.uint64))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
