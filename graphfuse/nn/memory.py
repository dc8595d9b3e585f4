"""Memory that a step gave back is kept for the next: the C library would return it to the system, and be given it anew page by page."""

import ctypes
import sys
from functools import cache

KEPT = 1 << 30
"""Bytes at the end of the heap that stay with the process, at most."""
LARGEST = 128 << 20
"""Bytes of a tensor that is taken from the heap; what is larger is mapped, and given back as soon as nobody holds it."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


@cache
def keep_freed_memory() -> bool:
    """Have this process keep freed memory from now on; return whether its C library (glibc) can.

    A step frees all it worked with, and the next needs as much again. Without this, at 256 graphs of 37 nodes, a step of attention
    waits for 14,000 pages of the system, a seventh of its time.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # older libraries take 32 MiB at most; the second alone would do harm: it ends what they do by themselves about the first
    return (
        mallopt is not None
        and any(mallopt(_MMAP_THRESHOLD, size) for size in (LARGEST, LARGEST // 4))
        and bool(mallopt(_TRIM_THRESHOLD, KEPT))
    )
