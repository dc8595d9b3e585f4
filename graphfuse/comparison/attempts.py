"""One training per row and seed, in a process of its own: kept when it is done, gone on with when it was interrupted, reported when it fails.

    runs/<row>/seed-<n>/                the run, as `train` writes it
    attempts/<row>/seed-<n>.json        what it cost and what it reached, or why it failed
    attempts/<row>/seed-<n>.safetensors logits and targets of the validation and test rows

What is done is never done again; what failed is tried again whenever the comparison is repeated.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor

from graphfuse.comparison.changes import changed_store
from graphfuse.comparison.isolated import Work, run_isolated
from graphfuse.comparison.measure import MemoryMeter, Stopwatch, predict_seconds
from graphfuse.comparison.plan import Row
from graphfuse.core.build import build
from graphfuse.core.errors import GraphfuseError
from graphfuse.core.files import digest_file, read_json, write_json
from graphfuse.core.progress import Progress
from graphfuse.core.registry import load
from graphfuse.store.graph_store import GraphStore, open_store
from graphfuse.training.checkpoint import read_tensors, write_tensors
from graphfuse.training.computing import Computing, reproducible
from graphfuse.training.fit import fit
from graphfuse.training.predict import EVALUATION_BATCH, Outputs, collect
from graphfuse.training.receipt import read_receipt
from graphfuse.training.run import open_run

SPLITS = ("validation", "test")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all attempts of a comparison share."""

    store: Path
    experiment: Mapping[str, Any]
    """The experiment as plain JSON, whose model each row replaces."""
    out: Path
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One row with one seed."""

    row: Row
    seed: int

    @property
    def label(self) -> str:
        """What people read."""
        return f"{self.row.name}, seed {self.seed}"

    def run_folder(self, out: Path) -> Path:
        """Return where the run lies."""
        return out / "runs" / self.row.folder / f"seed-{self.seed}"

    def record_file(self, out: Path) -> Path:
        """Return where lies what it cost and reached, or why it failed."""
        return out / "attempts" / self.row.folder / f"seed-{self.seed}.json"

    def outputs_file(self, out: Path) -> Path:
        """Return where logits and targets lie."""
        return self.record_file(out).with_suffix(".safetensors")

    def record(self, out: Path) -> dict[str, Any] | None:
        """Return what is known of it, None if it was not tried or was interrupted."""
        path = self.record_file(out)
        return read_json(path) if path.exists() else None

    def is_done(self, out: Path) -> bool:
        """Return whether it succeeded before, and all that it left is as it was written."""
        try:
            record = self.record(out)
            if record is None or record["status"] != "done":
                return False
            read_receipt(self.run_folder(out))
            outputs = digest_file(self.outputs_file(out))
            return bool(record["metrics"] == _means(read_json(self.run_folder(out) / "metrics.json"))) and outputs == record["outputs"]
        except (GraphfuseError, OSError, KeyError):
            return False

    def begin_again(self, out: Path) -> None:
        """Remove a failure; and of a success that is not whole any more everything, so that it is made again."""
        try:
            failed = (self.record(out) or {}).get("status", "failed") == "failed"
        except GraphfuseError:
            failed = False
        if not failed:
            shutil.rmtree(self.run_folder(out), ignore_errors=True)
        self.record_file(out).unlink(missing_ok=True)


def open_for(job: Job, row: Row) -> GraphStore:
    """Open the store as a row sees it."""
    return changed_store(job.store, row.change) if row.change else open_store(job.store)


def read_outputs(path: Path) -> dict[str, Outputs]:
    """Return logits and targets per split, as an attempt left them."""
    tensors, _ = read_tensors(path)
    return {
        split: Outputs(logits=(tensors[f"{split}.logits"],), positions=tensors[f"{split}.positions"], y=tensors[f"{split}.y"])
        for split in SPLITS
        if f"{split}.logits" in tensors
    }


def write_outputs(path: Path, outputs: Mapping[str, Outputs]) -> None:
    """Write logits and targets per split, so that nothing later needs the network."""
    tensors: dict[str, Tensor] = {}
    for split, found in outputs.items():
        tensors |= {f"{split}.logits": found.logits[0], f"{split}.positions": found.positions, f"{split}.y": found.targets()}
    write_tensors(path, tensors, {})


def run_attempts(job: Job, attempts: Sequence[Attempt], *, workers: int, progress: Progress) -> None:
    """Make every attempt that is not done yet; each ends as a record, of success or of failure.

    Args:
        job: What they share.
        attempts: What to train.
        workers: How many at a time.
        progress: Called as each starts.
    """
    missing = [attempt for attempt in attempts if not attempt.is_done(job.out)]
    work = [Work(key=attempt, label=attempt.label, function=make_attempt, arguments=(job, attempt)) for attempt in missing]
    for attempt in missing:
        attempt.begin_again(job.out)
    for piece, outcome in run_isolated(
        work, workers=workers, preload=modules(job, missing), progress=progress, done=len(attempts) - len(missing)
    ):
        if outcome.error is not None:
            attempt = piece.key
            failure = {"status": "failed", "row": attempt.row.name, "seed": attempt.seed}
            write_json(attempt.record_file(job.out), {**failure, "error": outcome.error, "traceback": outcome.traceback})


def modules(job: Job, attempts: Sequence[Attempt]) -> list[str]:
    """Return the modules that attempts need, for a process to have imported before its time is taken."""
    found = {load("models", attempt.row.section["name"], job.allowed).__module__ for attempt in attempts}
    logs = ["torch.utils.tensorboard"] if find_spec("tensorboard") else []
    return [__name__, *sorted(found), load("tasks", job.experiment["task"]["name"], job.allowed).__module__, *logs]


def make_attempt(job: Job, attempt: Attempt) -> None:
    """Train, measure and predict; what is found is written, the record last."""
    row, out = attempt.row, job.out
    store = open_for(job, row)
    model, task = build("models", row.section, "model", job.allowed), build("tasks", job.experiment["task"], "task", job.allowed)
    settings = replace(row.train, seeds=(attempt.seed,))
    experiment = {**job.experiment, "model": dict(row.section), "train": asdict(settings)}
    store.batch([0])  # reads what every training reads, so that it is not counted
    # 1. Train; the last call of the progress comes when training has ended, and measuring begins.
    watch, meter = Stopwatch(attempt.record_file(out).with_suffix(".clock")), MemoryMeter()
    folder = attempt.run_folder(out)
    summary = fit(store, experiment, model, task, settings, folder, resume=True, measured=SPLITS, progress=lambda *_: watch.note())
    peak = meter.peak_mb()
    # 2. Predict: the logits, and how long they take.
    (network,) = open_run(folder, job.allowed).networks
    with reproducible(Computing.of(settings)):
        outputs = {split: collect([network], store.batches(split, batch_size=EVALUATION_BATCH)) for split in summary["splits"]}
        seconds = predict_seconds(network, store, "test")
    write_outputs(attempt.outputs_file(out), outputs)
    # 3. The record; its presence means that the attempt is done.
    record = {
        "status": "done",
        "row": row.name,
        "seed": attempt.seed,
        "parameters": summary["parameters"],
        "epochs": summary["epochs"][0],
        "train_seconds": watch.seconds["cpu"],
        "train_seconds_wall": watch.seconds["wall"],
        "predict_seconds_per_1000": seconds,
        "peak_memory_mb": peak,
        "notes": summary["notes"],
        "metrics": _means(summary),
        "outputs": digest_file(attempt.outputs_file(out)),
    }
    write_json(attempt.record_file(out), record)
    watch.stop()


def _means(summary: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return each metric by split, of what `metrics.json` of a run holds."""
    return {split: {name: value["mean"] for name, value in found["metrics"].items()} for split, found in summary["splits"].items()}
