"""Exact nearest neighbours within each sample, with the same bits whatever the rest of the chunk holds."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from graphfuse.core.tables import IntArray

Float64Array = npt.NDArray[np.float64]

NUMBERS_AT_ONCE = 4_000_000
"""Bounds the memory of one batched product (8 bytes each)."""
STEP = 2.0**-20
"""Coordinates are rounded to multiples of this: products are then multiples of 2^-40 and their sums stay below 2^13, so that
float64 holds them exactly and the order of summation, the batch shape and the number of threads change nothing. New rows
therefore get the very edges that the same rows had in the store."""


Space = Callable[[npt.NDArray[np.floating]], Float64Array]
"""Features of some rows -> the same rows in the space where they are compared, each by itself."""


def nearest(
    a: npt.NDArray[np.floating],
    a_sample: IntArray,
    b: npt.NDArray[np.floating],
    b_sample: IntArray,
    top_k: int,
    *,
    apart: bool,
    spaces: tuple[Space, Space] | None = None,
) -> tuple[IntArray, IntArray, Float64Array]:
    """Return, for every row of `a`, the `top_k` rows of `b` in the same sample with the largest positive cosine.

    Args:
        a: Features.  [num_a, channels_a]
        a_sample: Sample of each row, ascending.  [num_a]
        b: Features.  [num_b, channels_b]
        b_sample: Sample of each row, ascending.  [num_b]
        top_k: Most neighbours of one row; equal cosines are won by the earlier row.
        apart: `a` and `b` are the same table, and no row is its own neighbour.
        spaces: What brings rows of `a` and of `b` into one space; None where they are in one.

    Returns:
        Rows of `a`, rows of `b` and their cosines, in no particular order.
    """
    into_a, into_b = spaces or (_as_they_are, _as_they_are)
    found: list[tuple[IntArray, IntArray, Float64Array]] = []
    for rows, columns in _batches(a_sample, b_sample, max(a.shape[1], b.shape[1], 1)):
        # a few samples at a time, so that features are read once, and all that is made of them stays in the cache
        left, right = _steps(into_a(a[rows])), _steps(into_b(b[columns]))
        cosine = left @ right.swapaxes(1, 2) * STEP**2  # [samples, a per sample, b per sample]
        if apart:
            cosine[rows[:, :, None] == columns[:, None, :]] = -1.0
        best = np.argsort(-cosine, axis=2, kind="stable")[:, :, :top_k]
        value = np.take_along_axis(cosine, best, axis=2)
        sample, row, _ = keep = np.nonzero(value > 0)
        found.append((rows[sample, row], columns[sample, best[keep]], value[keep]))
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
    source, destination, cosine = (np.concatenate(part) for part in zip(*found, strict=True))
    return source, destination, cosine


def _as_they_are(x: npt.NDArray[np.floating]) -> Float64Array:
    return x.astype(np.float64)


def _steps(x: Float64Array) -> Float64Array:
    """Return rows of length 1 in whole steps, made of `x` itself; a row of zeros stays one."""
    norm = np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
    x /= np.where(norm > 0, norm, 1.0) * STEP
    return np.rint(x, out=x)


def _batches(a_sample: IntArray, b_sample: IntArray, dimensions: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield rows [samples, n] of `a` and [samples, m] of `b` for samples that have the same n and m: batches without padding."""
    samples = np.intersect1d(a_sample, b_sample)
    begin = np.stack([np.searchsorted(ids, samples, side="left") for ids in (a_sample, b_sample)], axis=1)
    count = np.stack([np.searchsorted(ids, samples, side="right") for ids in (a_sample, b_sample)], axis=1) - begin
    shapes, shape_of = np.unique(count, axis=0, return_inverse=True)
    for number, (n, m) in enumerate(shapes.tolist()):
        starts = begin[shape_of.reshape(-1) == number]
        height = max(1, NUMBERS_AT_ONCE // (m * 3))  # of a very large sample, some rows of `a` at a time
        at_once = max(1, NUMBERS_AT_ONCE // (3 * n * m + (n + m) * dimensions))
        for first in range(0, len(starts), at_once):
            part = starts[first : first + at_once]
            columns = part[:, 1:] + np.arange(m)
            for top in range(0, n, height):
                yield part[:, :1] + np.arange(top, min(top + height, n)), columns
