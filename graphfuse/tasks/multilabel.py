"""Any number of labels per sample."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from annotated_types import Ge, MinLen
from torch import Tensor, nn
from torch.nn import functional

from graphfuse.core.columns import as_flags, cell_text
from graphfuse.core.errors import InputError
from graphfuse.core.schema import TargetKind, TargetSchema
from graphfuse.core.sockets import Task
from graphfuse.nn.losses import BinaryCrossEntropy
from graphfuse.tasks._metrics import f1, ranking_metrics


@dataclass(frozen=True, kw_only=True)
class Multilabel(Task):
    """Several target columns of 0 and 1 (or yes and no), or one column that lists labels (`red,green`, or a JSON list).

    `y` is float32 [num_samples, num_labels]: 1, 0, or NaN where unknown.
    """

    kind: ClassVar[TargetKind] = "multilabel"

    separator: Annotated[str, MinLen(1)] = ","
    """Between the labels of one cell."""
    empty: Literal["unknown", "no_labels"] = "unknown"
    """What an empty cell of the one column means; the JSON list `[]` always means no labels."""
    weights: Literal["none", "balanced"] = "none"
    """`balanced` weighs a label's positive rows by `negatives / positives`."""
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    gamma: Annotated[float, Ge(0)] = 2.0
    """How strongly the focal loss turns down cells that are already right."""
    threshold: Annotated[float, Ge(0)] = 0.5
    """Probability from which a label is predicted."""
    select_by: Literal["mean_average_precision", "macro_roc_auc", "micro_f1", "macro_f1", "hamming"] = "mean_average_precision"
    """The metric on validation that selects the best epoch."""

    @property
    def monitor(self) -> str:
        """Return the selecting metric, `-` in front if lower is better."""
        return "-hamming" if self.select_by == "hamming" else self.select_by

    def fit(self, targets: pd.DataFrame) -> TargetSchema:
        """Learn the labels and how many train rows have each.

        Raises:
            InputError: If no train row has a target, or no label is there in some rows and absent in others.
        """
        columns = tuple(str(name) for name in targets.columns)
        labels = columns
        if len(columns) == 1:
            found = self._lists(targets[columns[0]]).explode().dropna()
            labels = tuple(sorted(set(found)))
        y, _ = self.encode(targets, TargetSchema(kind="multilabel", columns=columns, classes=labels))
        known, positive = (~np.isnan(y)).sum(axis=0), (y == 1).sum(axis=0)
        if not labels or not known.any():
            raise InputError(
                f"Multi-label needs train rows with labels; '{', '.join(columns)[:40]}' has none in {len(targets)} train rows. "
                "Check dataset.target and dataset.split."
            )
        if not ((positive > 0) & (positive < known)).any():
            raise InputError(
                f"Multi-label needs a label that some train rows have and others have not; none of '{', '.join(labels)[:40]}' is one. "
                "Check dataset.target, task.separator and task.empty."
            )
        return TargetSchema(
            kind="multilabel",
            columns=columns,
            classes=labels,
            class_counts=tuple(int(count) for count in positive),
            known_counts=tuple(int(count) for count in known),
        )

    def encode(self, targets: pd.DataFrame, schema: TargetSchema) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the label matrix, and which rows hold something that is no 0 or 1, or a label that no train row has."""
        if len(schema.columns) == 1:
            return self._encode_lists(targets[schema.columns[0]], schema.classes)
        flags = [as_flags(targets[name]) for name in schema.columns]
        y = np.column_stack([column.values for column in flags]).astype(np.float32)
        return y, np.any([column.bad for column in flags], axis=0)

    def out_channels(self, schema: TargetSchema) -> int:
        """Return the number of labels."""
        return len(schema.classes)

    def criterion(self, schema: TargetSchema) -> nn.Module:
        """Return binary cross entropy or focal loss over the cells that are known."""
        weight = None
        if self.weights == "balanced":
            positive = torch.tensor(schema.class_counts, dtype=torch.float32)
            negative = torch.tensor(schema.known_counts, dtype=torch.float32) - positive
            # a label that all or no train rows have keeps weight 1
            weight = torch.where((positive > 0) & (negative > 0), negative / positive.clamp(min=1), 1.0)
        return BinaryCrossEntropy(weight, gamma=self.gamma if self.loss == "focal" else 0.0)

    def predictions(self, logits: Tensor, schema: TargetSchema) -> pd.DataFrame:
        """Return `prediction` (labels joined by the separator) and `probability_<label>`."""
        probability = logits.double().sigmoid().numpy()
        names = np.array(schema.classes, dtype=object)
        chosen = [self.separator.join(names[row]) for row in probability >= self.threshold]
        columns: dict[str, Any] = {"prediction": pd.Series(chosen, dtype="str")}
        columns |= {f"probability_{name}": probability[:, index] for index, name in enumerate(schema.classes)}
        return pd.DataFrame(columns)

    def metrics(self, logits: Tensor, y: Tensor, schema: TargetSchema) -> dict[str, float]:
        """Return the metrics over the cells that are known; rankings without both kinds of rows are left out."""
        truth, probability = y.numpy(), logits.double().sigmoid().numpy()
        known = ~np.isnan(truth)
        if not known.any():
            return {}
        positive, predicted = truth == 1, probability >= self.threshold
        per_label = [f1(positive[cells, label], predicted[cells, label]) for label, cells in enumerate(known.T) if cells.any()]
        result = {
            "micro_f1": f1(positive[known], predicted[known]),
            "macro_f1": float(np.mean(per_label)),
            "hamming": float((positive != predicted)[known].mean()),
        }
        # by the scores themselves: a vectorised sigmoid gives equal ones other last bits by their place in the table
        ranking = ranking_metrics(positive, np.where(known, logits.double().numpy(), np.nan))
        names = {"roc_auc": "macro_roc_auc", "average_precision": "mean_average_precision"}
        return result | {names[name]: value for name, value in ranking.items()}

    def combine(self, logits: Sequence[Tensor]) -> Tensor:
        """Return the log-odds of the mean probability."""
        if len(logits) == 1:
            return logits[0]
        stacked = torch.stack([one.double() for one in logits])
        odds = functional.logsigmoid(stacked).logsumexp(dim=0) - functional.logsigmoid(-stacked).logsumexp(dim=0)
        return odds.to(logits[0].dtype)

    def _encode_lists(self, column: pd.Series, labels: tuple[str, ...]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        lists = self._lists(column)
        known = lists.notna().to_numpy()
        y = np.where(known[:, None], 0.0, np.full((1, len(labels)), np.nan)).astype(np.float32)
        cells = lists.reset_index(drop=True).explode().dropna()
        index = pd.Index(labels).get_indexer(pd.Index(cells))
        rows = cells.index.to_numpy()
        y[rows[index >= 0], index[index >= 0]] = 1.0
        unusable = np.zeros(len(lists), dtype=bool)
        unusable[rows[index < 0]] = True
        y[unusable] = np.nan
        return y, unusable

    def _lists(self, column: pd.Series) -> pd.Series:
        """Return each cell's labels as a list, None where unknown."""
        return pd.Series([self._split(cell) for cell in column], index=column.index, dtype=object)

    def _split(self, cell: object) -> list[str] | None:
        if isinstance(cell, (list, tuple, np.ndarray)):
            return _labels(cell)
        text = "" if pd.isna(cell) else str(cell).strip()  # type: ignore[call-overload]  # pandas-stubs know no plain object
        if text.startswith("["):
            try:
                return _labels(json.loads(text))
            except (ValueError, RecursionError):
                pass  # a label may start with a bracket, or with thousands
        if not text:
            return [] if self.empty == "no_labels" else None
        return _labels(text.split(self.separator))


def _labels(parts: Iterable[object]) -> list[str]:
    """Return the labels of a list as text without blanks around; nothing and blanks are no labels."""
    return [label for part in parts if (label := cell_text(part).strip())]
