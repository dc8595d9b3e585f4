"""Does a stated probability come true as often as it says? Expected calibration error and the bins of a reliability picture.

From "On Calibration of Modern Neural Networks" (Guo et al., ICML 2017, arXiv:1706.04599): predictions are sorted into bins by
confidence, and the error is the mean over predictions of the distance between confidence and accuracy of their bin. With bins of
equal width many may be nearly empty; the adaptive error, with as many predictions in each bin, is that of "Measuring Calibration
in Deep Learning" (Nixon et al., CVPR workshops 2019, arXiv:1904.01685).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from graphfuse.core.schema import TargetKind
from graphfuse.training.summary import interval

NUM_BINS = 15
"""As in Guo et al."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Statements:
    """What was said with which confidence, and whether it came true."""

    confidence: Array
    """In [0, 1].  [num_statements]"""
    true: Array
    """1 where it came true, else 0.  [num_statements]"""


def calibrate(name: str, logits: Sequence[Tensor], y: Tensor, kind: TargetKind, num_bins: int = NUM_BINS) -> dict[str, Any] | None:
    """Return one entry of `calibration` in `comparison.json`; None where nothing is stated: values have no probability.

    Args:
        name: The row.
        logits: Of the test rows, one per seed.  [num_samples, num_logits] each
        y: Targets as the store has them.
        kind: The kind of target.
        num_bins: Number of bins.

    Returns:
        `name`; `ece` with `low` and `high` (95 % over seeds); `adaptive_ece`; `bins` of equal width over all seeds together, from low
        to high confidence, each with mean `confidence`, `accuracy` and `count`; bins without a statement are left out.
    """
    if kind not in ("classification", "multilabel"):
        return None
    said = [state(one, y, kind) for one in logits]
    if not said or not len(said[0].confidence):
        return None
    error = interval([calibration_error(one, equal_width(one, num_bins)) for one in said])
    adaptive = interval([calibration_error(one, equal_mass(one, num_bins)) for one in said])
    together = Statements(confidence=np.concatenate([one.confidence for one in said]), true=np.concatenate([one.true for one in said]))
    return {
        "name": name,
        "ece": error["mean"],
        "low": error["low"],
        "high": error["high"],
        "adaptive_ece": adaptive["mean"],
        "bins": reliability(together, equal_width(together, num_bins)),
    }


def state(logits: Tensor, y: Tensor, kind: TargetKind) -> Statements:
    """Return what logits say of the rows or cells whose target is known.

    Of a class, the statement is that the most probable one is right; of labels, each cell states that the label is there.
    """
    if kind == "multilabel":
        known = ~y.isnan()
        return Statements(confidence=logits.double().sigmoid()[known].numpy(), true=(y[known] == 1).double().numpy())
    known = y >= 0
    confidence, predicted = logits[known].double().softmax(dim=-1).max(dim=-1)
    return Statements(confidence=confidence.numpy(), true=(predicted == y[known]).double().numpy())


def equal_width(said: Statements, num_bins: int) -> npt.NDArray[np.int64]:
    """Return each statement's bin of width 1 / num_bins; a bin holds its upper end, the first also 0.  [num_statements]."""
    return np.clip(np.ceil(said.confidence * num_bins).astype(np.int64) - 1, 0, num_bins - 1)


def equal_mass(said: Statements, num_bins: int) -> npt.NDArray[np.int64]:
    """Return each statement's bin; bins hold equally many, as far as equal confidences, which share one, allow.  [num_statements]."""
    order = np.argsort(said.confidence, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    _, first, group = np.unique(said.confidence, return_index=True, return_inverse=True)
    # the place of the first of the equal ones is that of all, so that the order of rows does not matter
    return place[first][group] * num_bins // max(1, len(order))


def calibration_error(said: Statements, bins: npt.NDArray[np.int64]) -> float:
    """Return the mean over statements of |accuracy - confidence| of their bin."""
    gap = np.bincount(bins, said.true) - np.bincount(bins, said.confidence)  # the number of statements cancels out
    return float(np.abs(gap).sum() / len(bins))


def reliability(said: Statements, bins: npt.NDArray[np.int64]) -> list[dict[str, float]]:
    """Return mean confidence, accuracy and count of each bin that holds something, from low to high."""
    count, confidence, true = np.bincount(bins), np.bincount(bins, said.confidence), np.bincount(bins, said.true)
    return [
        {"confidence": float(confidence[bin_] / count[bin_]), "accuracy": float(true[bin_] / count[bin_]), "count": int(count[bin_])}
        for bin_ in np.flatnonzero(count)
    ]
