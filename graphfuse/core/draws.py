"""Random numbers that depend on nothing but their names: the same for a sample alone or in company, now or after a restart."""

from typing import Any

import numpy as np
import numpy.typing as npt

from graphfuse.core.tables import IntArray

STEP = np.uint64(0x9E3779B97F4A7C15)
"""The odd number that SplitMix64 counts by."""


def uniform(*names: int | IntArray) -> npt.NDArray[np.float64]:
    """Return one number in [0, 1) per row of the names, the same whatever the batch or the order (SplitMix64).

    From "Fast splittable pseudorandom number generators" (Steele, Lea and Flood, OOPSLA 2014).

    Args:
        names: Seed, stream, position ...: whole numbers, or arrays of them that broadcast together.
    """
    return _fractions(_state(names), 11, 2.0**-53)


def normal(*names: int | IntArray, width: int) -> npt.NDArray[np.float32]:
    """Return `width` standard normal numbers per row of the names, by the transform of Box and Muller (1958).

    Args:
        names: As for `uniform`; arrays [num_rows].
        width: Numbers per row.

    Returns:
        [num_rows, width]
    """
    pairs = (width + 1) // 2
    bits = _mix(_state(names)[:, None] + STEP * np.arange(pairs, dtype=np.uint64))  # [num_rows, pairs]
    # the two halves of one draw are two numbers; 1 - u is never 0
    radius = np.sqrt(-2 * np.log1p(-_fractions(bits, 32, 2.0**-32)))
    angle = 2 * np.pi * _fractions(bits & np.uint64(0xFFFFFFFF), 0, 2.0**-32)
    both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return both[:, :width].astype(np.float32)


def _state(names: tuple[int | IntArray, ...]) -> npt.NDArray[np.uint64]:
    """Return one well mixed number per row of the names; arrays of uint64 wrap around, which is what the mixing needs."""
    state = np.zeros(np.broadcast_shapes((1,), *(np.shape(name) for name in names)), dtype=np.uint64)
    for name in names:
        state = _mix(state ^ np.asarray(name, dtype=np.int64).astype(np.uint64))
    return state


def _mix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    state = state + STEP
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _fractions(bits: npt.NDArray[np.uint64], shift: int, scale: float) -> npt.NDArray[Any]:
    return (bits >> np.uint64(shift)).astype(np.float64) * scale
