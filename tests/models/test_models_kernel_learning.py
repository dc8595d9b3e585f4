"""The machine in torch held against scikit-learn's own decision function."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC, SVR
from toy_late import TARGETS, WIDTH, fusion, made_batch

from graphfuse.models._machine import platt_scale
from graphfuse.nn.pooling import pool


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    """Compute in double precision, as scikit-learn does."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def made(target, rows=60, seed=0):
    """Return rows of which some lack the text or the picture, and one the target."""
    draw = torch.Generator().manual_seed(seed)
    text, image = torch.randn(rows, 3, generator=draw), torch.randn(rows, 2, generator=draw)
    signal = torch.stack([text[:, 0], image[:, 0], text[:, 1] - image[:, 1]], dim=1)[:, : WIDTH[target]]
    text[3::7], image[5::6] = torch.nan, torch.nan
    if target in ("classes", "two classes"):
        y = signal.argmax(dim=1)
        y[0] = -1
    else:
        y = (signal > 0).double() if target == "labels" else signal * torch.tensor([2.0, 0.5]) + torch.tensor([1.0, -1.0])
        y[0] = torch.nan
        y[1, 1] = torch.nan
    return made_batch(text, image, y)


def reference_kernel(fused, batch):
    """Return the combined kernel between all rows, written out in numpy."""
    weights, total = fused.machine.kernel_weight.numpy(), 0.0
    for number, part in enumerate(pool(batch, fused.node_types).values()):
        has = part.has.numpy()[:, 0] > 0
        x = part.mean.numpy()
        x = (x - x[1:][has[1:]].mean(axis=0)) / x[1:][has[1:]].std(axis=0)
        distances = [((a - b) ** 2).sum() for i, a in enumerate(x[1:][has[1:]]) for b in x[1:][has[1:]][:i]]
        middle = float(torch.tensor(distances).median())
        kernel = np.where(np.outer(has, has), rbf_kernel(x, gamma=1 / (2 * middle)), np.outer(~has, ~has))
        total = total + weights[number] * kernel
    return total


def margins(fused, batch):
    return fused.machine(pool(batch, fused.node_types)).sum(dim=1) + fused.machine.bias


@pytest.mark.parametrize("target", ["classes", "two classes", "labels"])
def test_the_decision_function_is_that_of_scikit_learn(target) -> None:
    fused, batch = fusion("kernel_learning", target, c=2.0), made(target)
    fused.fit_train(lambda: [batch])
    kernel, found = reference_kernel(fused, batch), margins(fused, batch)
    y = batch.y.numpy()
    functions = [1] if target == "two classes" else range(WIDTH[target])
    for column, number in enumerate(functions):
        truth = (y == number).astype(float) if target != "labels" else y[:, number]
        known = np.flatnonzero((y >= 0) if target != "labels" else ~np.isnan(truth))
        machine = SVC(kernel="precomputed", C=2.0, tol=1e-7).fit(kernel[np.ix_(known, known)], truth[known])
        np.testing.assert_allclose(found[:, column], machine.decision_function(kernel[:, known]), atol=1e-6)


def test_values_are_those_of_scikit_learn_in_standard_units() -> None:
    fused, batch = fusion("kernel_learning", "values"), made("values")
    fused.fit_train(lambda: [batch])
    kernel, logits = reference_kernel(fused, batch), fused(batch).logits
    for column in range(2):
        standard = (batch.y[:, column].numpy() - TARGETS["values"].mean[column]) / TARGETS["values"].std[column]
        known = np.flatnonzero(~np.isnan(standard))
        machine = SVR(kernel="precomputed", tol=1e-7).fit(kernel[np.ix_(known, known)], standard[known])
        there = (np.arange(60) != 17) & (np.arange(60) != 59)  # rows that lack both have the prior
        np.testing.assert_allclose(logits[there, column], machine.predict(kernel[:, known])[there], atol=1e-6)
    assert logits[17].tolist() == [0.0, 0.0]


def test_only_support_vectors_are_kept() -> None:
    fused, batch = fusion("kernel_learning", "two classes", c=100.0), made("two classes", rows=200)
    fused.fit_train(lambda: [batch])
    assert fused.machine.dual.abs().sum(dim=0).min() > 0
    assert fused.machine.support_text_span.shape == (fused.machine.dual.size(1), 3)
    assert fused.machine.dual.size(1) < 199


