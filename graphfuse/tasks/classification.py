"""One of two or more classes per sample."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from annotated_types import Ge
from torch import Tensor, nn

from graphfuse.core.columns import NUMBER, as_texts, frame_of, known_places, text_array
from graphfuse.core.errors import InputError
from graphfuse.core.schema import TargetKind, TargetSchema
from graphfuse.core.sockets import Task
from graphfuse.nn.losses import CrossEntropy, FocalLoss
from graphfuse.tasks._metrics import class_scores, f1, ranking_metrics


@dataclass(frozen=True, kw_only=True)
class Classification(Task):
    """Binary or multi-class; classes are those of the train rows, sorted, and the last of two is the positive one.

    `y` is the class index [num_samples], -1 where a sample has no target.
    """

    kind: ClassVar[TargetKind] = "classification"

    weights: Literal["none", "balanced"] = "none"
    """`balanced` weighs each class by `rows / (classes * rows of the class)`."""
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    gamma: Annotated[float, Ge(0)] = 2.0
    """How strongly the focal loss turns down rows that are already right."""
    select_by: Literal["macro_f1", "accuracy", "balanced_accuracy", "roc_auc", "average_precision", "log_loss"] = "macro_f1"
    """The metric on validation that selects the best epoch."""

    @property
    def monitor(self) -> str:
        """Return the selecting metric, `-` in front if lower is better."""
        return "-log_loss" if self.select_by == "log_loss" else self.select_by

    def fit(self, targets: pd.DataFrame) -> TargetSchema:
        """Learn the classes and how many train rows each has.

        Raises:
            InputError: If there is not exactly one target column, no train row has a target, or all have the same.
        """
        if targets.shape[1] != 1:
            raise InputError(f"Classification needs one target column (got {targets.shape[1]}). Name one, or use the task multilabel.")
        column = str(targets.columns[0])
        text = _names(targets[column])
        counts = text[text != ""].value_counts()
        if counts.empty:
            raise InputError(
                f"Classification needs train rows with a target; the column '{column}' has none in {len(text)} train rows. "
                "Check dataset.target and dataset.split."
            )
        if len(counts) < 2:
            raise InputError(
                f"Classification needs at least two classes among the train rows; '{column}' has only '{str(counts.index[0])[:40]}'. "
                "Check dataset.target and dataset.split."
            )
        classes = sorted((str(name) for name in counts.index), key=_class_order)
        return TargetSchema(
            kind="classification",
            columns=(column,),
            classes=tuple(classes),
            class_counts=tuple(int(counts[name]) for name in classes),
        )

    def encode(self, targets: pd.DataFrame, schema: TargetSchema) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return int64 class indices, and which rows have a class that no train row has."""
        text = _names(targets[schema.columns[0]])
        y = known_places(text, schema.classes)
        return y, (y < 0) & (text != "").to_numpy()

    def out_channels(self, schema: TargetSchema) -> int:
        """Return the number of classes."""
        return len(schema.classes)

    def criterion(self, schema: TargetSchema) -> nn.Module:
        """Return cross entropy or focal loss over the rows that have a class."""
        weight = None
        if self.weights == "balanced":
            counts = torch.tensor(schema.class_counts, dtype=torch.float32)
            weight = counts.sum() / (len(counts) * counts)
        return FocalLoss(self.gamma, weight) if self.loss == "focal" else CrossEntropy(weight)

    def predictions(self, logits: Tensor, schema: TargetSchema) -> pd.DataFrame:
        """Return `prediction` (a class name) and `probability_<class>`."""
        probability = logits.double().softmax(dim=-1).numpy()
        columns: dict[str, Any] = {"prediction": text_array([schema.classes[place] for place in probability.argmax(axis=1).tolist()])}
        columns |= {f"probability_{name}": probability[:, index] for index, name in enumerate(schema.classes)}
        return frame_of(columns)

    def metrics(self, logits: Tensor, y: Tensor, schema: TargetSchema) -> dict[str, float]:
        """Return the metrics over the rows that have a class; what one class alone leaves undefined is left out."""
        known = y >= 0
        if not bool(known.any()):
            return {}
        log_probability = logits[known].double().log_softmax(dim=-1)
        probability, truth = log_probability.exp().numpy(), y[known].numpy()
        predicted = probability.argmax(axis=1)
        right = predicted == truth
        present = np.unique(truth)
        binary = len(schema.classes) == 2
        result = {
            "accuracy": float(right.mean()),
            "balanced_accuracy": float(np.mean([right[truth == index].mean() for index in present])),
            "macro_f1": float(np.mean([f1(truth == index, predicted == index) for index in np.union1d(truth, predicted)])),
            "log_loss": float(-log_probability.gather(1, y[known, None]).mean()),
        }
        if binary:
            result["f1"] = f1(truth == 1, predicted == 1)
        columns = [1] if binary else list(range(len(schema.classes)))
        return result | ranking_metrics(truth[:, None] == np.array(columns), class_scores(log_probability)[:, columns])

    def combine(self, logits: Sequence[Tensor]) -> Tensor:
        """Return the logarithm of the mean probability."""
        if len(logits) == 1:
            return logits[0]
        stacked = torch.stack([one.double().log_softmax(dim=-1) for one in logits])
        return (stacked.logsumexp(dim=0) - math.log(len(logits))).to(logits[0].dtype)


def _names(column: pd.Series) -> pd.Series:
    """Return class names without blanks around, "" where missing."""
    return as_texts(column).values.str.strip()


def _class_order(name: str) -> tuple[bool, float, str]:
    """Numbers by value, then text by its letters; `nan` and `inf` are text, since nothing is more or less than `nan`."""
    number = float(name) if re.fullmatch(NUMBER, name) else math.inf
    return (False, number, name) if math.isfinite(number) else (True, 0.0, name)
