"""Kernels between rows, and how much each of several should count."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import nnls
from torch import Tensor

FloatArray = npt.NDArray[np.float64]


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return squared distances between rows: a [n, channels], b [m, channels] -> [n, m]."""
    total = a.square().sum(dim=1, keepdim=True) + b.square().sum(dim=1)
    return (total - 2 * a @ b.T).clamp(min=0)


def rbf_kernel(a: Tensor, b: Tensor, gamma: Tensor) -> Tensor:
    """Return exp(-gamma * squared distance), in (0, 1]: a [n, channels], b [m, channels], gamma [] -> [n, m]."""
    return (-gamma * squared_distances(a, b)).exp()


def linear_kernel(a: Tensor, b: Tensor) -> Tensor:
    """Return inner products per channel, about 1 of a standardised row with itself: a [n, channels], b [m, channels] -> [n, m]."""
    return a @ b.T / a.size(1)


def median_gamma(x: Tensor) -> Tensor:
    """Return the gamma of an RBF kernel whose deviation is the median distance between rows, []; 1 where all rows are one.

    The median heuristic, as in "A kernel two-sample test" (Gretton et al., JMLR 13, 2012).

    Args:
        x: [n, channels]
    """
    first, second = torch.triu_indices(len(x), len(x), offset=1)
    apart = squared_distances(x, x)[first, second]
    median = apart.median() if len(apart) else x.new_zeros(())
    return 1 / (2 * torch.where(median > 0, median, torch.full_like(median, 0.5)))


def centred(kernel: FloatArray) -> FloatArray:
    """Return the kernel of features whose mean is taken off, [n, n]."""
    rows = kernel.mean(axis=0, keepdims=True)
    return np.asarray(kernel - rows - rows.T + kernel.mean())


def alignment_weights(kernels: Sequence[FloatArray], target: FloatArray) -> FloatArray:
    """Return the weights, 0 or more and summing to 1, with which the sum of kernels aligns best with the target.

    Maximises the centred alignment with `target @ target.T` over all kernels together: "Algorithms for learning kernels
    based on centered alignment" (Cortes, Mohri and Rostamizadeh, JMLR 13, 2012). Its quadratic programme
    `min v' M v - 2 v' a, v >= 0` is solved as non-negative least squares. Equal weights where no kernel aligns at all.

    Args:
        kernels: Symmetric and positive semidefinite, [n, n] each.
        target: One column per class, label or value; centred here.  [n, num_columns]
    """
    middle = [centred(kernel) for kernel in kernels]
    y = target - target.mean(axis=0)
    likeness = np.array([[float((one * other).sum()) for other in middle] for one in middle])
    aligned = np.array([float((kernel @ y * y).sum()) for kernel in middle])
    # M = L L', so that v' M v - 2 v' a is |L' v - L^-1 a|^2 up to a constant; a little ridge where kernels are alike
    ridge = 1e-10 * max(float(np.trace(likeness)), 1e-300)
    factor = np.linalg.cholesky(likeness + ridge * np.eye(len(kernels)))
    weights, _ = nnls(factor.T, np.linalg.solve(factor, aligned))
    total = float(weights.sum())
    return np.asarray(weights / total) if total > 0 else np.full(len(kernels), 1 / len(kernels))