def test_what_each_modality_adds_is_the_embedding() -> None:
    fused, batch = fusion("kernel_learning"), made("classes")
    fused.fit_train(lambda: [batch])
    output = fused(batch)
    assert output.embedding.shape == (60, fused.out_channels) == (60, 6)
    torch.testing.assert_close(output.embedding.view(60, 2, 3).sum(dim=1) + fused.machine.bias, margins(fused, batch))


def test_it_draws_rows_where_there_are_too_many() -> None:
    fused, batch = fusion("kernel_learning", max_rows=20), made("classes", rows=100)
    fused.fit_train(lambda: [batch])
    assert 0 < len(fused.machine.support_has) <= 20


def test_a_label_that_train_rows_never_show_has_a_constant_margin() -> None:
    fused, batch = fusion("kernel_learning", "labels"), made("labels")
    batch.y[1:, 1] = 0
    fused.fit_train(lambda: [batch])
    assert margins(fused, batch)[:, 1].unique().tolist() == [-1.0]


def test_margins_become_probabilities_by_platts_rule() -> None:
    """The same as logistic regression without penalty in which each row counts for both sides by Platt's smoothed target."""
    rng = np.random.default_rng(0)
    margin = rng.normal(size=80)
    truth = (margin + rng.normal(size=80) > 0.3).astype(float)
    target = np.where(truth > 0, (truth.sum() + 1) / (truth.sum() + 2), 1 / ((1 - truth).sum() + 2))
    both, weight = np.tile(margin, 2)[:, None], np.concatenate([target, 1 - target])
    reference = LogisticRegression(C=1e8, tol=1e-10, max_iter=1000).fit(both, np.repeat([1, 0], 80), sample_weight=weight)
    slope, offset = platt_scale([margin], [truth])
    np.testing.assert_allclose([slope[0], offset[0]], [reference.coef_[0, 0], reference.intercept_[0]], rtol=1e-3)


def test_scaling_never_turns_the_order_round() -> None:
    slope, _ = platt_scale([np.array([-1.0, -0.5, 0.5, 1.0])], [np.array([1.0, 1.0, 0.0, 0.0])])
    assert slope[0] > 0


@pytest.mark.parametrize("target", ["classes", "two classes", "labels"])
def test_validation_rows_make_it_calibrated(target) -> None:
    fused, batch, fresh = fusion("kernel_learning", target), made(target, rows=200), made(target, rows=200, seed=1)
    fused.fit_train(lambda: [batch])
    before = fused(fresh).logits
    fused.fit_validation(lambda: [fresh])
    after = fused(fresh).logits
    if target == "labels":
        known = ~fresh.y.isnan()
        loss = [torch.nn.functional.binary_cross_entropy_with_logits(one[known], fresh.y[known]) for one in (before, after)]
    else:
        loss = [torch.nn.functional.cross_entropy(one[1:], fresh.y[1:]) for one in (before, after)]
    assert loss[1] < loss[0]


def test_it_learns_from_validation_rows_what_margins_mean_and_nothing_of_values() -> None:
    assert {target: fusion("kernel_learning", target).fits_validation for target in WIDTH} == {
        "classes": True,
        "two classes": True,
        "labels": True,
        "values": False,
    }
    fused, fresh = fusion("kernel_learning", "values"), made("values", seed=1)
    fused.fit_train(lambda: [made("values")])
    before = fused(fresh).logits
    fused.fit_validation(lambda: [fresh])
    assert fused(fresh).logits.equal(before)


def test_rows_count_as_scikit_learn_counts_them() -> None:
    batch = made("two classes", rows=40)
    batch.sample_weight = torch.ones(40)
    batch.sample_weight[20:] = 2.0
    weighed, plain = fusion("kernel_learning", "two classes"), fusion("kernel_learning", "two classes")
    weighed.fit_train(lambda: [batch])
    del batch.sample_weight
    plain.fit_train(lambda: [batch])
    kernel, rows = reference_kernel(weighed, batch), slice(1, None)
    machine = SVC(kernel="precomputed", C=1.0, tol=1e-7)
    machine.fit(kernel[rows, rows], batch.y[rows].numpy(), sample_weight=np.repeat([1.0, 2.0], 20)[rows])
    expected = machine.decision_function(kernel[:, rows])
    np.testing.assert_allclose(margins(weighed, batch)[:, 0].numpy(), expected, atol=1e-5)
    assert not np.allclose(margins(plain, batch)[:, 0].numpy(), expected, atol=1e-2)
