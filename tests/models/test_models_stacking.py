"""Stacking held against scikit-learn on the same columns."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from toy_late import TARGETS, fusion, said, says


def made(seed=0, rows=150, width=3):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, 2, width, generator=draw)
    has = (torch.rand(rows, 2, generator=draw) > 0.2).float()
    return logits, has


def columns(prior, logits, has, classes=True):
    """Return the meta-learner's columns, written out."""
    told = logits.log_softmax(dim=2) - prior if classes else logits - prior
    return torch.cat([told.flatten(1), has], dim=1).double().numpy()


def test_classes_are_those_of_logistic_regression(monkeypatch) -> None:
    logits, has = made()
    y = (logits[:, 0] * has[:, :1] + torch.randn(150, 3)).argmax(dim=1)
    fused = fusion("stacking", c=0.5)
    says(fused, monkeypatch, logits, y, has)
    x = columns(torch.tensor([10.0, 20.0, 30.0]).div(60).log(), logits, has)
    expected = LogisticRegression(C=0.5, max_iter=10_000, tol=1e-6).fit(x, y.numpy()).predict_proba(x)
    np.testing.assert_allclose(fused.combine(said(logits, has)).softmax(dim=1), expected, atol=1e-5)


def test_two_classes_are_those_of_logistic_regression(monkeypatch) -> None:
    logits, has = made(width=2)
    y = (logits[:, 1, 1] > logits[:, 1, 0] + torch.randn(150)).long()
    fused = fusion("stacking", "two classes")
    says(fused, monkeypatch, logits, y, has)
    x = columns(torch.tensor([0.5, 0.5]).log(), logits, has)
    expected = LogisticRegression(max_iter=10_000, tol=1e-6).fit(x, y.numpy()).predict_proba(x)
    np.testing.assert_allclose(fused.combine(said(logits, has)).softmax(dim=1), expected, atol=1e-5)


def test_each_label_has_a_regression_over_all_decisions(monkeypatch) -> None:
    logits, has = made(width=2)
    y = (logits[:, 0] + torch.randn(150, 2) > 0).float()
    y[:40, 1] = torch.nan
    fused = fusion("stacking", "labels")
    says(fused, monkeypatch, logits, y, has)
    x = columns(fused.prior, logits, has, classes=False)
    for label, rows in ((0, slice(None)), (1, slice(40, None))):
        reference = LogisticRegression(max_iter=10_000, tol=1e-6).fit(x[rows], y[rows, label].numpy())
        np.testing.assert_allclose(fused.combine(said(logits, has))[:, label], reference.decision_function(x), atol=1e-4)


def test_values_are_those_of_ridge_regression_in_standard_units(monkeypatch) -> None:
    logits, has = made(width=2)
    y = logits[:, 1].double() * torch.tensor([2.0, 0.5]) + torch.tensor([1.0, -1.0]) + torch.randn(150, 2)
    fused = fusion("stacking", "values", c=0.25)
    says(fused, monkeypatch, logits, y, has)
    standard = (y.numpy() - TARGETS["values"].mean) / TARGETS["values"].std
    x = columns(torch.zeros(2), logits, has, classes=False)
    np.testing.assert_allclose(fused.combine(said(logits, has)), Ridge(alpha=4).fit(x, standard).predict(x), atol=1e-5)


def test_a_class_that_validation_lacks_is_unlikely_but_possible(monkeypatch) -> None:
    logits, has = made()
    fused = fusion("stacking")
    says(fused, monkeypatch, logits, (logits[:, 0, 0] > 0).long(), has)
    probability = fused.combine(said(logits, has)).softmax(dim=1)[:, 2]
    assert 0 < probability.min() < probability.max() < 0.2
    assert probability.mean() < 0.02


def test_a_label_that_validation_never_shows_keeps_the_mean_evidence(monkeypatch) -> None:
    logits, has = made(width=2)
    y = torch.stack([(logits[:, 0, 0] > 0).float(), torch.zeros(150)], dim=1)
    fused = fusion("stacking", "labels")
    says(fused, monkeypatch, logits, y, has)
    expected = fused.prior[1] + (logits[..., 1] - fused.prior[1]).mean(dim=1)
    torch.testing.assert_close(fused.combine(said(logits, has))[:, 1], expected)


def test_one_class_alone_leaves_the_mean_evidence(monkeypatch) -> None:
    logits, _ = made()
    fused = fusion("stacking")
    says(fused, monkeypatch, logits, torch.zeros(150, dtype=torch.long))
    expected = (fused.prior + (logits.log_softmax(dim=2) - fused.prior).mean(dim=1)).softmax(dim=1)
    torch.testing.assert_close(fused.combine(said(logits)).softmax(dim=1), expected)


def test_it_averages_until_it_has_seen_validation_rows_with_a_target(monkeypatch) -> None:
    logits, has = made()
    fused = fusion("stacking")
    says(fused, monkeypatch, logits[:0], torch.zeros(0, dtype=torch.long), has[:0])
    torch.testing.assert_close(fused.combine(said(logits, has)), fusion("average").combine(said(logits, has)))
