"""Curves: a metric at several strengths of a change, over seeds, and the area under them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from graphfuse.core.sockets import Task
from graphfuse.nn.fusion import FusionNetwork
from graphfuse.store.graph_store import GraphStore
from graphfuse.training.predict import EVALUATION_BATCH, collect
from graphfuse.training.summary import interval

Networks = Mapping[int, FusionNetwork]
"""Seed -> the network that was trained with it."""
Values = Sequence[float | None]
"""A metric per seed, None where it is undefined."""


def measure(networks: Sequence[FusionNetwork], store: GraphStore, task: Task, metric: str) -> list[float | None]:
    """Return a metric of each network on the test rows of a store, in one pass; None where it is undefined there.

    Call it inside `training.computing.reproducible` with the threads of training, so that figures repeat.
    """
    outputs = collect(networks, store.batches("test", batch_size=EVALUATION_BATCH))
    return [task.metrics(logits, outputs.targets(), store.target).get(metric) for logits in outputs.logits]


def curve(name: str, modality: str, where: str, points: Mapping[float, Values]) -> dict[str, Any]:
    """Return one entry of `curves` in `comparison.json`.

    Args:
        name: The row that is drawn.
        modality: What is changed.
        where: Which rows are changed: `test`, `training`, `training and test`.
        points: Rate or strength -> the metric per seed; a rate of 0 is the store as it is.

    Returns:
        `name`, `modality`, `where`, `rates`, and for each rate `mean`, `low`, `high` (95 % over seeds); `area` under the mean.
    """
    rates = sorted(points)
    summaries = [_summary(points[rate]) for rate in rates]
    means = [summary["mean"] for summary in summaries]
    return {
        "name": name,
        "modality": modality,
        "where": where,
        "rates": rates,
        "mean": means,
        "low": [summary["low"] for summary in summaries],
        "high": [summary["high"] for summary in summaries],
        "area": area(rates, means),
    }


def area(rates: Sequence[float], values: Sequence[float | None]) -> float | None:
    """Return the area under a curve by trapezoids, over its width: the mean height, in the unit of the metric.

    Args:
        rates: Ascending.
        values: The height at each; None, where one is undefined, leaves the area undefined.
    """
    known = [value for value in values if value is not None]
    if len(known) < len(values) or len(rates) < 2:
        return None
    steps = [(end - start) * (left + right) / 2 for (start, end), (left, right) in zip(pairwise(rates), pairwise(known), strict=True)]
    return sum(steps) / (rates[-1] - rates[0])


def _summary(values: Values) -> Mapping[str, Any]:
    """Return mean and interval over the seeds for which there is a value."""
    return interval(values) if any(value is not None for value in values) else {"mean": None, "low": None, "high": None}
