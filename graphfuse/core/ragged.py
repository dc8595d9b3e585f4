"""Stretches of different lengths, side by side in one array, without a Python loop over them."""

import numpy as np

from graphfuse.core.tables import IntArray


def ragged_rows(starts: IntArray, counts: IntArray) -> IntArray:
    """Return the rows of several stretches, one after the other: `[start, start + 1, ... start + count - 1]` each."""
    starts, counts = starts.ravel(), counts.ravel()
    ends = np.cumsum(counts)
    rows = np.repeat(starts - (ends - counts), counts)
    rows += np.arange(len(rows))
    return rows


def places(counts: IntArray) -> IntArray:
    """Return the place of each row in its stretch: `[0, 1, ... count - 1]` each."""
    return ragged_rows(np.zeros_like(counts), counts)


def exclusive_sums(counts: IntArray) -> IntArray:
    """Return the sum of the counts before each one, and of all, along the last axis.  [..., size + 1]."""
    sums = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1), dtype=np.int64)
    np.cumsum(counts, axis=-1, out=sums[..., 1:])
    return sums
