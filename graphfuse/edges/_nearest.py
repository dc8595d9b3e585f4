"""Nearest neighbours within each sample, with the same bits whatever the rest of the chunk holds.

A product of many rows sums in an order that depends on its shape, on the number of threads and on who multiplies (numpy, or a loop
compiled here), and so do the last bits of its results. Cosines are therefore rounded to steps far coarser than that noise. Where the
noise could decide between two steps, which is rare, the cosine is computed again from its two rows alone. What comes out is a function
of the two rows and of nothing else.
"""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from graphfuse.core.ragged import places, ragged_rows
from graphfuse.core.tables import IntArray, edge_order
from graphfuse.edges import _compiled_nearest
from graphfuse.edges._helpers import NUMBERS_IN_CACHE, Features, Float64Array, blocks

NUMBERS_AT_ONCE = 4_000_000
"""Bounds the memory of one product (8 bytes each)."""
STEP = 2.0**-24
"""Cosines are rounded to multiples of this, which float32 holds exactly; those that round to the same are equal."""
PLACES = 2.0**27
"""Columns whose place fits beside a cosine in steps (25 bits) in the 53 bits of a float64; memory ends long before."""
SHORTEST = 1e-100
"""Rows below this length count as zeros: products of shorter ones may fall below what float64 holds in full."""


def nearest(
    a: Features, a_sample: IntArray, b: Features, b_sample: IntArray, top_k: int, *, apart: bool
) -> tuple[IntArray, IntArray, Float64Array]:
    """Return, for every row of `a`, the `top_k` rows of `b` in the same sample with the largest positive cosine.

    Args:
        a: Features.  [num_a, channels]
        a_sample: Sample of each row, ascending.  [num_a]
        b: Features in the same space.  [num_b, channels]
        b_sample: Sample of each row, ascending.  [num_b]
        top_k: Most neighbours of one row; equal cosines are won by the earlier row.
        apart: `a` and `b` are the same table, and no row is its own neighbour.

    Returns:
        Rows of `a`, rows of `b` and their cosines, by row of `b`, then of `a`.
    """
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    serves = _compiled_nearest.serves(a, b)
    cosines = partial(_compiled_nearest.cosines, a, b, STEP, SHORTEST) if serves else _Products(a, b).cosines
    found: list[tuple[IntArray, IntArray, Float64Array]] = []
    for items in _groups(_items(a_sample, b_sample)):
        rows = ragged_rows(items[:, 0], items[:, 1])
        steps = _steps(cosines(items), a, b, items, rows)  # [rows of the group, columns per item]
        first = np.repeat(items[:, 2], items[:, 1])[:, None]
        if apart:
            steps[np.arange(len(rows)), rows - first[:, 0]] = -1.0
        place, value = _largest(steps, top_k)
        keep = value > 0
        found.append((np.broadcast_to(rows[:, None], keep.shape)[keep], (first + place)[keep], value[keep]))
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
    source, destination, value = (np.concatenate(part) for part in zip(*found, strict=True))
    order = edge_order(source, destination, distinct=True)
    return source[order], destination[order], value[order] * STEP


class _Products:
    """Cosines of the rows of two tables, in memory that is used again.

    New memory for every batch would cost more than all that is done in it: its pages are only made when first written to.
    """

    def __init__(self, a: Features, b: Features) -> None:
        self._tables = (a, b)
        self._taken = [np.empty((0, x.shape[1]), dtype=x.dtype) for x in self._tables]
        self._wide = [np.empty(x.shape) for x in self._taken]

    def cosines(self, items: IntArray) -> Float64Array:
        """Return the cosines of all pairs of rows of some items, in steps.  [rows of `a`, columns per item].

        Args:
            items: Samples with the same number of columns, as `_items` returns them.  [num_items, 4]
        """
        each = int(items[0, 3])
        rows, columns = (ragged_rows(items[:, first], items[:, first + 1]) for first in (0, 2))
        cosine = np.empty((len(rows), each))
        squares = np.empty(len(rows)), np.empty(len(columns))
        top = left = 0
        for items_alike, height in _batches(items, self._tables[0].shape[1]):
            down, right = top + items_alike * height, left + items_alike * each
            # a few samples at a time, so that features are read once, and all that is made of them stays in the cache
            x = self._rows(0, rows[top:down], squares[0][top:down]).reshape(items_alike, height, -1)
            y = self._rows(1, columns[left:right], squares[1][left:right]).reshape(items_alike, each, -1)
            np.matmul(x, y.swapaxes(1, 2), out=cosine[top:down].reshape(items_alike, height, each))
            top, left = down, right
        item = np.repeat(np.arange(len(items)), items[:, 1])
        cosine *= _scales(squares[0])[:, None]
        cosine *= _scales(squares[1]).reshape(-1, each)[item]
        return cosine

    def _rows(self, end: int, rows: IntArray, squares: Float64Array) -> Float64Array:
        """Return rows of a table as float64, until the next call, and write their sums of squares.  [num_rows, channels]."""
        count = len(rows)
        if count > len(self._taken[end]):
            self._taken[end] = np.empty((count, self._tables[end].shape[1]), dtype=self._tables[end].dtype)
            self._wide[end] = np.empty(self._taken[end].shape)
        taken, wide = self._taken[end][:count], self._wide[end][:count]
        self._tables[end].take(rows, axis=0, out=taken, mode="clip")  # every row exists; mode="raise" would copy once more
        np.copyto(wide, taken)
        np.vecdot(wide, wide, out=squares)
        return wide


