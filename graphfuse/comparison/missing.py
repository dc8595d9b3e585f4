"""What is lost where a modality is missing: rate by rate, in test rows, in training rows, or in both.

Absence is real: the nodes and their edges never were, nothing stands in for them. In test rows it costs one more pass, so every
model can be asked; in training rows each rate is a training of its own (`training_rows` says which), and one training serves two
curves, since its network is asked on whole test rows and on those that lack as much.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graphfuse.comparison.changes import changed_store, join_changes
from graphfuse.comparison.controls import modalities_left
from graphfuse.comparison.curves import Networks, Values, curve, measure
from graphfuse.comparison.plan import Row
from graphfuse.core.schema import GraphSchema
from graphfuse.core.sockets import Task

TEST, TRAINING, BOTH = "test", "training", "training and test"


@dataclass(frozen=True, kw_only=True)
class Absence:
    """A modality that a share of the samples lacks."""

    modality: str
    rate: float


@dataclass(frozen=True, kw_only=True)
class Question:
    """What all curves of a comparison share."""

    store: Path
    task: Task
    metric: str
    """One of the task's metrics."""
    change: Mapping[str, Any] = field(default_factory=dict)
    """The change that the networks were trained under, if they were."""


def training_rows(row: Row, schema: GraphSchema, rates: Sequence[float], seed: int = 0) -> list[tuple[Absence, Row]]:
    """Return what to train for the curves of missing training rows: train and validation rows lack a modality, test rows do not.

    Args:
        row: A row of the comparison.
        schema: Modalities of the store.
        rates: Shares of the samples; 0 is the row itself and left out.
        seed: Seed of which samples lack it.
    """
    absences = [Absence(modality=modality, rate=rate) for modality in modalities_left(row, schema) for rate in sorted(set(rates) - {0.0})]
    return [
        (
            absence,
            replace(
                row,
                name=f"{row.name}, {100 * absence.rate:g}% of {absence.modality} missing in training",
                kind="control",
                change=join_changes(
                    row.change, {"missing": {absence.modality: absence.rate}, "splits": ["train", "validation"], "seed": seed}
                ),
            ),
        )
        for absence in absences
    ]


def curves_of_test(
    name: str, networks: Networks, question: Question, modalities: Sequence[str], rates: Sequence[float]
) -> list[dict[str, Any]]:
    """Return a curve per modality: networks that were trained on whole rows, on test rows that lack it.

    The network of seed s sees draw s of which rows lack the modality, so that the interval holds the luck of both.

    Args:
        name: The row that the networks belong to.
        networks: Its networks.
        question: Store, task and metric.
        modalities: Those to take away, one at a time.
        rates: Shares of the test rows; 0 is added.
    """
    whole = _whole(networks, question)
    return [
        curve(
            name,
            modality,
            TEST,
            {0.0: whole}
            | {rate: _lacking(networks, question, Absence(modality=modality, rate=rate)) for rate in sorted(set(rates) - {0.0})},
        )
        for modality in modalities
    ]


def curves_of_training(name: str, networks: Networks, trained: Mapping[Absence, Networks], question: Question) -> list[dict[str, Any]]:
    """Return two curves per modality: networks trained on rows that lack it, on whole test rows and on those that lack as much.

    Args:
        name: The row that they belong to.
        networks: Its networks, trained on whole rows.
        trained: The networks of `training_rows`; a rate without any (all failed) is no point of the curve.
        question: Store, task and metric.
    """
    whole = _whole(networks, question)
    return list(_two_curves(name, whole, trained, question))


def _two_curves(name: str, whole: Values, trained: Mapping[Absence, Networks], question: Question) -> Iterator[dict[str, Any]]:
    for modality in dict.fromkeys(absence.modality for absence in trained):
        points = {absence.rate: found for absence, found in trained.items() if absence.modality == modality and found}
        yield curve(name, modality, TRAINING, {0.0: whole} | {rate: _whole(found, question) for rate, found in points.items()})
        lacking = {rate: _lacking(found, question, Absence(modality=modality, rate=rate)) for rate, found in points.items()}
        yield curve(name, modality, BOTH, {0.0: whole} | lacking)


def _whole(networks: Networks, question: Question) -> Values:
    """Return the metric per seed on the test rows as they are."""
    return measure(list(networks.values()), changed_store(question.store, question.change), question.task, question.metric)


def _lacking(networks: Networks, question: Question, absence: Absence) -> Values:
    """Return the metric per seed on test rows that lack a modality."""
    values: list[float | None] = []
    for seed, network in networks.items():
        change = {"missing": {absence.modality: absence.rate}, "splits": ["test"], "seed": seed}
        values += measure([network], changed_store(question.store, join_changes(question.change, change)), question.task, question.metric)
    return values
