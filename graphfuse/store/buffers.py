"""Memory for the features of batches, used again as soon as nobody holds what lay in it.

A batch takes some megabytes, and fresh memory costs as much as filling it: the system clears every page, and none is in the cache.
"""

import weakref
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from graphfuse.core.tables import FloatArray

Allocate = Callable[[Sequence[tuple[int, int]]], list[FloatArray]]
"""Shapes -> float32 arrays of any content."""

KEPT = 3
"""Buffers that wait: of the batch that is made, the one in use, and the one before, which a loop drops last."""
LARGEST = 2**28
"""Bytes; a batch that takes more (a whole store, say) is no part of a loop, and would wait in vain."""
SLACK = 1.25
"""A buffer is this much larger than what it was made for, so that the next batch fits too."""
ALIGNMENT = 64
"""Bytes, a line of the cache: arrays begin at multiples of it from the buffer's start."""


def allocate_arrays(shapes: Sequence[tuple[int, int]]) -> list[FloatArray]:
    """Return an array of its own per shape."""
    return [np.empty(shape, dtype=np.float32) for shape in shapes]


class Buffers:
    """Buffers that wait to be used again; safe to share between threads."""

    def __init__(self) -> None:
        self._free: deque[npt.NDArray[np.uint8]] = deque(maxlen=KEPT)

    def allocate(self, shapes: Sequence[tuple[int, int]]) -> list[FloatArray]:
        """Return an array per shape, side by side in one buffer; it comes back when the last array and all views of it are gone."""
        sizes = [-(-rows * columns * 4 // ALIGNMENT) * ALIGNMENT for rows, columns in shapes]
        if sum(sizes) > LARGEST:
            return allocate_arrays(shapes)
        buffer = self._buffer(sum(sizes))
        # an array over a memoryview, since views of views refer to the first array only: that is this one, and its end is theirs
        lent = np.frombuffer(buffer.data, dtype=np.float32)
        weakref.finalize(lent, self._free.append, buffer).atexit = False
        arrays, start = [], 0
        for (rows, columns), size in zip(shapes, sizes, strict=True):
            arrays.append(lent[start : start + rows * columns].reshape(rows, columns))
            start += size // 4
        return arrays

    def _buffer(self, size: int) -> npt.NDArray[np.uint8]:
        """Return a buffer that waited and is neither too small nor far too large, or a new one."""
        for _ in range(len(self._free)):
            try:
                buffer = self._free.popleft()
            except IndexError:  # another thread was faster
                break
            if size <= len(buffer) <= 2 * SLACK * size:
                return buffer
        return np.empty(max(int(SLACK * size), 1) // ALIGNMENT * ALIGNMENT + ALIGNMENT, dtype=np.uint8)
