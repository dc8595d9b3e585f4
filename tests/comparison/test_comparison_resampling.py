"""Metrics of resamples: the task's own at weights of one, and of repeated rows at other weights."""

import numpy as np
import pandas as pd
import pytest
import torch

from graphfuse.comparison.resampling import resampled_metric
from graphfuse.tasks.classification import Classification
from graphfuse.tasks.multilabel import Multilabel
from graphfuse.tasks.regression import Regression

ROWS = 60


def classified(classes):
    rng = np.random.default_rng(classes)
    task = Classification()
    target = task.fit(pd.DataFrame({"label": [f"class {n % classes}" for n in range(30)]}))
    y = torch.from_numpy(rng.integers(-1, classes, ROWS))
    logits = torch.from_numpy(rng.normal(size=(ROWS, classes)).round(1)).float()  # rounded, so that scores tie
    return task, target, logits, y


def labelled():
    rng = np.random.default_rng(7)
    task = Multilabel(threshold=0.4)
    target = task.fit(pd.DataFrame({name: [0, 1] * 10 for name in "abc"}))
    y = torch.from_numpy(rng.choice([0.0, 1.0, np.nan], size=(ROWS, 3), p=[0.6, 0.3, 0.1])).float()
    return task, target, torch.from_numpy(rng.normal(size=(ROWS, 3)).round(1)).float(), y


def measured():
    rng = np.random.default_rng(8)
    task = Regression()
    target = task.fit(pd.DataFrame({"u": rng.normal(50, 9, 20), "v": rng.normal(-3, 2, 20)}))
    y = torch.from_numpy(np.where(rng.random((ROWS, 2)) < 0.1, np.nan, rng.normal([50, -3], [9, 2], (ROWS, 2)))).float()
    return task, target, torch.from_numpy(rng.normal(size=(ROWS, 2))).float(), y


CASES = {"two classes": lambda: classified(2), "four classes": lambda: classified(4), "labels": labelled, "values": measured}
METRICS = {
    "two classes": ["accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc", "average_precision"],
    "four classes": ["accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc", "average_precision"],
    "labels": ["micro_f1", "macro_f1", "hamming", "macro_roc_auc", "mean_average_precision"],
    "values": ["mae", "rmse", "r2", "pearson", "spearman"],
}


@pytest.mark.parametrize(("case", "name"), [(case, name) for case, names in METRICS.items() for name in names])
def test_a_resampled_metric_is_the_tasks_metric_of_the_repeated_rows(case: str, name: str) -> None:
    task, target, logits, y = CASES[case]()
    metric, fast = resampled_metric(task, name, logits, y, target)
    weights = np.random.default_rng(1).poisson(1.0, size=(ROWS, 8)).astype(float)
    weights[:, 0] = 1
    weights[:, 1] = np.arange(ROWS) < 12  # few rows, so that classes and labels are absent
    found = metric(weights)
    rows = [torch.from_numpy(np.repeat(np.arange(ROWS), column.astype(int))) for column in weights.T]
    np.testing.assert_allclose(found, [task.metrics(logits[some], y[some], target)[name] for some in rows], rtol=1e-9, atol=1e-9)
    assert fast == (name != "spearman")


def test_every_metric_that_can_select_is_fast_but_rank_correlation() -> None:
    slow = set()
    for case, make in CASES.items():
        task, target, logits, y = make()
        choices = type(task).__dataclass_fields__["select_by"].type.__args__
        slow |= {name for name in choices if not resampled_metric(task, name, logits, y, target)[1]}
        assert set(METRICS[case]) >= set(choices) - {"f1"}
    assert slow == {"spearman"}


def test_a_resample_without_both_kinds_of_rows_has_no_ranking() -> None:
    task, target, logits, y = classified(2)
    for name in ("roc_auc", "average_precision"):
        metric, _ = resampled_metric(task, name, logits, y, target)
        assert np.isnan(metric((y.numpy() == 1).astype(float)[:, None])).all()
        assert np.isnan(metric((y.numpy() == 0).astype(float)[:, None])).all()


def test_a_task_from_elsewhere_is_asked_itself() -> None:
    class Elsewhere(Classification):
        def metrics(self, logits, y, schema):
            return {"rows": float(len(y))}

    _, target, logits, y = classified(2)
    metric, fast = resampled_metric(Elsewhere(), "rows", logits, y, target)
    assert not fast
    np.testing.assert_array_equal(metric(np.array([[2.0, 0.0]] * ROWS)), [2 * ROWS, 0.0])


def test_draws_without_a_known_cell_have_no_f1():
    task, target, logits, y = labelled()
    y[:5] = float("nan")
    metric, _ = resampled_metric(task, "micro_f1", logits, y, target)
    weights = np.zeros((ROWS, 2))
    weights[:5, 0] = weights[:, 1] = 1
    assert np.isnan(metric(weights)).tolist() == [True, False]


def test_rankings_of_resamples_give_equal_scores_one_place():
    task, target, _, y = labelled()
    for score in np.random.default_rng(0).normal(size=50).astype(np.float32):
        metric, _ = resampled_metric(task, "macro_roc_auc", torch.full((ROWS, 3), float(score)), y, target)
        assert metric(np.ones((ROWS, 1))) == 0.5
