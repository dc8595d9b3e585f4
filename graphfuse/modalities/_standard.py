"""Centre and scale of encoded units, fitted on train rows."""

from typing import Protocol, cast

import numpy as np

from graphfuse.core.tables import FloatArray, Manifest, NodeTable, State

FIT_ROWS = 2048
"""Rows drawn to fit on; a mean does not get better with more, encoding them all would take the time of a second conversion."""


class Units(Protocol):
    """What can turn rows into nodes."""

    def nodes(self, chunk: Manifest, state: State) -> NodeTable:
        """Return the nodes of some rows."""


def fit_standard(modality: Units, manifest: Manifest) -> State:
    """Return the mean of every channel and one common deviation over a seeded draw of rows.

    Encoders' vectors share a large common part, which would drown what tells units apart in every product of two
    vectors. One deviation for all channels keeps their proportions: a channel that hardly varies is not blown up.
    """
    rows = np.arange(len(manifest))
    if len(rows) > FIT_ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(len(rows))[:FIT_ROWS])
    x = modality.nodes(manifest.take(rows), {}).x.astype(np.float64)
    if not len(x):
        return {}
    deviation = float(np.sqrt(x.var(axis=0).mean()))
    if deviation < 1e-4 * max(1.0, float(np.abs(x).max())):  # nothing but rounding: dividing by it would overflow float16
        deviation = 1.0
    return {"mean": x.mean(axis=0).astype(np.float32), "deviation": np.array([deviation], dtype=np.float32)}


def standardised(x: FloatArray, state: State) -> FloatArray:
    """Return (x - mean) / deviation, or x as it is where nothing was fitted: [num_units, channels]."""
    if "mean" not in state:
        return x
    mean, deviation = (cast("FloatArray", state[name]) for name in ("mean", "deviation"))
    return (x - mean) / deviation
