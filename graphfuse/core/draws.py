"""Random numbers that depend on nothing but their names: the same for a sample alone or in company, now or after a restart."""

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
    return (_state(names) >> np.uint64(11)).astype(np.float64) * 2.0**-53


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
    # two numbers of 24 bits from each draw, which float32 holds exactly; 1 - u is never 0
    radius = np.sqrt(-2 * np.log1p(-_short(bits >> np.uint64(40))))
    angle = np.float32(2 * np.pi) * _short(bits & np.uint64(0xFFFFFF))
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :width]


def _short(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.float32]:
    """Return numbers below 2^24 as fractions of it."""
    return bits.astype(np.float32) * np.float32(2.0**-24)


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
