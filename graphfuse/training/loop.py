"""Train one network: epochs, schedule, early stopping, and a checkpoint after each epoch."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW, Optimizer
from torch_geometric.data import Batch

from graphfuse.core.errors import ConfigError, InputError
from graphfuse.core.files import digest_file, read_json, write_json
from graphfuse.core.settings import TrainSettings
from graphfuse.core.sockets import Task
from graphfuse.nn.fusion import FusionNetwork, Rows, training_loss
from graphfuse.store.graph_store import GraphStore
from graphfuse.training.agreement import with_agreement
from graphfuse.training.checkpoint import SeedProgress, load_checkpoint, save_checkpoint, write_tensors
from graphfuse.training.dropout import modality_weights
from graphfuse.training.logs import tensorboard_log, write_history
from graphfuse.training.network import load_weights
from graphfuse.training.predict import EVALUATION_BATCH, collect
from graphfuse.training.receipt import CHECKPOINT

EpochCallback = Callable[[int, str], None]
"""Called after each epoch with the number of epochs done and a line for people."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the training of one seed works with."""

    store: GraphStore
    task: Task
    settings: TrainSettings
    seed: int
    validated: bool
    """Whether there are validation rows to select by."""
    folder: Path
    """Where the seed's files lie."""
    events: Path
    """Where TensorBoard's files lie."""


def train_seed(job: Job, network: FusionNetwork, on_epoch: EpochCallback) -> dict[str, Any]:
    """Train until the epochs are done or patience ends, and leave the best weights in `network`.

    Goes on from the folder's checkpoint if there is one: the bytes it ends with are those of an uninterrupted run.

    Returns:
        What `model.json` holds: seed, epochs, best_epoch, monitor, score, sha256.

    Raises:
        ConfigError: If the loss becomes NaN or infinite.
        InputError: If no validation row has a target that can be used.
        IntegrityError: If the checkpoint or model found is damaged.
    """
    done = job.folder / "model.json"
    if done.exists():
        load_weights(job.folder, network)
        return read_json(done)
    checkpoint = job.folder / CHECKPOINT
    if not checkpoint.exists():
        network.body.fit_train(rows_of(job.store, "train"))
    network.to(job.settings.device)
    optimizer = _optimizer(job.settings, network)
    progress = load_checkpoint(checkpoint, network, optimizer) if checkpoint.exists() else SeedProgress()
    criterion = job.task.criterion(job.store.target)
    with tensorboard_log(job.events, progress.epoch + 1) as log:
        while not _finished(job, network, progress):
            _epoch(job, network, optimizer, criterion, progress)
            save_checkpoint(checkpoint, network, optimizer, progress)
            write_history(job.folder / "metrics.jsonl", progress.history)
            log(progress.history[-1])
            on_epoch(progress.epoch, _label(job, progress.history[-1]))
    write_history(job.folder / "metrics.jsonl", progress.history)
    return _publish(job, network, progress)


def rows_of(store: GraphStore, split: str) -> Rows:
    """Return what gives all rows of a split, in store order, and how much each counts where the data set says so."""
    return partial(_rows, store, split)


def _rows(store: GraphStore, split: str) -> Iterator[Batch]:
    counts = sample_weights(store)
    for batch in store.batches(split, batch_size=EVALUATION_BATCH):
        if counts is not None:
            batch.sample_weight = counts[batch.position]
        yield batch


def _optimizer(settings: TrainSettings, network: FusionNetwork) -> Optimizer:
    """Return the optimiser; a network that learns nothing by gradients gets one of a number that nobody uses."""
    parameters = list(network.parameters()) or [nn.Parameter(torch.zeros(()))]
    return AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)


