"""Rows -> what they leave: settings chosen by trials, then one training per row and seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from graphfuse.comparison.attempts import SPLITS, Attempt, Job, modules, open_for, run_attempts
from graphfuse.comparison.baselines import majority_outputs
from graphfuse.comparison.collect import Results, gather_results, majority_results
from graphfuse.comparison.isolated import Work, run_isolated
from graphfuse.comparison.plan import Row
from graphfuse.comparison.tuning import Tuned, tune
from graphfuse.config import Experiment
from graphfuse.core.build import build
from graphfuse.core.progress import Progress
from graphfuse.core.sockets import Task
from graphfuse.store.graph_store import GraphStore


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every step of a comparison works with."""

    store: GraphStore
    experiment: Experiment
    task: Task
    job: Job
    seeds: tuple[int, ...]
    workers: int
    progress: Progress

    @property
    def metric(self) -> str:
        """The task's metric by which rows are compared."""
        return self.task.monitor.removeprefix("-")


def tune_rows(setting: Setting, rows: Sequence[Row]) -> tuple[list[Row], list[dict[str, Any]], dict[str, str]]:
    """Return the rows with the settings that trials found, what `comparison.json` says of the trials, and why some failed, by row."""
    trials = setting.experiment.compare.trials
    trained = [row for row in rows if row.section]
    if not trials:
        return list(rows), [], {}
    work = [
        Work(
            key=row.name,
            label=f"{row.name}, {trials} trials",
            function=tune_row,
            arguments=(setting.job, row, trials, _fixed(setting, row)),
        )
        for row in trained
    ]
    preload = modules(setting.job, [Attempt(row=row, seed=0) for row in trained])
    outcomes = {
        piece.key: outcome for piece, outcome in run_isolated(work, workers=setting.workers, preload=preload, progress=setting.progress)
    }
    tuned: dict[str, Tuned] = {name: outcome.value for name, outcome in outcomes.items() if outcome.error is None}
    failed = {name: f"Tuning failed: {outcome.error}" for name, outcome in outcomes.items() if outcome.error is not None}
    chosen = [replace(row, section=tuned[row.name].section, train=tuned[row.name].train) if row.name in tuned else row for row in rows]
    return chosen, [{"name": row.name, **tuned[row.name].to_json()} for row in trained if row.name in tuned], failed


def tune_row(job: Job, row: Row, trials: int, fixed: tuple[str, ...]) -> Tuned:
    """Choose the settings of a row on validation rows."""
    task = build("tasks", job.experiment["task"], "task", job.allowed)
    folder = job.out / "tuning" / row.folder
    return tune(open_for(job, row), job.experiment, row.section, task, row.train, folder, trials=trials, fixed=fixed, allowed=job.allowed)


def train_rows(setting: Setting, rows: Sequence[Row], failed: Mapping[str, str] = MappingProxyType({})) -> list[Results]:
    """Train every row with every seed, where that is not done yet, and return what they left.

    A row that `failed` before (name -> why) is not trained: with other settings than the rest had trials for, it would say nothing.
    """
    attempts = [Attempt(row=row, seed=seed) for seed in setting.seeds for row in rows if row.section and row.name not in failed]
    run_attempts(setting.job, attempts, workers=setting.workers, progress=setting.progress)
    results = []
    for row in rows:
        if row.name in failed:
            results.append(Results(row=row, records={}, failures=dict.fromkeys(setting.seeds, failed[row.name]), outputs={}))
        elif row.section:
            results.append(gather_results(setting.job.out, row, setting.seeds, setting.job.allowed))
        else:
            outputs = majority_outputs(setting.store, SPLITS)
            results.append(majority_results(row, outputs, setting.task, setting.store.target, setting.seeds))
    return results


def _fixed(setting: Setting, row: Row) -> tuple[str, ...]:
    """Return the settings that the experiment gives to this model alone; they are not tuned."""
    return tuple(setting.experiment.compare.settings.get(row.section["name"], {}))
