"""Exact nearest neighbours within each sample, with the same bits whatever the rest of the chunk holds."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from graphfuse.core.tables import IntArray

Float64Array = npt.NDArray[np.float64]

NUMBERS_AT_ONCE = 4_000_000
"""Bounds the memory of one batched product (8 bytes each)."""
NUMBERS_IN_CACHE = 2**18
"""What a batch of small samples may hold (8 bytes each), so that it stays in a core's cache from the first step to the last."""
STEP = 2.0**-20
"""Coordinates are rounded to multiples of this: products are then multiples of 2^-40 and their sums stay below 2^13, so that
float64 holds them exactly and the order of summation, the batch shape and the number of threads change nothing. New rows
therefore get the very edges that the same rows had in the store."""
PLACES = 2**12
"""Most columns whose place fits beside a product of two rows (41 bits) in the 53 bits of a float64."""


Space = Callable[[Float64Array], Float64Array]
"""Features of some rows -> the same rows in the space where they are compared, each by itself; what is given may be overwritten."""


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
    sources, destinations = _End(a, into_a), _End(b, into_b)
    found: list[tuple[IntArray, IntArray, Float64Array]] = []
    for rows, columns in _batches(a_sample, b_sample, max(a.shape[1], b.shape[1], 1)):
        # a few samples at a time, so that features are read once, and all that is made of them stays in the cache
        left, right = sources.in_steps(rows), destinations.in_steps(columns)
        product = left @ right.swapaxes(1, 2)  # whole numbers  [samples, a per sample, b per sample]
        if apart:
            product[rows[:, :, None] == columns[:, None, :]] = -1.0
        best, value = _largest(product, top_k)
        sample, row, _ = keep = np.nonzero(value > 0)
        found.append((rows[sample, row], columns[sample, best[keep]], value[keep]))
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
    source, destination, products = (np.concatenate(part) for part in zip(*found, strict=True))
    return source, destination, products * STEP**2


class _End:
    """One end's features, brought into the common space some rows at a time, in memory that is used again.

    New memory for every batch would cost more than all that is done in it: its pages are only made when first written to.
    """

    def __init__(self, x: npt.NDArray[np.floating], space: Space) -> None:
        self._x = np.ascontiguousarray(x)
        self._space = space
        self._taken: npt.NDArray[np.floating] = np.empty((0, x.shape[1]), dtype=x.dtype)
        self._wide: Float64Array = np.empty((0, x.shape[1]))

    def in_steps(self, rows: IntArray) -> Float64Array:
        """Return rows of length 1 in whole steps, until the next call.  [samples, n] -> [samples, n, dimensions]."""
        count = rows.size
        if count > len(self._taken):
            self._taken = np.empty((count, self._x.shape[1]), dtype=self._x.dtype)
            self._wide = np.empty(self._taken.shape)
        # every row exists; mode="raise" would copy once more
        self._x.take(rows.reshape(-1), axis=0, out=self._taken[:count], mode="clip")
        np.copyto(self._wide[:count], self._taken[:count])
        return _steps(self._space(self._wide[:count])).reshape(*rows.shape, -1)


def _as_they_are(x: Float64Array) -> Float64Array:
    return x


def _steps(x: Float64Array) -> Float64Array:
    """Return rows of length 1 in whole steps, made of `x` itself; a row of zeros stays one.  [num_rows, dimensions]."""
    norm = np.sqrt(np.vecdot(x, x)[:, None])  # a row's sum has the same order whatever the other rows
    x *= 1 / (np.where(norm > 0, norm, 1.0) * STEP)
    return np.rint(x, out=x)


def _largest(product: Float64Array, top_k: int) -> tuple[IntArray, Float64Array]:
    """Return places and values of the largest numbers of each row; of equal ones the earlier.  [..., m] -> [..., up to top_k].

    Args:
        product: Whole numbers below 2^41.
        top_k: Most of one row.
    """
    if product.shape[-1] > PLACES:
        best = np.argsort(-product, axis=-1, kind="stable")[..., :top_k]
        return best, np.take_along_axis(product, best, axis=-1)
    # they leave float64 twelve bits, in which the place is written: numbers are sorted several times as fast as places
    marked = np.sort(np.arange(product.shape[-1]) - product * PLACES, axis=-1)[..., :top_k]
    value = -np.floor(marked / PLACES)
    return (marked + value * PLACES).astype(np.int64), value


def _batches(a_sample: IntArray, b_sample: IntArray, dimensions: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield rows [samples, n] of `a` and [samples, m] of `b` for samples that have the same n and m: batches without padding."""
    num_samples = max(int(ids[-1]) + 1 if len(ids) else 0 for ids in (a_sample, b_sample))
    count = np.stack([np.bincount(ids, minlength=num_samples) for ids in (a_sample, b_sample)], axis=1)
    begin = np.cumsum(count, axis=0) - count
    both = np.flatnonzero(count.min(axis=1))
    shape = count[both, 0] * (count.max(initial=0) + 1) + count[both, 1]
    for number in np.unique(shape):
        starts = begin[both[shape == number]]
        n, m = count[both[shape == number][0]].tolist()
        height = max(1, NUMBERS_AT_ONCE // (m * 3))  # of a very large sample, some rows of `a` at a time
        at_once = max(1, min(NUMBERS_AT_ONCE, NUMBERS_IN_CACHE) // (3 * n * m + (n + m) * dimensions))
        for first in range(0, len(starts), at_once):
            part = starts[first : first + at_once]
            columns = part[:, 1:] + np.arange(m)
            for top in range(0, n, height):
                yield part[:, :1] + np.arange(top, min(top + height, n)), columns
