"""Is one row better than another beyond chance? Resampling of the test rows, paired, with correction for many comparisons.

Two things have to be ruled out: that the test rows were kind, and that the seeds were. With one seed nothing is known of the second.

p: the larger of two. For the rows that of the approximate randomisation test of "Computer-Intensive Methods for Testing Hypotheses"
(Noreen, Wiley 1989): if two rows are equally good, their predictions of any sample may be swapped. The swaps are the same for all seeds,
the metric is the mean over seeds, and samples of one group (an event, an author) are swapped together, since they stand or fall together.
For both that at which an interval such as the one below would end at 0.

Interval: that of a paired bootstrap over samples or groups, and Student's over seeds, joined as in "Construction of Confidence Limits About
Effect Measures: A General Approach" (Zou and Donner, Statistics in Medicine 2008). One variance of the two and Satterthwaite's degrees of
freedom would call a tenth of equal methods different with two seeds, whose deviation is often small by chance. Correction: "A Simple Sequentially Rejective Multiple Test Procedure" (Holm,
Scandinavian Journal of Statistics 1979). Effect size: the difference over its bootstrap deviation of one sample (deviation
times the root of the number of samples or groups); for a mean over samples, such as accuracy, this is Cohen's d of paired differences. Unlike
p it does not grow with the number of rows, and unlike d over seeds it does not grow without bound where seeds hardly matter.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import brentq
from scipy.stats import norm, t
from torch import Tensor

from graphfuse.comparison.resampling import ANY_METRIC, Array, resampled_metric
from graphfuse.core.schema import TargetSchema
from graphfuse.core.sockets import Task
from graphfuse.nn.losses import labelled

CELLS = 2**19
"""Most weights in memory at a time."""
LEAST = 1e-9
"""Below it p is not told apart."""
BySeed = Mapping[int, Tensor]
"""Seed -> logits [num_samples, num_logits]."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much better one row is than another, in the metric's own unit."""

    difference: float
    low: float | None
    high: float | None
    """The 95 % interval; None with one seed."""
    p: float | None
    """Two-sided; None with one seed."""
    effect_size: float | None


