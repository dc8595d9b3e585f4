"""Kernels and their weights held against scikit-learn and written-out formulas."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.metrics.pairwise import rbf_kernel as sklearn_rbf
from torch.autograd import gradcheck

from graphfuse.nn.kernels import alignment_weights, centred, linear_kernel, median_gamma, rbf_kernel


def made(seed=0, rows=40, count=3):
    rng = np.random.default_rng(seed)
    features = [rng.normal(size=(rows, 4)) for _ in range(count)]
    target = np.column_stack([features[0][:, 0] > 0, features[1][:, 1] + features[0][:, 1] > 0]).astype(float)
    return [x @ x.T for x in features], target


def test_the_rbf_kernel_is_that_of_scikit_learn() -> None:
    a, b = torch.randn(5, 3, dtype=torch.float64), torch.randn(7, 3, dtype=torch.float64)
    np.testing.assert_allclose(rbf_kernel(a, b, torch.tensor(0.3)), sklearn_rbf(a, b, gamma=float(torch.tensor(0.3))), rtol=1e-10)


def test_its_gradients_are_right() -> None:
    a, b = torch.randn(3, 2, dtype=torch.float64, requires_grad=True), torch.randn(4, 2, dtype=torch.float64)
    assert gradcheck(lambda x: rbf_kernel(x, b, torch.tensor(0.5, dtype=torch.float64)), (a,))


def test_the_linear_kernel_is_the_inner_product_per_channel() -> None:
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert linear_kernel(a, b).tolist() == [[5.5, 1.0]]


def test_the_median_heuristic_by_hand() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0]])  # squared distances 1, 4, 9
    assert median_gamma(x).item() == pytest.approx(1 / 8)
    assert median_gamma(torch.ones(4, 2)) == 1
    assert median_gamma(torch.ones(1, 2)) == 1


def test_centring_takes_the_mean_off_the_features() -> None:
    x = np.random.default_rng(0).normal(size=(6, 3)) + 5
    around = x - x.mean(axis=0)
    np.testing.assert_allclose(centred(x @ x.T), around @ around.T, atol=1e-10)


def test_weights_are_those_of_the_written_out_alignment() -> None:
    """Alignment = <K, Y> / (|K| |Y|) of centred matrices, maximised by a general optimiser over the simplex."""
    kernels, target = made()
    centre = np.eye(40) - 1 / 40
    y = centre @ target @ target.T @ centre
    middle = [centre @ kernel @ centre for kernel in kernels]

    def alignment(weights):
        kernel = np.tensordot(weights, middle, axes=1)
        return float((kernel * y).sum() / np.sqrt((kernel**2).sum() * (y**2).sum()))

    found = alignment_weights(kernels, target)
    assert found.sum() == pytest.approx(1)
    assert found.min() >= 0
    best = minimize(lambda w: -alignment(w), np.full(3, 1 / 3), bounds=[(0, 1)] * 3, tol=1e-12)
    assert alignment(found) >= -best.fun - 1e-8
    np.testing.assert_allclose(found, best.x / best.x.sum(), atol=1e-3)


def test_a_kernel_that_tells_nothing_counts_less() -> None:
    kernels, target = made(rows=200)
    weights = alignment_weights([kernels[0], kernels[2]], target[:, :1])
    assert weights[0] > 0.9


def test_kernels_that_all_say_nothing_count_alike() -> None:
    nothing = np.ones((5, 5))
    np.testing.assert_allclose(alignment_weights([nothing, nothing], np.arange(5.0)[:, None]), [0.5, 0.5])


def test_the_same_kernel_twice_does_no_harm() -> None:
    kernels, target = made()
    weights = alignment_weights([kernels[0], kernels[0], kernels[1]], target)
    single = alignment_weights([kernels[0], kernels[1]], target)
    assert weights[:2].sum() == pytest.approx(single[0], abs=1e-4)
