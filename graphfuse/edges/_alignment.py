"""A space in which units that share a train sample are alike: ridge canonical correlation analysis."""

import numpy as np
import numpy.typing as npt

from graphfuse.core.errors import InputError
from graphfuse.core.tables import NodeTable, State

Float64Array = npt.NDArray[np.float64]

FINE, COARSE = 2.0**-18, 2.0**-14
"""Steps of projections (at most 1) and of standardised features (clipped to 32): their products are multiples of 2^-32 and sums over
up to 2^15 channels stay below 2^20, so float64 holds them exactly and a row's projection does not depend on its neighbours."""
SAMPLES_AT_ONCE = 64
"""Of which means and covariances are summed at a time: what is made of them stays in the cache."""
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
        self._step = scale * COARSE

    def __call__(self, x: Float64Array) -> Float64Array:
        """Return features in the aligned space, overwriting them.  [num_rows, channels] -> [num_rows, dimensions]."""
        x -= self._mean
        x /= self._step
        np.clip(x, -FURTHEST / COARSE, FURTHEST / COARSE, out=x)
        np.rint(x, out=x)
        product: Float64Array = x @ self._projection
        product *= COARSE
        return product


class _Fitted:
    """One end's units: weighted mean, scale, whitening [channels, channels] and mean per sample [num_samples, channels]."""

    def __init__(self, table: NodeTable, shared: npt.NDArray[np.int64], ridge: float) -> None:
        used = np.flatnonzero(np.isin(table.sample, shared))
        place = np.searchsorted(shared, table.sample[used])
        count = np.bincount(place, minlength=len(shared))
        ends = np.cumsum(count)
        starts = ends - count
        blocks = [range(first, min(first + SAMPLES_AT_ONCE, len(shared))) for first in range(0, len(shared), SAMPLES_AT_ONCE)]
        rows = [slice(starts[block[0]], ends[block[-1]]) for block in blocks]
        # 1. The mean of each sample, and of these the mean: every sample counts the same.
        sums = [
            np.add.reduceat(table.x[used[of]].astype(np.float64), starts[block] - of.start) for of, block in zip(rows, blocks, strict=True)
        ]
        sample_means = np.concatenate(sums) / count[:, None]
        self.mean = sample_means.mean(axis=0)
        sample_means -= self.mean
        # 2. The covariance of units around it.
        share = np.sqrt(1.0 / count[place] / len(shared))[:, None]
        covariance = np.zeros((table.x.shape[1],) * 2)
        for of in rows:
            x = table.x[used[of]].astype(np.float64)
            x -= self.mean
            x *= share[of]
            covariance += x.T @ x  # numpy sees that it is symmetric, and computes half of it
        # 3. One scale for all channels: relative sizes are the encoder's, only the order of magnitude is taken out.
        self.scale = np.sqrt(np.mean(np.diag(covariance), keepdims=True).clip(1e-24))
        self.sample_means = sample_means / self.scale
        covariance /= self.scale**2
        variance, basis = np.linalg.eigh(covariance)
        self.whitening = basis / np.sqrt(variance.clip(0) + ridge * variance.mean().clip(1e-12)) @ basis.T
