"""Metrics that classification and multi-label share."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score


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
