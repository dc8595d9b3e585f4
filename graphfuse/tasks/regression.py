"""One or several numbers per sample."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn

from graphfuse.core.columns import as_numbers
from graphfuse.core.errors import InputError
from graphfuse.core.schema import TargetKind, TargetSchema
from graphfuse.core.sockets import Task
from graphfuse.nn.losses import MeanSquaredError


@dataclass(frozen=True, kw_only=True)
class Regression(Task):
    """Numbers, standardised by the train rows inside the loss, so that `y` and predictions keep their own unit.

    `y` is float32 [num_samples, num_columns], NaN where a sample has no target; logits are standardised.
    """

    kind: ClassVar[TargetKind] = "regression"

    select_by: Literal["rmse", "mae", "r2", "pearson", "spearman"] = "rmse"
    """The metric on validation that selects the best epoch."""

    @property
    def monitor(self) -> str:
        """Return the selecting metric, `-` in front if lower is better."""
        return f"-{self.select_by}" if self.select_by in ("rmse", "mae") else self.select_by

    def fit(self, targets: pd.DataFrame) -> TargetSchema:
        """Learn mean and deviation of each column.

        Raises:
            InputError: If a column has no finite number among the train rows, or only one.
        """
        columns = tuple(str(name) for name in targets.columns)
        means, deviations = [], []
        for name in columns:
            values, _ = _numbers(targets[name])
            values = values[~np.isnan(values)]
            if not len(values):
                raise InputError(
                    f"Regression needs train rows with a number; the column '{name}' has none in {len(targets)} train rows. "
                    "Check dataset.target and dataset.split."
                )
            if (values == values[0]).all():
                raise InputError(
                    f"Regression needs at least two different numbers among the train rows; '{name}' is always {values[0]:g}. "
                    "Check dataset.target and dataset.split."
                )
            means.append(float(values.mean()))
            deviations.append(float(values.std()))
        return TargetSchema(kind="regression", columns=columns, mean=tuple(means), std=tuple(deviations))

    def encode(self, targets: pd.DataFrame, schema: TargetSchema) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the values, and which rows hold something that is no finite number."""
        columns = [_numbers(targets[name]) for name in schema.columns]
        y = np.column_stack([values for values, _ in columns]).astype(np.float32)
        return y, np.any([unusable for _, unusable in columns], axis=0)

    def out_channels(self, schema: TargetSchema) -> int:
        """Return the number of columns."""
        return len(schema.columns)

    def criterion(self, schema: TargetSchema) -> nn.Module:
        """Return the squared error of standardised values."""
        return MeanSquaredError(torch.tensor(schema.mean), torch.tensor(schema.std))

    def predictions(self, logits: Tensor, schema: TargetSchema) -> pd.DataFrame:
        """Return `prediction`, or `prediction_<column>` where there are several."""
        values = _in_own_unit(logits, schema)
        names = ["prediction"] if len(schema.columns) == 1 else [f"prediction_{name}" for name in schema.columns]
        return pd.DataFrame(values, columns=names)

    def metrics(self, logits: Tensor, y: Tensor, schema: TargetSchema) -> dict[str, float]:
        """Return the metrics in the columns' own unit; with several columns their mean, and each as `<metric>_<column>`."""
        predicted, truth = _in_own_unit(logits, schema), y.double().numpy()
        by_column: dict[str, dict[str, float]] = {}
        for index, name in enumerate(schema.columns):
            known = ~np.isnan(truth[:, index])
            if known.any():
                by_column[name] = _column_metrics(truth[known, index], predicted[known, index])
        result: dict[str, float] = {}
        for metric in ("mae", "rmse", "r2", "pearson", "spearman"):
            values = [scores[metric] for scores in by_column.values() if metric in scores]
            if values:
                result[metric] = float(np.mean(values))
        if len(schema.columns) > 1:
            result |= {f"{metric}_{name}": value for name, scores in by_column.items() for metric, value in scores.items()}
        return result


def _numbers(column: pd.Series) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return a column's finite numbers (else NaN), and which cells hold something else."""
    cells = as_numbers(column)
    # beyond float32 the number would become infinite in the store
    too_large = np.abs(cells.values) > np.finfo(np.float32).max
    return np.where(too_large, np.nan, cells.values), cells.bad | too_large


def _in_own_unit(logits: Tensor, schema: TargetSchema) -> npt.NDArray[np.float64]:
    """Return predictions [num_samples, num_columns] in the unit of the table."""
    return np.asarray(logits.double().numpy() * np.array(schema.std) + np.array(schema.mean))


def _column_metrics(truth: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return the metrics of one column; those that need variance are left out where there is none."""
    error = predicted - truth
    result = {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt(np.square(error).mean()))}
    if np.ptp(truth) > 0:
        result["r2"] = float(1 - np.square(error).sum() / np.square(truth - truth.mean()).sum())
        if np.ptp(predicted) > 0:
            result["pearson"] = _correlation(truth, predicted)
            result["spearman"] = _correlation(pd.Series(truth).rank().to_numpy(), pd.Series(predicted).rank().to_numpy())
    return result


def _correlation(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    return float(np.corrcoef(a, b)[0, 1])