class Resampler:
    """The same resamples of some rows for every comparison.

    Args:
        task: The task.
        target: What is predicted.
        metric: One of the task's metrics.
        y: Targets of the rows.
        groups: A number per row [num_samples] where rows belong together; None where each stands alone.
        resamples: Swaps, and as many bootstrap draws.
    """

    def __init__(
        self, task: Task, target: TargetSchema, metric: str, y: Tensor, groups: npt.NDArray[np.int64] | None, resamples: int
    ) -> None:
        self._task, self._target, self._metric, self._y = task, target, metric, y
        self._groups = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
        self._units = int(self._groups.max()) + 1 if len(y) else 0
        known = labelled(y).numpy()
        self.num_units = len(np.unique(self._groups[known]))
        """Samples or groups that have a target."""
        self.num_rows = int(np.count_nonzero(known))
        """Rows that have a target; others count nowhere."""
        self.unit = "samples" if groups is None else "groups"
        self._asked = resamples
        self.resamples = resamples
        """Those that are taken: fewer than asked for, once `compare` has found that the metric is slow."""
        self._drawn: dict[int, tuple[Tensor, Array]] = {}

    def compare(self, rows: BySeed, others: BySeed) -> Difference | None:
        """Return the difference of two rows over the seeds that both have; None if there are none, or the metric is undefined."""
        seeds = sorted(set(rows) & set(others))
        observed = [self._measure(rows[seed]) - self._measure(others[seed]) for seed in seeds]
        if not seeds or not np.isfinite(observed).all():
            return None
        difference = float(np.mean(observed))
        swapped = self._swapped([rows[seed] for seed in seeds], [others[seed] for seed in seeds])
        drawn = np.stack([self._bootstrapped(rows[seed]) - self._bootstrapped(others[seed]) for seed in seeds])  # [num_seeds, num_draws]
        swapped, whole = swapped[np.isfinite(swapped)], drawn[:, np.isfinite(drawn).all(axis=0)]
        if not swapped.size or not whole.size:
            return Difference(difference=difference, low=None, high=None, p=None, effect_size=None)
        of_rows = whole.mean(axis=0)
        deviation = float(of_rows.std(ddof=1))
        effect_size = difference / (deviation * self.num_units**0.5) if deviation > 1e-12 else None
        if len(seeds) == 1:
            return Difference(difference=difference, low=None, high=None, p=None, effect_size=effect_size)
        of_seeds = float(np.std(observed, ddof=1)) / len(seeds) ** 0.5
        low, high = _joined(difference, np.quantile(of_rows, [0.025, 0.975]), float(t.ppf(0.975, len(seeds) - 1)) * of_seeds)
        reached = int(np.count_nonzero(np.abs(swapped) >= abs(difference) - 1e-12))
        p = max((1 + reached) / (1 + swapped.size), _by_chance(difference, deviation, of_seeds, len(seeds)))
        return Difference(difference=difference, low=low, high=high, p=p, effect_size=effect_size)

    def _measure(self, logits: Tensor) -> float:
        return self._task.metrics(logits, self._y, self._target).get(self._metric, float("nan"))

    def _swapped(self, rows: Sequence[Tensor], others: Sequence[Tensor]) -> Array:
        """Return the difference after each swap, mean over seeds.  [num_swaps]."""
        y = torch.cat([self._y, self._y])
        metrics = [resampled_metric(self._task, self._metric, torch.cat(pair), y, self._target) for pair in zip(rows, others, strict=True)]
        self.resamples = self._count(metrics[0][1])
        parts = []
        for mask in self._chunks(self._swaps[:, : self.resamples]):
            first, second = np.concatenate([1 - mask, mask]), np.concatenate([mask, 1 - mask])
            parts.append(np.mean([metric(first) - metric(second) for metric, _ in metrics], axis=0))
        return np.concatenate(parts)

    def _bootstrapped(self, logits: Tensor) -> Array:
        """Return the metric in each draw, and keep it: the baseline is asked for again and again.  [num_draws]."""
        if id(logits) not in self._drawn:
            metric, fast = resampled_metric(self._task, self._metric, logits, self._y, self._target)
            values = np.concatenate([metric(part) for part in self._chunks(self._draws[:, : self._count(fast)])])
            self._drawn[id(logits)] = logits, values  # the tensor as well, so that no other gets its number
        return self._drawn[id(logits)][1]

    def _count(self, fast: bool) -> int:
        return self._asked if fast else min(self._asked, ANY_METRIC)

    def _chunks(self, units: npt.NDArray[Any]) -> Iterator[Array]:
        """Yield numbers per unit [num_units, num_resamples] as weights per row, some resamples at a time.  [num_samples, step]."""
        step = max(1, CELLS // max(1, 2 * len(self._groups)))
        for start in range(0, units.shape[1], step):
            yield units[self._groups, start : start + step].astype(np.float64)

    @cached_property
    def _swaps(self) -> npt.NDArray[np.uint8]:
        """Whether the predictions of a unit are swapped.  [num_units, num_resamples]."""
        return np.random.default_rng(0).integers(2, size=(self._units, self._asked), dtype=np.uint8)

    @cached_property
    def _draws(self) -> npt.NDArray[np.uint16]:
        """How often a unit is drawn.  [num_units, num_resamples]."""
        rng = np.random.default_rng(1)
        drawn = [np.bincount(rng.integers(self._units, size=self._units), minlength=self._units) for _ in range(self._asked)]
        return np.stack(drawn, axis=1).astype(np.uint16)


def _joined(difference: float, of_rows: Array, of_seeds: float) -> tuple[float, float]:
    """Return the interval of a difference from that over rows and half of that over seeds."""
    below, above = (max(distance, 0.0) for distance in (difference - of_rows[0], of_rows[1] - difference))
    return difference - math.hypot(below, of_seeds), difference + math.hypot(above, of_seeds)


def _by_chance(difference: float, of_rows: float, of_seeds: float, num_seeds: int) -> float:
    """Return the p at which the interval of such standard errors over rows and over seeds ends at 0; 0 where seeds change nothing."""
    if of_seeds < 1e-12:
        return 0.0

    def beyond(p: float) -> float:
        return difference**2 - float((norm.isf(p / 2) * of_rows) ** 2 + (t.isf(p / 2, num_seeds - 1) * of_seeds) ** 2)

    return float(brentq(beyond, LEAST, 1.0)) if beyond(LEAST) < 0 else LEAST


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p values corrected for their number, in the order given; what has none is not counted."""
    known = [position for position, p in enumerate(p_values) if p is not None]
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, position in enumerate(sorted(known, key=lambda position: p_values[position] or 0.0)):
        highest = max(highest, min(1.0, (len(known) - rank) * (p_values[position] or 0.0)))
        corrected[position] = highest
    return corrected
