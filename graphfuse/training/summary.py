"""Metrics of several seeds -> mean and interval."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

import torch
from scipy import stats

from graphfuse.core.schema import TargetSchema
from graphfuse.core.sockets import Task
from graphfuse.nn.losses import labelled
from graphfuse.training.predict import Outputs


def summarise_split(task: Task, target: TargetSchema, outputs: Outputs) -> dict[str, Any]:
    """Return rows, rows with a target, each metric over the seeds, and the metrics of all seeds together (`ensemble`)."""
    y = outputs.targets()
    per_seed = [task.metrics(logits, y, target) for logits in outputs.logits]
    names = sorted({name for metrics in per_seed for name in metrics})
    return {
        "rows": len(y),
        "labelled": int(torch.count_nonzero(labelled(y))),
        "metrics": {name: interval([metrics.get(name) for metrics in per_seed]) for name in names},
        "ensemble": task.metrics(task.combine(outputs.logits), y, target),
    }


def interval(values: Sequence[float | None]) -> dict[str, Any]:
    """Return mean, deviation, and the 95 % interval of the mean by Student's t; None where two values are needed, or one is infinite.

    The interval tells how much the seed matters, not how much the choice of rows does.

    Args:
        values: One per seed, None where the metric is undefined.
    """
    known = [value for value in values if value is not None]
    mean = statistics.fmean(known)
    if len(known) < 2 or not math.isfinite(mean):
        return {"mean": mean, "std": None, "low": None, "high": None, "values": list(values)}
    deviation = statistics.stdev(known)
    half = float(stats.t.ppf(0.975, len(known) - 1)) * deviation / math.sqrt(len(known))
    return {"mean": mean, "std": deviation, "low": mean - half, "high": mean + half, "values": list(values)}
