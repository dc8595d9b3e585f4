"""Metrics of thousands of resamples at once: each sample counts as often as its weight says.

Most metrics are functions of sums over samples, so that all resamples are one matrix product; rankings are one sort, and
sums between the scores of positives. With weights of one, each equals what the task itself computes (a test shows it).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from graphfuse.core.schema import TargetSchema
from graphfuse.core.sockets import Task
from graphfuse.tasks._metrics import class_scores

Array = npt.NDArray[np.float64]
Resampled = Callable[[Array], Array]
"""Weights [num_samples, num_resamples], whole numbers from 0 -> the metric of each resample, NaN where it is undefined."""

ANY_METRIC = 199
"""Most resamples of a metric that is known to its task only, and computed one resample at a time."""
RANKINGS = {"roc_auc": "area", "macro_roc_auc": "area", "average_precision": "precision", "mean_average_precision": "precision"}


def resampled_metric(task: Task, name: str, logits: Tensor, y: Tensor, target: TargetSchema) -> tuple[Resampled, bool]:
    """Return a metric as a function of weights, and whether it is fast.

    Args:
        task: The task.
        name: The metric, one of `task.metrics`.
        logits: [num_samples, num_logits]
        y: Targets as the store has them.
        target: What they mean.
    """
    if type(task).__module__.startswith("graphfuse.tasks."):
        makers = {"classification": _classification, "multilabel": _multilabel, "regression": _regression}
        found = makers[task.kind](task, name, logits.double(), y, target) if task.kind in makers else None
        if found is not None:
            return found, True

    def one_by_one(weights: Array) -> Array:
        values = []
        for column in weights.T:
            rows = torch.from_numpy(np.repeat(np.arange(len(column)), column.astype(np.int64)))
            values.append(task.metrics(logits[rows], y[rows], target).get(name, np.nan))
        return np.array(values)

    return one_by_one, False


def _classification(task: Any, name: str, logits: Tensor, y: Tensor, target: TargetSchema) -> Resampled | None:
    log_probability, classes = logits.log_softmax(dim=-1), np.arange(logits.size(1))
    known = (y >= 0).numpy()
    truth = y.numpy()[:, None] == classes  # [num_samples, num_classes], all false where unknown
    predicted = (log_probability.exp().numpy().argmax(axis=1)[:, None] == classes) & known[:, None]
    if name in RANKINGS:
        columns = [1] if len(target.classes) == 2 else list(classes)
        score = np.where(known[:, None], class_scores(log_probability), np.nan)
        return _ranking(RANKINGS[name], truth[:, columns], score[:, columns])
    if name == "log_loss":
        loss = -log_probability.gather(1, y.clamp(min=0)[:, None])[:, 0].numpy()
        return _of_sums([known, np.where(known, loss, 0.0)[:, None]], lambda rows, total: _ratio(total, rows)[0])
    shapes: dict[str, Callable[..., Array]] = {
        "accuracy": lambda true, said, right: _ratio(right.sum(axis=0), true.sum(axis=0)),
        "balanced_accuracy": lambda true, said, right: _mean(_ratio(right, true)),
        "macro_f1": lambda true, said, right: _mean(_ratio(2 * right, true + said)),
    }
    return _of_sums([truth, predicted, truth & predicted], shapes[name]) if name in shapes else None


def _multilabel(task: Any, name: str, logits: Tensor, y: Tensor, target: TargetSchema) -> Resampled | None:
    known, probability = ~np.isnan(y.numpy()), logits.sigmoid().numpy()
    truth, predicted = (y.numpy() == 1) & known, (probability >= task.threshold) & known
    if name in RANKINGS:
        return _ranking(RANKINGS[name], truth, np.where(known, logits.numpy(), np.nan))
    shapes: dict[str, Callable[..., Array]] = {
        "micro_f1": lambda rows, true, said, right: np.where(
            rows.any(axis=0), _ratio(2 * right.sum(axis=0), true.sum(axis=0) + said.sum(axis=0), empty=0.0), np.nan
        ),
        "macro_f1": lambda rows, true, said, right: _mean(np.where(rows > 0, _ratio(2 * right, true + said, empty=0.0), np.nan)),
        "hamming": lambda rows, true, said, right: _ratio((true + said - 2 * right).sum(axis=0), rows.sum(axis=0)),
    }
    return _of_sums([known, truth, predicted, truth & predicted], shapes[name]) if name in shapes else None


def _regression(task: Any, name: str, logits: Tensor, y: Tensor, target: TargetSchema) -> Resampled | None:
    truth, predicted = y.double().numpy(), logits.numpy() * np.array(target.std) + np.array(target.mean)
    known = ~np.isnan(truth)
    middle = np.nanmean(truth, axis=0) if known.any() else 0.0  # sums of squares of small numbers are exact enough
    truth, predicted = np.where(known, truth - middle, 0.0), np.where(known, predicted - middle, 0.0)
    error = predicted - truth
    if name in ("mae", "rmse"):
        loss = np.abs(error) if name == "mae" else np.square(error)
        root = np.sqrt if name == "rmse" else np.asarray
        return _of_sums([known, loss], lambda rows, total: _mean(root(_ratio(total, rows))))
    if name == "r2":
        return _of_sums(
            [known, truth, np.square(truth), np.square(error)],
            lambda rows, total, squares, wrong: _mean(1 - _ratio(wrong, _variation(rows, total, squares))),
        )
    if name == "pearson":
        parts = [known, truth, predicted, np.square(truth), np.square(predicted), truth * predicted]
        return _of_sums(parts, lambda rows, a, b, aa, bb, ab: _mean(_correlation(rows, a, b, aa, bb, ab)))
    return None


def _of_sums(parts: list[Any], metric: Callable[..., Array]) -> Resampled:
    """Return a metric of the weighted sums of some columns; each part [num_samples, num_columns] gives [num_columns, num_resamples]."""
    columns = [np.asarray(part, dtype=np.float64).reshape(len(part), -1) for part in parts]
    ends = np.cumsum([part.shape[1] for part in columns])[:-1]
    stacked = np.concatenate(columns, axis=1).T.copy()
    return lambda weights: metric(*np.split(stacked @ weights, ends))


def _ranking(kind: str, positive: npt.NDArray[np.bool_], score: Array) -> Resampled:
    """Return the mean over columns of the area under the ROC curve, or of average precision; equal scores share their place."""
    columns = [_Ranked(positive[:, column], score[:, column]) for column in range(positive.shape[1])]
    curve = _Ranked.area if kind == "area" else _Ranked.precision
    return lambda weights: _mean(np.stack([curve(ranked, weights) for ranked in columns]))


class _Ranked:
    """One column, sorted once: between the scores that positives have, nothing needs to be told apart.

    Args:
        positive: Truth.  [num_samples]
        score: NaN where the truth is unknown.  [num_samples]
    """

    def __init__(self, positive: npt.NDArray[np.bool_], score: Array) -> None:
        levels = np.unique(score[positive & ~np.isnan(score)])[::-1]  # from high to low
        known = np.flatnonzero(~np.isnan(score))
        # of each row, the first level that it reaches; rows below all levels come last
        level = np.searchsorted(-levels, -score[known], side="left")
        tied = np.isin(score[known], levels) & ~positive[known]
        parts = [level, level[positive[known]], level[tied]]
        rows = [known, known[positive[known]], known[tied]]
        size = len(levels) + 1
        self._cuts = [size, 2 * size]
        index = np.concatenate([part + number * size for number, part in enumerate(parts)]), np.concatenate(rows)
        self._sums = csr_matrix((np.ones(len(index[0])), index), shape=(3 * size, len(score)))

    def precision(self, weights: Array) -> Array:
        """Return the sum over levels of the gain in recall times the precision there."""
        reached, gain, _ = self._split(weights)
        looked_at, found = np.cumsum(reached, axis=0), np.cumsum(gain, axis=0)
        precision = np.divide(found, looked_at, out=np.zeros_like(found), where=looked_at > 0)
        return np.where(found[-1] < looked_at[-1], _ratio((gain * precision).sum(axis=0), found[-1]), np.nan)

    def area(self, weights: Array) -> Array:
        """Return the share of pairs of a positive and a negative that are in order; equal scores count half."""
        reached, gain, tied = self._split(weights)
        missed = np.cumsum(reached - gain, axis=0)
        below = missed[-1] - missed + tied / 2
        return _ratio((gain * below).sum(axis=0), gain.sum(axis=0) * missed[-1])

    def _split(self, weights: Array) -> list[Array]:
        """Return per level the rows that reach it, the positives of it, and the negatives with that very score."""
        return np.split(self._sums @ weights, self._cuts)


def _ratio(part: Array, whole: Array, *, empty: float = np.nan) -> Array:
    """Return part / whole, `empty` where the whole is nothing."""
    result: Array = np.divide(part, whole, out=np.full(np.broadcast_shapes(part.shape, whole.shape), empty), where=whole > 0)
    return result


def _mean(values: Array) -> Array:
    """Return the mean over the first axis of what is defined, NaN where nothing is."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=0), defined.sum(axis=0).astype(np.float64))


def _variation(rows: Array, total: Array, squares: Array) -> Array:
    """Return the sum of squared distances from the mean; exactly 0 where rounding is all there is."""
    variation = squares - _ratio(np.square(total), rows, empty=0.0)
    return np.where(variation > 1e-12 * np.maximum(squares, 1e-300), variation, 0.0)


def _correlation(rows: Array, a: Array, b: Array, aa: Array, bb: Array, ab: Array) -> Array:
    shared = ab - _ratio(a * b, rows, empty=0.0)
    return _ratio(shared, np.sqrt(_variation(rows, a, aa) * _variation(rows, b, bb)))
