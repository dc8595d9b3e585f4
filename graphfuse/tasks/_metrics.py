"""Metrics that classification and multi-label share; scikit-learn is their oracle in tests."""

import math

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor


def ranking_metrics(positive: npt.NDArray[np.bool_], score: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return `roc_auc` and `average_precision` averaged over the columns that have both positives and negatives.

    A column without either has no ranking to judge and is left out; with none left the result is empty.

    Args:
        positive: Truth of each class or label.  [num_samples, num_columns]
        score: Higher = more likely; NaN where the truth is unknown.  [num_samples, num_columns]
    """
    areas, precisions = [], []
    for column in range(positive.shape[1]):
        known = ~np.isnan(score[:, column])
        truth, ranked = positive[known, column], score[known, column]
        if truth.any() and not truth.all():
            areas.append(float(roc_auc_score(truth, ranked)))
            precisions.append(float(average_precision_score(truth, ranked)))
    if not areas:
        return {}
    return {"roc_auc": float(np.mean(areas)), "average_precision": float(np.mean(precisions))}


def class_scores(log_probability: Tensor) -> npt.NDArray[np.float64]:
    """Return what rows are ranked by, class by class: it rises with the probability, and tells sure rows apart where that is 1.

    Args:
        log_probability: Of two classes or more, in float64.  [num_samples, num_classes]
    """
    best = log_probability.argmax(dim=-1, keepdim=True)
    top, others = log_probability.gather(1, best), log_probability.scatter(1, best, -math.inf).logsumexp(dim=-1, keepdim=True)
    # log p below one half; above it the same curve turned around: 2 log(1/2) - log(1 - p), which goes on where log p ends at 0
    return log_probability.scatter(1, best, torch.where(others < math.log(0.5), 2 * math.log(0.5) - others, top)).numpy()


def f1(truth: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> float:
    """Return F1 = 2 TP / (2 TP + FP + FN); 0 where nothing is positive (written out, since it is asked for every epoch)."""
    found = int(np.count_nonzero(truth & predicted))
    total = int(np.count_nonzero(truth)) + int(np.count_nonzero(predicted))
    return 2 * found / total if total else 0.0
