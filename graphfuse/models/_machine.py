"""Support vector machines over a weighted sum of kernels, one kernel per modality, as tensors."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from sklearn.svm import SVC, SVR
from torch import Tensor

from graphfuse.nn.fitted import FittedModule
from graphfuse.nn.kernels import alignment_weights, linear_kernel, median_gamma, rbf_kernel
from graphfuse.nn.pooling import Pooled

FloatArray = npt.NDArray[np.float64]

TOLERANCE = 1e-7
"""Where libsvm stops: hardly slower than at its default, and rounding of the kernel no longer shows in the decision."""


class KernelMachine(FittedModule):
    """Decision functions f(x) = bias + sum over modalities and support vectors of weight * dual * kernel.

    The kernel of a modality compares standardised means of two samples that both have it, is 1 between two samples that both
    lack it, and 0 between one that has it and one that lacks it: absence is a value of its own and stands for no picture.
    """

    support_has: Tensor
    """[num_support, num_types]"""
    gamma: Tensor
    """Of the RBF kernels.  [num_types]"""
    kernel_weight: Tensor
    """0 or more, summing to 1.  [num_types]"""
    dual: Tensor
    """[num_functions, num_support]"""
    bias: Tensor
    """[num_functions]"""

    def __init__(self, channels_by_node_type: Mapping[str, int], num_functions: int, kernel: Literal["rbf", "linear"]) -> None:
        super().__init__()
        self.node_types, self.kernel = tuple(channels_by_node_type), kernel
        count = len(self.node_types)
        for name, channels in channels_by_node_type.items():
            self.register_buffer(f"support_{name}", torch.zeros(0, channels))
            self.register_buffer(f"centre_{name}", torch.zeros(channels))
            self.register_buffer(f"scale_{name}", torch.ones(channels))
        self.register_buffer("support_has", torch.zeros(0, count))
        self.register_buffer("gamma", torch.ones(count))
        self.register_buffer("kernel_weight", torch.full((count,), 1 / count))
        self.register_buffer("dual", torch.zeros(num_functions, 0))
        self.register_buffer("bias", torch.zeros(num_functions))

    def forward(self, pooled: Mapping[str, Pooled]) -> Tensor:
        """Return what each modality adds to each function, [batch_size, num_types, num_functions]; the bias is not in it."""
        kernels = self.kernels(pooled)
        return torch.stack([weight * (kernel @ self.dual.T) for weight, kernel in zip(self.kernel_weight, kernels, strict=True)], dim=1)

    def kernels(self, pooled: Mapping[str, Pooled]) -> list[Tensor]:
        """Return one kernel per modality between samples and support vectors, [batch_size, num_support] each."""
        found = []
        for number, name in enumerate(self.node_types):
            vectors, has = self.get_buffer(f"support_{name}"), pooled[name].has
            x = self.standardise(name, pooled[name].mean)
            likeness = rbf_kernel(x, vectors, self.gamma[number]) if self.kernel == "rbf" else linear_kernel(x, vectors)
            theirs = self.support_has[:, number]
            found.append(likeness * has * theirs + (1 - has) * (1 - theirs))
        return found

    def standardise(self, name: str, mean: Tensor) -> Tensor:
        """Return means in units of the train rows that have the modality."""
        return (mean - self.get_buffer(f"centre_{name}")) / self.get_buffer(f"scale_{name}")

    def fit(
        self, pooled: Mapping[str, Pooled], targets: FloatArray, *, c: float, values: bool, row_weight: FloatArray | None = None
    ) -> None:
        """Learn scales, kernel weights and one machine per column of `targets`; functions of one-sided columns stay constant.

        Args:
            pooled: Means of train rows.
            targets: 1 or 0, or standardised values; NaN where unknown.  [num_rows, num_functions]
            c: How much an error costs against a wide margin.
            values: Whether to regress.
            row_weight: How much an error in each row costs beside the others; None for all the same. The alignment knows none.  [num_rows]
        """
        # 1. Scales, of the rows that have the modality; then all rows are candidates for support vectors.
        has = torch.cat([pooled[name].has for name in self.node_types], dim=1)
        self.set_fitted(support_has=has)
        gammas = []
        for name in self.node_types:
            mean = pooled[name].mean
            own = mean[pooled[name].has[:, 0] > 0]
            if len(own):
                deviation = own.std(dim=0, correction=0)
                self.set_fitted(**{f"centre_{name}": own.mean(dim=0), f"scale_{name}": torch.where(deviation > 1e-6, deviation, 1.0)})
            self.set_fitted(**{f"support_{name}": self.standardise(name, mean)})
            gammas.append(median_gamma(self.standardise(name, own)))
        self.set_fitted(gamma=torch.stack(gammas))
        # 2. How much each modality's kernel counts.
        kernels = [kernel.double().numpy() for kernel in self.kernels(pooled)]
        known = np.where(np.isnan(targets), _column_means(targets), targets)
        weights = alignment_weights(kernels, known)
        # 3. One machine per column.
        kernel = np.tensordot(weights, np.stack(kernels), axes=1)
        found = [_machine(kernel, column, c, values, row_weight) for column in targets.T]
        dual, bias = np.stack([part for part, _ in found]), np.array([part for _, part in found])
        # 4. Keep only the rows that support a function.
        kept = torch.from_numpy(np.flatnonzero(np.abs(dual).sum(axis=0) > 0))
        self.set_fitted(kernel_weight=weights, dual=dual[:, kept.numpy()], bias=bias, support_has=has[kept])
        self.set_fitted(**{f"support_{name}": self.get_buffer(f"support_{name}")[kept] for name in self.node_types})


def _column_means(targets: FloatArray) -> FloatArray:
    """Return the mean of the known cells of each column, 0 where there are none."""
    known = ~np.isnan(targets)
    return np.asarray(np.where(known, targets, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _machine(kernel: FloatArray, target: FloatArray, c: float, values: bool, row_weight: FloatArray | None) -> tuple[FloatArray, float]:
    """Return dual coefficients [num_rows] and bias of one function."""
    rows, dual = np.flatnonzero(~np.isnan(target)), np.zeros(len(target))
    seen = np.unique(target[rows])
    if len(seen) < 2:
        # nothing to tell apart: the one value itself, or a margin on its side
        only = float(seen[0]) if len(seen) else (0.0 if values else 0.5)
        return dual, only if values else 2 * only - 1
    machine = (SVR if values else SVC)(kernel="precomputed", C=c, tol=TOLERANCE)
    machine.fit(kernel[np.ix_(rows, rows)], target[rows], sample_weight=None if row_weight is None else row_weight[rows])
    dual[rows[machine.support_]] = machine.dual_coef_[0]
    return dual, float(machine.intercept_[0])


def platt_scale(margins: Sequence[FloatArray], truths: Sequence[FloatArray], smallest: float = 1e-3) -> tuple[FloatArray, FloatArray]:
    """Return slopes and offsets that make `sigmoid(slope * margin + offset)` a probability, one of each per function.

    "Probabilistic outputs for support vector machines" (Platt, 1999), with its smoothed targets. The slope stays above 0,
    so that the order of samples is that of their margins.

    Args:
        margins: Of rows that were not trained on, [num_rows] each.
        truths: 1 or 0, [num_rows] each.
        smallest: Bound of the slope.
    """
    found = []
    for margin, truth in zip(margins, truths, strict=True):
        positive, negative = float(truth.sum()), float((1 - truth).sum())
        target = np.where(truth > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))
        best = minimize(
            _platt_loss, np.array([1.0, 0.0]), (margin, target), "L-BFGS-B", True, bounds=[(smallest, None), (None, None)], tol=1e-12
        )
        found.append(best.x if len(margin) else np.array([1.0, 0.0]))
    return np.array([slope for slope, _ in found]), np.array([offset for _, offset in found])


def _platt_loss(at: FloatArray, margin: FloatArray, target: FloatArray) -> tuple[float, FloatArray]:
    """Return the cross entropy and its gradient."""
    z = at[0] * margin + at[1]
    probability = np.exp(-np.logaddexp(0, -z))
    loss = (np.logaddexp(0, z) - target * z).sum()
    miss = probability - target
    return float(loss), np.array([(miss * margin).sum(), miss.sum()])
