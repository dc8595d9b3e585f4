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


def exclusive_sums(counts: IntArray) -> IntArray:
    """Return the sum of the counts before each one, and of all, along the last axis.  [..., size + 1]."""
    sums = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1), dtype=np.int64)
    np.cumsum(counts, axis=-1, out=sums[..., 1:])
    return sums


def by_type(counts: IntArray) -> tuple[IntArray, IntArray]:
    """Return where the ends of edges lie that are kept sample by sample, in the order type by type.

    Of each sample come the edges of the first type, its sources before its destinations, then those of the second type, and so on.

    Args:
        counts: Edges of each sample per type.  [num_samples, num_edge_types]

    Returns:
        First position and number of the sources of each type, and of its destinations, by turns.  [2 * num_edge_types, num_samples] each.
    """
    ends = np.repeat(counts, 2, axis=1)
    return exclusive_sums(ends.ravel())[:-1].reshape(ends.shape).T, ends.T
