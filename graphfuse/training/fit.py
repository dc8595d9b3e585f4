"""Store -> run: one network per seed, selected on validation rows; test rows are looked at once, at the end."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from graphfuse.core.errors import ConfigError, InputError
from graphfuse.core.files import read_json, write_bytes, write_json
from graphfuse.core.lock import locked
from graphfuse.core.progress import Progress, silent
from graphfuse.core.settings import TrainSettings
from graphfuse.core.sockets import FusionModel, Task
from graphfuse.nn.fusion import FusionNetwork
from graphfuse.store.frames import write_frame
from graphfuse.store.graph_store import GraphStore
from graphfuse.store.layout import state_file
from graphfuse.training.computing import Computing, reproducible
from graphfuse.training.dropout import check_modalities
from graphfuse.training.loop import Job, train_seed
from graphfuse.training.network import build_network
from graphfuse.training.predict import EVALUATION_BATCH, collect, prediction_table
from graphfuse.training.receipt import INPUTS, begin, describe_inputs, read_receipt, write_receipt
from graphfuse.training.summary import summarise_split


def fit(
    store: GraphStore,
    experiment: dict[str, Any],
    model: FusionModel,
    task: Task,
    settings: TrainSettings,
    out: Path | str,
    *,
    resume: bool = False,
    measured: Sequence[str] = ("validation", "test"),
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train one network per seed and evaluate.

    Same inputs, same bytes: also if the work is interrupted at any moment and repeated with `resume`, however often.

    Args:
        store: What to learn from; selection sees validation rows only.
        experiment: The experiment as plain JSON, kept in the run.
        model: The fusion model that the experiment names.
        task: The task that the experiment names.
        settings: How to train.
        out: The run's folder.
        resume: Go on with the run in `out`.
        measured: Splits to predict and measure at the end; while settings are being chosen, `test` is left out.
        progress: Called after each epoch with (epochs done, epochs in all, a line for people).

    Returns:
        What `metrics.json` holds: seeds, best epochs, per split each metric's mean and interval, the ensemble's metrics, notes.

    Raises:
        InputError: If the store lacks targets, train rows, or validation rows while early stopping is on; or `out` holds a run.
        ConfigError: If settings do not fit the store, differ from those of the run to resume, or the loss diverges.
        IntegrityError: If a checkpoint is damaged.
        LockedError: If another process is training into `out`.
    """
    out = Path(out)
    validated = _check(store, task, settings)
    with reproducible(Computing.of(settings)), locked(out):
        inputs = describe_inputs(store, experiment, settings)
        if begin(out, inputs, resume):
            read_receipt(out)
            return read_json(out / "metrics.json")
        _write_inputs(out, store, experiment, inputs)
        networks, records = _train_seeds(store, model, task, settings, out, validated, progress)
        summary = _evaluate(store, task, networks, records, measured, out)
        summary["notes"] = _notes(validated, settings, records, task)
        write_json(out / "metrics.json", summary)
        write_receipt(out, inputs)
    return summary


def _check(store: GraphStore, task: Task, settings: TrainSettings) -> bool:
    """Check that the store can be learned from, and return whether it has validation rows."""
    if store.target.kind != task.kind:
        made = f"with the task {store.target.kind}" if store.target.kind != "none" else "without a target"
        raise ConfigError(f"task.name: the store was converted {made} (got '{task.kind}'). Convert again with this task.")
    if len(set(settings.seeds)) < len(settings.seeds):
        raise ConfigError(f"train.seeds: every seed once (got {list(settings.seeds)}). Leave the repeated one out.")
    check_modalities(store.schema, settings.modality_dropout)
    if not _labelled(store, "train"):
        raise InputError(f"Training needs rows of the split 'train' with a target (the store has 0 of {len(store)}). Check dataset.split.")
    validated = _labelled(store, "validation")
    if settings.patience and not validated:
        raise InputError(
            "Early stopping needs rows of the split 'validation' with a target (the store has none). "
            "Set dataset.split and convert again, or train for a fixed time: --set train.patience=0"
        )
    return validated


def _labelled(store: GraphStore, split: str) -> bool:
    rows = store.samples[store.samples["split"] == split]
    return bool((rows[list(store.target.columns)] != "").any(axis=None))


def _write_inputs(out: Path, store: GraphStore, experiment: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Write what the run is made from, by which the folder is known as a run's, and then all that predicting needs beside the weights."""
    missing = [name for name in store.states if not (out / state_file(name)).exists()]
    for name in missing:
        store.state(name)  # checks the digest, before anything is written
    schemas = {"schema": store.schema.to_json(), "target": store.target.to_json()}
    for file, value in ((INPUTS, inputs), ("experiment.json", experiment), ("schema.json", schemas)):
        if not (out / file).exists():
            write_json(out / file, value)
    for name in missing:
        write_bytes(out / state_file(name), (store.path / state_file(name)).read_bytes())


def _train_seeds(
    store: GraphStore, model: FusionModel, task: Task, settings: TrainSettings, out: Path, validated: bool, progress: Progress
) -> tuple[list[FusionNetwork], list[dict[str, Any]]]:
    """Return the networks with their best weights, and what their `model.json` says."""
    networks, records = [], []
    total = settings.epochs * len(settings.seeds)
    for number, seed in enumerate(settings.seeds):
        torch.manual_seed(seed)
        network = build_network(model, store.schema, task, store.target)
        job = Job(
            store=store,
            task=task,
            settings=settings,
            seed=seed,
            validated=validated,
            folder=out / f"seed-{seed}",
            events=out / "tensorboard" / f"seed-{seed}",
        )
        records.append(train_seed(job, network, partial(_forward, progress, number * settings.epochs, total)))
        networks.append(network.to(settings.device))
    progress(total, total, "evaluating")
    return networks, records


def _forward(progress: Progress, start: int, total: int, epoch: int, label: str) -> None:
    """Count the epochs of all seeds together."""
    progress(start + epoch, total, label)


def _evaluate(
    store: GraphStore, task: Task, networks: list[FusionNetwork], records: list[dict[str, Any]], measured: Sequence[str], out: Path
) -> dict[str, Any]:
    """Write the predictions of some splits, and return the metrics."""
    splits = {}
    for split in measured:
        if not len(store.indices(split)):
            continue
        outputs = collect(networks, store.batches(split, batch_size=EVALUATION_BATCH))
        write_frame(out / f"predictions-{split}.parquet", prediction_table(task, store.target, store.samples, outputs))
        splits[split] = summarise_split(task, store.target, outputs)
    return {
        "seeds": [record["seed"] for record in records],
        "epochs": [record["epochs"] for record in records],
        "best_epochs": [record["best_epoch"] for record in records],
        "monitor": records[0]["monitor"],
        "parameters": sum(parameter.numel() for parameter in networks[0].parameters()),
        "splits": splits,
    }


def _notes(validated: bool, settings: TrainSettings, records: list[dict[str, Any]], task: Task) -> list[str]:
    """Return what a reader of the figures should know."""
    notes = []
    if not validated:
        notes.append(f"There are no validation rows with a target, so the network is that of the last of {settings.epochs} epochs.")
    elif records[0]["monitor"] not in (None, task.monitor):
        notes.append(f"{task.monitor.removeprefix('-')} is undefined on the validation rows, so the loss selected the epoch.")
    if settings.fast:
        notes.append("Deterministic algorithms were off (train.fast), so results need not repeat.")
    return notes
