"""A space in which units that share a train sample are alike: ridge canonical correlation analysis."""

import numpy as np

from graphfuse.core.errors import InputError
from graphfuse.core.tables import IntArray, NodeTable, State
from graphfuse.edges._helpers import NUMBERS_IN_CACHE, Features, Float64Array

FINE, COARSE = 2.0**-18, 2.0**-14
"""Steps of projections (at most 1) and of standardised features (clipped to 32): their products are multiples of 2^-32 and sums over
up to 2^15 channels stay below 2^20, so float64 holds them exactly and a row's projection does not depend on its neighbours."""
SAMPLES_AT_ONCE = 64
"""Of which means and covariances are summed at a time: what is made of them stays in the cache."""
SMALLEST_RIDGE = 1e-3
"""From this ridge on, covariances are multiplied in float32, twice as fast as in float64, and added up in float64: they err by some
1e-6 of the mean variance, far below the ridge that is then added to it."""
FURTHEST = 32.0
"""Standard deviations at which features are clipped."""


def fit_alignment(source: NodeTable, destination: NodeTable, dimensions: int, ridge: float) -> State:
    """Return per end a mean, a scale and a projection [channels, dimensions].

    Every sample that has both ends counts the same: its cross-covariance is that of all its co-occurring pairs (the product of
    its two means), its covariances are those of its units, on which the projection will be used.

    Raises:
        InputError: If fewer than two samples have both ends.
    """
    shared = np.intersect1d(source.sample, destination.sample)
    if len(shared) < 2:
        raise InputError(
            f"similarity with space: aligned learns from train samples that have both {source.node_type} and {destination.node_type}; "
            f"at least 2 are needed (got {len(shared)}). Use space: shared, or leave this edge builder out."
        )
    ends = [_Fitted(table, shared, ridge) for table in (source, destination)]
    # cross-covariance of whitened ends; its singular values are the canonical correlations
    cross = ends[0].sample_means.T @ ends[1].sample_means / len(shared)
    left, correlation, right = np.linalg.svd(ends[0].whitening @ cross @ ends[1].whitening, full_matrices=False)
    directions = [left[:, :dimensions], right.T[:, :dimensions]]
    state: State = {}
    for name, end, direction in zip(("source", "destination"), ends, directions, strict=True):
        projection = end.whitening @ direction * correlation[: direction.shape[1]]
        state[f"{name}_mean"] = end.mean
        state[f"{name}_scale"] = end.scale
        state[f"{name}_projection"] = np.rint(projection / max(np.abs(projection).max(), 1e-30) / FINE) * FINE
    return state


class Projection:
    """Features of one end -> the aligned space.

    Args:
        state: What `fit_alignment` returned.
        end: `source` or `destination`.
    """

    def __init__(self, state: State, end: str) -> None:
        self._mean, scale, self._projection = (state[f"{end}_{name}"].astype(np.float64) for name in ("mean", "scale", "projection"))
        self._steps = float(1 / (scale[0] * COARSE))
        self.dimensions = self._projection.shape[1]

    def rows(self, x: Features, rows: IntArray) -> Float64Array:
        """Return some rows of `x` in the aligned space, each computed from its own features alone.  [num_rows, dimensions].

        Args:
            x: Features.  [n, channels]
            rows: Of `x`.  [num_rows]
        """
        at_once = max(1, NUMBERS_IN_CACHE // max(x.shape[1], 1))
        found = np.empty((len(rows), self._projection.shape[1]))
        wide = np.empty((min(at_once, len(rows)), x.shape[1]))
        for first in range(0, len(rows), at_once):
            # features have float32's precision, and these passes take half as long in it; whole steps (2^19 at most) fit in it
            part = x[rows[first : first + at_once]].astype(np.float32, copy=False)
            part -= self._mean.astype(np.float32)
            part *= np.float32(self._steps)
            np.clip(part, -FURTHEST / COARSE, FURTHEST / COARSE, out=part)
            np.rint(part, out=part)
            np.copyto(wide[: len(part)], part)
            np.matmul(wide[: len(part)], self._projection, out=found[first : first + len(part)])
        found *= COARSE
        return found


class _Fitted:
    """One end's units: weighted mean, scale, whitening [channels, channels] and mean per sample [num_samples, channels]."""

    def __init__(self, table: NodeTable, shared: IntArray, ridge: float) -> None:
        used = np.flatnonzero(np.isin(table.sample, shared))
        place = np.searchsorted(shared, table.sample[used])
        count = np.bincount(place, minlength=len(shared))
        ends = np.cumsum(count)
        starts = ends - count
        blocks = [range(first, min(first + SAMPLES_AT_ONCE, len(shared))) for first in range(0, len(shared), SAMPLES_AT_ONCE)]
        precision: type[np.floating] = np.float32 if ridge >= SMALLEST_RIDGE else np.float64
        # 1. The sum of each sample and the covariance of units, around a centre that is near enough to the mean to lose no digits.
        centre = table.x[used[: ends[blocks[0][-1]]]].mean(axis=0, dtype=np.float64).astype(precision)
        share = np.sqrt(1.0 / count[place] / len(shared)).astype(precision)[:, None]
        sums = np.empty((len(shared), table.x.shape[1]), dtype=precision)
        covariance = np.zeros((table.x.shape[1],) * 2)
        for block in blocks:
            of = slice(starts[block[0]], ends[block[-1]])
            x: Features = table.x[used[of]].astype(precision, copy=False)
            x -= centre
            for sample in block:  # np.add.reduceat takes six times as long
                np.add.reduce(x[starts[sample] - of.start : ends[sample] - of.start], axis=0, out=sums[sample])
            x *= share[of]
            covariance += x.T @ x  # numpy sees that it is symmetric, and computes half of it
        # 2. The same around the mean, for which every sample counts the same.
        sample_means = sums / count[:, None]
        beside = sample_means.mean(axis=0)
        self.mean = centre + beside
        sample_means -= beside
        covariance -= np.outer(beside, beside)
        # 3. One scale for all channels: relative sizes are the encoder's, only the order of magnitude is taken out.
        self.scale = np.sqrt(np.mean(np.diag(covariance), keepdims=True).clip(1e-24))
        self.sample_means = sample_means / self.scale
        covariance /= self.scale**2
        variance, basis = np.linalg.eigh(covariance)
        self.whitening = basis / np.sqrt(variance.clip(0) + ridge * variance.mean().clip(1e-12)) @ basis.T
