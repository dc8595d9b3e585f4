"""What is lost where the features of one modality are noisy: trained networks on test rows with more and more noise."""

from collections.abc import Sequence
from typing import Any

from graphfuse.comparison.changes import changed_store, join_changes
from graphfuse.comparison.curves import Networks, curve, measure
from graphfuse.comparison.missing import TEST, Question


def noise_curves(
    name: str, networks: Networks, question: Question, modalities: Sequence[str], scales: Sequence[float], seed: int = 0
) -> list[dict[str, Any]]:
    """Return a curve per modality, whose `rates` are the size of the noise in deviations of each feature over the train rows.

    All networks see the same noise, so that what differs between them is their training.

    Args:
        name: The row that the networks belong to.
        networks: Its networks.
        question: Store, task and metric.
        modalities: Those to disturb, one at a time.
        scales: Sizes of the noise; 0 is added.
        seed: Seed of the noise.
    """
    several = list(networks.values())
    clean = measure(several, changed_store(question.store, question.change), question.task, question.metric)
    curves = []
    for modality in modalities:
        points = {0.0: clean}
        for scale in sorted(set(scales) - {0.0}):
            noisy = join_changes(question.change, {"noise": {modality: scale}, "seed": seed})
            points[scale] = measure(several, changed_store(question.store, noisy), question.task, question.metric)
        curves.append(curve(name, modality, TEST, points))
    return curves
