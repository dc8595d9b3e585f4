"""Networks and batches -> logits and prediction tables: the same functions for evaluation and for new rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.core.columns import frame_of
from graphfuse.core.errors import InputError
from graphfuse.core.schema import TargetSchema
from graphfuse.core.sockets import Task
from graphfuse.nn.fusion import FusionNetwork
from graphfuse.store.graph_store import GraphStore
from graphfuse.store.layout import state_file
from graphfuse.training.computing import reproducible
from graphfuse.training.run import Run

EVALUATION_BATCH = 256
"""Samples per batch wherever nothing is learned; fixed, since the last digits of a product depend on its shape."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What one pass over some batches gave."""

    logits: tuple[Tensor, ...]
    """Per network, [num_samples, num_logits]."""
    positions: Tensor
    """Rows in the store.  [num_samples]"""
    y: Tensor | None
    """Targets, None where the store has none.  [num_samples, ...]"""

    def targets(self) -> Tensor:
        """Return the targets.

        Raises:
            InputError: If the store has none.
        """
        if self.y is None:
            raise InputError("Metrics need targets, and this store has none. Convert a table with dataset.target.")
        return self.y


def collect(networks: Sequence[FusionNetwork], batches: Iterable[Batch]) -> Outputs:
    """Return the logits of several networks in one pass over the batches; networks stay in evaluation mode."""
    logits: list[list[Tensor]] = [[] for _ in networks]
    positions, targets = [], []
    for network in networks:
        if network.training:  # to say so to every part takes as long as a small layer
            network.eval()
    for batch in batches:
        with torch.inference_mode():  # not around the batches: what is made within it cannot be learned from later
            for network, found in zip(networks, logits, strict=True):
                found.append(network(batch).logits)
        positions.append(batch.position)
        if hasattr(batch, "y"):
            targets.append(batch.y)
    y = torch.cat(targets) if targets else None
    return Outputs(logits=tuple(torch.cat(found) for found in logits), positions=torch.cat(positions), y=y)


def predict_frame(run: Run, store: GraphStore, split: str | None = None) -> pd.DataFrame:
    """Return one row per sample: `sample_id`, `target` where known, `prediction`, probabilities.

    Several seeds predict together, as `Task.combine` says.

    Args:
        run: A trained run.
        store: A store converted with the run's settings and states.
        split: One split, or None for all samples.

    Raises:
        InputError: If the store was converted in another way, or has no such samples.
    """
    if store.schema.to_json() != run.schema.to_json():
        raise InputError(
            f"The store must be converted as the run's was; {store.path} has other node types, channels or edge types. "
            "Give predict the raw table, so that it is converted alike."
        )
    learned = [name for name in run.states if name not in store.states or _state(run.path, name) != _state(store.path, name)]
    if learned:
        raise InputError(
            f"The store must be converted with what the run's own learned from its train rows; {store.path} learned otherwise "
            f"({', '.join(learned)[:80]}). Give predict the raw table, so that it is converted alike, or the store that the run was trained on."
        )
    return predict_batches(run, store.batches(split, batch_size=EVALUATION_BATCH), store.samples)


def _state(folder: Path, name: str) -> bytes:
    return (folder / state_file(name)).read_bytes()


def predict_batches(run: Run, batches: Iterable[Batch], samples: pd.DataFrame) -> pd.DataFrame:
    """Return one row per sample of some batches, as `predict_frame` does; `position` in a batch names the row in `samples`."""
    with reproducible(run.computing):
        outputs = collect(run.networks, batches)
    return prediction_table(run.task, run.target, samples, outputs)


def prediction_table(task: Task, target: TargetSchema, samples: pd.DataFrame, outputs: Outputs) -> pd.DataFrame:
    """Return the outputs as a table; the targets are those of the input, as text."""
    positions = outputs.positions.numpy()
    known = {"target" if len(target.columns) == 1 else f"target_{name}": name for name in target.columns if name in samples}
    columns = {title: samples[name].array.take(positions) for title, name in {"sample_id": "sample_id", **known}.items()}
    predictions = task.predictions(task.combine(outputs.logits), target)
    columns |= {str(name): column.array for name, column in predictions.items()}
    return frame_of(columns)
