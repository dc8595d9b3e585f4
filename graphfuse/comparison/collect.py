"""What all attempts left -> the rows of `comparison.json`, held against the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import Tensor

from graphfuse.comparison.attempts import SPLITS, Attempt, read_outputs
from graphfuse.comparison.plan import Row
from graphfuse.comparison.significance import Resampler, holm
from graphfuse.core.schema import TargetSchema
from graphfuse.core.sockets import Task
from graphfuse.training.predict import Outputs
from graphfuse.training.run import open_run
from graphfuse.training.summary import interval

COSTS = ("parameters", "train_seconds", "train_seconds_wall", "predict_seconds_per_1000", "peak_memory_mb")


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a row left, over its seeds."""

    row: Row
    records: Mapping[int, Mapping[str, Any]]
    """Seed -> record, of those that are done."""
    failures: Mapping[int, str]
    """Seed -> why it failed."""
    outputs: Mapping[int, Mapping[str, Outputs]]
    """Seed -> split -> logits and targets."""
    learned_from_validation: bool = False
    """Whether its networks learned from validation rows too, such as weights of experts, so that its figures on them flatter."""

    def logits(self, split: str) -> dict[int, Tensor]:
        """Return the logits of a split by seed."""
        return {seed: found[split].logits[0] for seed, found in self.outputs.items() if split in found}

    def mean(self, split: str, metric: str) -> float | None:
        """Return a metric's mean over seeds; None where no seed has it."""
        known = [record["metrics"][split][metric] for record in self.records.values() if metric in record["metrics"].get(split, {})]
        return fmean(known) if known else None


def gather_results(out: Path, row: Row, seeds: Sequence[int], allowed: tuple[str, ...] = ()) -> Results:
    """Read what the attempts of a row left."""
    attempts = {seed: Attempt(row=row, seed=seed) for seed in seeds}
    records = {seed: attempt.record(out) for seed, attempt in attempts.items()}
    done = {seed: record for seed, record in records.items() if record is not None and record["status"] == "done"}
    validated = [attempts[seed].run_folder(out) for seed, record in done.items() if record["metrics"].get("validation")]
    return Results(
        row=row,
        records=done,
        failures={seed: record["error"] for seed, record in records.items() if record is not None and record["status"] != "done"},
        outputs={seed: read_outputs(attempts[seed].outputs_file(out)) for seed in done},
        # a matter of the model, not of the seed
        learned_from_validation=bool(validated) and open_run(validated[0], allowed).networks[0].body.fits_validation,
    )


def majority_results(row: Row, outputs: Mapping[str, Outputs], task: Task, target: TargetSchema, seeds: Sequence[int]) -> Results:
    """Return the same outputs for every seed: nothing is trained, so nothing depends on it."""
    metrics = {split: task.metrics(found.logits[0], found.targets(), target) for split, found in outputs.items()}
    record = {"metrics": metrics, "notes": [], **dict.fromkeys(COSTS, 0)}
    return Results(row=row, records=dict.fromkeys(seeds, record), failures={}, outputs=dict.fromkeys(seeds, outputs))


def best_on_validation(results: Sequence[Results], monitor: str) -> Results | None:
    """Return the results with the best mean on validation rows, the first of equals; None where none has one.

    Those that learned from validation rows too are passed over, unless there are no others: their means there flatter them.

    Args:
        results: To choose from.
        monitor: The task's metric, `-` in front if lower is better.
    """
    metric, sign = monitor.removeprefix("-"), -1 if monitor.startswith("-") else 1
    honest = [found for found in results if not found.learned_from_validation] or results
    known = [(sign * value, found) for found in honest if (value := found.mean("validation", metric)) is not None]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def describe_row(found: Results) -> dict[str, Any]:
    """Return a row of `comparison.json`, without what it is held against."""
    row, records = found.row, list(found.records.values())
    once = records[:1] if row.kind == "majority" else records  # the same for every seed
    costs = {name: fmean([record[name] for record in records]) if records else None for name in COSTS}
    return {
        "name": row.name,
        "model": row.section.get("name", row.name),
        "stage": row.stage,
        "kind": row.kind,
        "settings": {name: value for name, value in row.section.items() if name != "name"},
        "seeds": sorted(found.records),
        "failures": [{"seed": seed, "error": error} for seed, error in found.failures.items()],
        "learned_from_validation": found.learned_from_validation,
        **costs,
        "parameters": None if costs["parameters"] is None else int(costs["parameters"]),
        **{split: _intervals([record["metrics"].get(split, {}) for record in once]) for split in SPLITS},
        "against_baseline": None,
    }


def hold_against(results: Sequence[Results], baseline: Results | None, resampler: Resampler) -> list[dict[str, Any] | None]:
    """Return per row its difference from the baseline on the test rows, with p corrected for the number of rows."""
    if baseline is None:
        return [None] * len(results)
    other = baseline.logits("test")
    found = [None if one is baseline else resampler.compare(one.logits("test"), other) for one in results]
    corrected = holm([None if difference is None else difference.p for difference in found])
    return [
        None if difference is None else {**asdict(difference), "p_corrected": p} for difference, p in zip(found, corrected, strict=True)
    ]


def _intervals(metrics: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return each metric's mean and 95 % interval over seeds."""
    names = sorted({name for found in metrics for name in found})
    return {name: interval([found.get(name) for found in metrics]) for name in names}