def _scales(squares: Float64Array) -> Float64Array:
    """Return 1 / length of rows, 0 where there is none; the product of two of them and of their rows is in steps.  [n] -> [n]."""
    length = np.sqrt(squares)
    scale: Float64Array = np.divide(STEP**-0.5, length, out=np.zeros_like(length), where=length > SHORTEST)
    return scale


def _steps(cosine: Float64Array, a: Features, b: Features, items: IntArray, rows: IntArray) -> Float64Array:
    """Return cosines as whole steps.  [num_rows, columns per item].

    Args:
        cosine: In steps; overwritten.  [num_rows, columns per item]
        a: Features.  [num_a, channels]
        b: Features.  [num_b, channels]
        items: What they are the cosines of.  [num_items, 4]
        rows: Its rows of `a`.  [num_rows]
    """
    steps = np.rint(cosine)
    cosine -= steps
    np.abs(cosine, out=cosine)
    # A sum of n products errs by less than n units in the last place (2^-53) of the product of both lengths, in any order, a length by
    # half of that; what follows, here and in `_exact`, adds less than 16.
    middle = 0.5 - 2 * (a.shape[1] + 8) * 2.0**-53 / STEP
    if cosine.max(initial=0.0) > middle:
        item = np.repeat(np.arange(len(items)), items[:, 1])
        for row, column in np.argwhere(cosine > middle).tolist():
            steps[row, column] = np.rint(_exact(a[rows[row]], b[items[item[row], 2] + column]))
    return steps


def _exact(x: Features, y: Features) -> float:
    """Return the cosine of two rows in steps, from sums that are rounded once: the same in any order.  [channels] each."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    product, *squares = (math.fsum((left * right).tolist()) for left, right in ((x, y), (x, x), (y, y)))
    scales = _scales(np.array(squares))
    return float(product * scales[0] * scales[1])


def _largest(steps: Float64Array, top_k: int) -> tuple[IntArray, Float64Array]:
    """Return places and values of the largest numbers of each row; of equal ones the earlier.  [n, m] -> [n, up to top_k].

    Args:
        steps: Whole numbers of up to 25 bits.
        top_k: Most of one row.
    """
    # they leave float64 27 bits, in which the place is written: numbers are sorted several times as fast as places
    marked = steps * -PLACES
    marked += np.arange(steps.shape[1])
    marked.sort(axis=1)
    marked = marked[:, :top_k]
    value = -np.floor(marked / PLACES)
    return (marked + value * PLACES).astype(np.int64), value


def _items(a_sample: IntArray, b_sample: IntArray) -> IntArray:
    """Return first row and number of rows of `a` and of `b`, for every sample that has both.  [num_items, 4].

    They are sorted by number of rows of `b`, then of `a`. A very large sample is cut into several items, each with some rows of `a`.
    """
    num_samples = max(int(ids[-1]) + 1 if len(ids) else 0 for ids in (a_sample, b_sample))
    n, m = (np.bincount(ids, minlength=num_samples) for ids in (a_sample, b_sample))
    items = np.stack([np.cumsum(n) - n, n, np.cumsum(m) - m, m], axis=1)[(n > 0) & (m > 0)]
    height = np.maximum(NUMBERS_AT_ONCE // (3 * items[:, 3]), 1)
    cuts = -(-items[:, 1] // height)
    if cuts.max(initial=1) > 1:
        items, height = np.repeat(items, cuts, axis=0), np.repeat(height, cuts)
        done = height * places(cuts)
        items[:, 0] += done
        items[:, 1] = np.minimum(items[:, 1] - done, height)
    return items[np.lexsort((items[:, 1], items[:, 3]))]


def _groups(items: IntArray) -> Iterator[IntArray]:
    """Yield items with the same number of columns, as many as have products that stay in the cache."""
    for alike in np.split(items, np.flatnonzero(np.diff(items[:, 3])) + 1):
        for part in blocks(alike[:, 1] * alike[:, 3], NUMBERS_IN_CACHE):
            yield alike[part]


def _batches(items: IntArray, channels: int) -> Iterator[tuple[int, int]]:
    """Yield (number of items, rows of each) for items in a row that have the same number of rows, few enough for the cache."""
    each = int(items[0, 3])
    for height, count in zip(*(part.tolist() for part in np.unique(items[:, 1], return_counts=True)), strict=True):
        at_once = max(1, NUMBERS_IN_CACHE // (3 * height * each + (height + each) * max(channels, 1)))
        for first in range(0, count, at_once):
            yield min(at_once, count - first), height
