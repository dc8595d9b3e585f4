"""Rows of score tables, and intervals by resampling samples."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.analyses._elements import Elements
from graphfuse.core.tables import SCORE_COLUMNS, ScoreTable

MOST_DRAWN = 2000
"""Rows, or groups of rows, that are resampled."""


def score_rows(
    analysis: str,
    level: str,
    sample_id: npt.NDArray[Any] | str,
    element: npt.NDArray[Any] | str,
    score: npt.ArrayLike,
    source: npt.ArrayLike = -1,
    target: npt.ArrayLike = -1,
    **more: npt.ArrayLike,
) -> pd.DataFrame:
    """Return rows of a score table; single values are repeated."""
    score = np.atleast_1d(np.asarray(score, dtype=np.float64))
    columns = {
        "analysis": analysis,
        "level": level,
        "sample_id": sample_id,
        "element": element,
        "source": np.asarray(source, dtype=np.int64),
        "target": np.asarray(target, dtype=np.int64),
        "score": score,
    } | more
    return pd.DataFrame({name: np.broadcast_to(value, score.shape) for name, value in columns.items()})


def edge_rows(analysis: str, batch: Batch, elements: Elements, score: Tensor, **more: npt.ArrayLike) -> pd.DataFrame:
    """Return one row per element of a batch; `sample_id` is the sample's position in the store, as text."""
    names = np.array(elements.kinds, dtype=object)
    return score_rows(
        analysis,
        "edge",
        sample_ids(batch)[elements.sample.numpy()],
        names[elements.kind.numpy()],
        score.numpy(),
        elements.source.numpy(),
        elements.target.numpy(),
        **more,
    )


def sample_ids(batch: Batch) -> npt.NDArray[np.object_]:
    """Return each sample's position in the store, as text, [batch_size]."""
    return batch.position.numpy().astype(str).astype(object)


def score_table(frames: Sequence[pd.DataFrame], measure: str = "") -> ScoreTable:
    """Return the table of all rows, with the canonical columns first; no rows give an empty table.

    `measure` says what the scores are measured in, in a column of its own.
    """
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        empty: Mapping[str, Any] = {"source": "int64", "target": "int64", "score": "float64"}
        return ScoreTable(frame=pd.DataFrame({name: pd.Series(dtype=empty.get(name, "str")) for name in SCORE_COLUMNS}))
    frame = pd.concat(frames, ignore_index=True)
    if measure:
        frame["measure"] = pd.Series(measure, index=frame.index, dtype="str")
    return ScoreTable(frame=frame.astype(dict.fromkeys(("analysis", "level", "sample_id", "element"), "str")))


def mean_intervals(values: npt.ArrayLike, seed: int = 0, draws: int = 1000, level: float = 0.95) -> npt.NDArray[np.float64]:
    """Return mean, low and high of each column, by the percentile bootstrap over rows (samples).

    Columns are resampled together, so that the interval of a difference of columns is a paired one
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993). Rows with a NaN are left out. Of more than `MOST_DRAWN` rows,
    so many groups made by chance are resampled instead: the interval is as wide, and takes the same time for any number of rows.
    By chance, since neighbours may be alike (rows sorted by class, say), and groups of them would widen it.

    Args:
        values: One row per sample.  [num_samples, num_columns]
        seed: Of the resampling.
        draws: Resamples.
        level: Share of resampled means that the interval holds.

    Returns:
        [num_columns, 3]; NaN without rows.
    """
    table = np.asarray(values, dtype=np.float64)
    table = table[np.isfinite(table).all(axis=1)]
    rows, columns = table.shape
    if not rows:
        return np.full((columns, 3), np.nan)
    groups = min(rows, MOST_DRAWN)
    starts = np.arange(groups) * rows // groups
    mixed = table if rows == groups else table[np.random.default_rng(seed).permutation(rows)]
    sums, sizes = np.add.reduceat(mixed, starts), np.diff(starts, append=rows)
    times = _times_drawn(groups, draws, seed)
    low, high = np.quantile(times @ sums / (times @ sizes)[:, None], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.stack([table.mean(axis=0), low, high], axis=1)


@lru_cache(maxsize=1)
def _times_drawn(groups: int, draws: int, seed: int) -> npt.NDArray[np.int16]:
    """Return how often each group is drawn in each resample, [draws, groups]: the same for all scores of as many rows."""
    drawn = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=draws)
    return drawn.astype(np.int16)  # a quarter of the bytes to keep