def learning_rate(settings: TrainSettings, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step, counted from 0: a linear warm-up, then constant or half a cosine down to 0.

    The cosine is that of "SGDR: Stochastic Gradient Descent with Warm Restarts" (Loshchilov and Hutter, ICLR 2017,
    arXiv:1608.03983), without restarts.
    """
    warmup, total = settings.warmup_epochs * steps_per_epoch, settings.epochs * steps_per_epoch
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def _finished(job: Job, network: FusionNetwork, progress: SeedProgress) -> bool:
    settings = job.settings
    patient = not job.validated or not settings.patience or progress.epoch - progress.best_epoch < settings.patience
    # without parameters, the second epoch would be the first again
    epochs = settings.epochs if any(True for _ in network.parameters()) else 1
    return progress.epoch >= epochs or not patient


def _epoch(job: Job, network: FusionNetwork, optimizer: Optimizer, criterion: nn.Module, progress: SeedProgress) -> None:
    """Train one epoch, evaluate, and remember the weights if they are the best so far."""
    progress.epoch += 1
    record: dict[str, Any] = {"epoch": progress.epoch, "train": _train_epoch(job, network, optimizer, criterion, progress.epoch)}
    # losses were looked at before each step: here is what the last one left
    _check_finite(sum(parameter.detach().sum().item() for parameter in network.parameters()), progress.epoch, job.settings)
    score = -math.inf
    if job.validated:
        record["validation"] = _validate(job, network, criterion)
        if math.isnan(record["validation"]["loss"]):  # infinite it may be, where a decision gives the right class no chance at all
            _check_finite(math.nan, progress.epoch, job.settings)
        score = _score(job.task, record["validation"])
    # without validation rows the last epoch is as good as any
    if score > progress.best_score or not job.validated or job.settings.keep == "last":
        progress.best_score, progress.best_epoch = score, progress.epoch
        progress.best = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    progress.history.append(record)


def _train_epoch(job: Job, network: FusionNetwork, optimizer: Optimizer, criterion: nn.Module, epoch: int) -> dict[str, float]:
    """Show every train row once and return the mean loss and the last learning rate."""
    settings, store = job.settings, job.store
    steps = math.ceil(len(store.indices("train")) / settings.batch_size)
    network.train()
    total, rows, rate = 0.0, 0, 0.0
    counts = sample_weights(store)
    batches = store.batches("train", batch_size=settings.batch_size, shuffle=True, seed=job.seed, epoch=epoch)
    for number, batch in enumerate(batches):
        # 1. Forward, with some modalities removed.
        weights = modality_weights(batch, store.schema, settings.modality_dropout, job.seed, epoch)
        output = network(batch, node_weight_dict=weights)
        output = with_agreement(output, network, batch, weights, settings, job.seed, epoch)
        loss = training_loss(output, batch.y, criterion, None if counts is None else counts[batch.position])
        _check_finite(loss.item(), epoch, settings)
        # 2. Backward.
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
            if settings.clip_norm:
                clip_grad_norm_(network.parameters(), settings.clip_norm)
        # 3. Step.
        rate = learning_rate(settings, (epoch - 1) * steps + number, steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        total, rows = total + loss.item() * batch.num_graphs, rows + batch.num_graphs
    return {"loss": total / rows, "learning_rate": rate}


def sample_weights(store: GraphStore) -> Tensor | None:
    """Return how much each sample counts in training, or None where all count the same.  [num_samples]."""
    if "sample_weight" not in store.samples:
        return None
    return torch.from_numpy(store.samples["sample_weight"].to_numpy(dtype=np.float32, copy=True))


def _validate(job: Job, network: FusionNetwork, criterion: nn.Module) -> dict[str, float]:
    """Return loss and metrics on the validation rows."""
    outputs = collect([network], job.store.batches("validation", batch_size=EVALUATION_BATCH))
    logits, y = outputs.logits[0], outputs.targets()
    metrics = job.task.metrics(logits, y, job.store.target)
    if not metrics:
        raise InputError(
            "Early stopping needs validation rows with a target that train rows have too (got none that can be used). "
            "Change dataset.split and convert again, or train for a fixed time: --set train.patience=0"
        )
    with torch.no_grad():
        return {"loss": criterion(logits, y).item(), **metrics}


def _score(task: Task, metrics: dict[str, float]) -> float:
    """Return the monitored metric, higher is better; the loss where the metric is undefined on these rows."""
    name = task.monitor.removeprefix("-")
    if name not in metrics:
        return -metrics["loss"]
    return -metrics[name] if task.monitor.startswith("-") else metrics[name]


def _check_finite(value: float, epoch: int, settings: TrainSettings) -> None:
    """Raise if a loss, or the sum of all weights, is no number any more."""
    if not math.isfinite(value):
        raise ConfigError(
            f"train.learning_rate: the loss must stay finite, and became {value} in epoch {epoch} (got {settings.learning_rate:g}). "
            "Lower it, or set train.clip_norm to 1."
        )


def _label(job: Job, record: dict[str, Any]) -> str:
    """Return a line such as `seed 0: loss 0.512, macro_f1 0.713`."""
    name = job.task.monitor.removeprefix("-")
    parts = [f"loss {record['train']['loss']:.3f}"]
    if name in record.get("validation", {}):
        parts.append(f"{name} {record['validation'][name]:.3f}")
    return f"seed {job.seed}: {', '.join(parts)}"


def _publish(job: Job, network: FusionNetwork, progress: SeedProgress) -> dict[str, Any]:
    """Write the best weights, and last the JSON whose presence means that the seed is done."""
    network.load_state_dict(progress.best)
    network.cpu().eval()
    if job.validated:
        network.body.fit_validation(rows_of(job.store, "validation"))
    path = job.folder / "model.safetensors"
    write_tensors(path, network.state_dict(), {"seed": job.seed, "epoch": progress.best_epoch})
    record = {
        "seed": job.seed,
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "monitor": _monitor(job, progress),
        "score": progress.best_score if job.validated else None,
        "sha256": digest_file(path),
    }
    write_json(job.folder / "model.json", record)
    return record


def _monitor(job: Job, progress: SeedProgress) -> str | None:
    """Return what selected the epoch: the task's metric, the loss where that is undefined, nothing where the last one is kept."""
    if not job.validated or job.settings.keep == "last":
        return None
    return job.task.monitor if job.task.monitor.removeprefix("-") in progress.history[0]["validation"] else "-loss"
