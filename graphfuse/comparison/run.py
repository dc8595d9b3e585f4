"""The protocol from the plan to the table: one store, one split, the same seeds, selection on validation rows only."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.comparison.attempts import SPLITS, Attempt, Job, modules, open_for, run_attempts
from graphfuse.comparison.baselines import majority_outputs
from graphfuse.comparison.collect import Results, best_on_validation, describe_row, gather_results, hold_against, majority_results
from graphfuse.comparison.conclusions import conclusions
from graphfuse.comparison.folder import begin
from graphfuse.comparison.isolated import Work, run_isolated
from graphfuse.comparison.plan import Row, plan_rows, shared_training
from graphfuse.comparison.significance import Resampler
from graphfuse.comparison.tables import write_tables
from graphfuse.comparison.tuning import Tuned, require_optuna, tune
from graphfuse.config import Experiment
from graphfuse.core.build import build
from graphfuse.core.errors import InputError
from graphfuse.core.files import write_json
from graphfuse.core.lock import locked
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


def compare(store: GraphStore, experiment: Experiment, out: Path, *, workers: int, progress: Progress) -> dict[str, Any]:
    """Train what is missing, measure, test, and write `comparison.json` with all that is drawn from it.

    Args:
        store: What all rows learn from.
        experiment: Data set, task, shared settings, and the section `compare`.
        out: The comparison's folder; what is done there is not done again.
        workers: Trainings at a time.
        progress: Called as each training starts.

    Returns:
        What `comparison.json` holds.

    Raises:
        ConfigError: If settings are wrong, or the folder holds a comparison of something else.
        InputError: If no test row has a target, or every training failed.
    """
    settings = experiment.compare
    task = build("tasks", experiment.task.to_dict(), "task", experiment.allowed)
    rows, notes = plan_rows(experiment, store.schema)
    check_test_rows(store)
    if settings.trials:
        require_optuna()
    with locked(out):
        begin(out, store, experiment, rows)
        job = Job(store=store.path, experiment=_without_comparison(experiment), out=out, allowed=experiment.allowed)
        setting = Setting(
            store=store,
            experiment=experiment,
            task=task,
            job=job,
            seeds=tuple(range(settings.seeds)),
            workers=workers,
            progress=progress,
        )
        # 1. Settings, chosen on validation rows.
        rows, tuning, tuning_notes = tune_rows(setting, rows)
        # 2. Trainings.
        results = train_rows(setting, rows)
        # 3. The table.
        comparison = {**_table(setting, results, [*notes, *tuning_notes]), **({"tuning": tuning} if tuning else {})}
        # 4. Files; the one that all others can be drawn from comes last.
        comparison["conclusions"] = conclusions(comparison)
        write_tables(out, comparison)
        write_json(out / "comparison.json", comparison)
    return comparison


def check_test_rows(store: GraphStore) -> None:
    """Check that there is something to compare on.

    Raises:
        InputError: If no row of the split `test` has a target.
    """
    test = store.samples[store.samples["split"] == "test"]
    columns = [name for name in store.target.columns if name in test]
    if not columns or not (test[columns] != "").any(axis=None):
        raise InputError(
            f"A comparison needs rows of the split 'test' with a target (the store has 0 of {len(store)}). "
            "Check dataset.split and convert again."
        )


def tune_rows(setting: Setting, rows: Sequence[Row]) -> tuple[list[Row], list[dict[str, Any]], list[str]]:
    """Return the rows with the settings that trials found, what `comparison.json` says of the trials, and what readers should know."""
    trials = setting.experiment.compare.trials
    trained = [row for row in rows if row.section]
    if not trials:
        return list(rows), [], []
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
    notes = [
        f"{name} has its settings as given, since tuning failed: {outcome.error}" for name, outcome in outcomes.items() if outcome.error
    ]
    chosen = [replace(row, section=tuned[row.name].section, train=tuned[row.name].train) if row.name in tuned else row for row in rows]
    return chosen, [{"name": row.name, **tuned[row.name].to_json()} for row in trained if row.name in tuned], notes


def tune_row(job: Job, row: Row, trials: int, fixed: tuple[str, ...]) -> Tuned:
    """Choose the settings of a row on validation rows."""
    task = build("tasks", job.experiment["task"], "task", job.allowed)
    folder = job.out / "tuning" / row.folder
    return tune(open_for(job, row), job.experiment, row.section, task, row.train, folder, trials=trials, fixed=fixed, allowed=job.allowed)


def train_rows(setting: Setting, rows: Sequence[Row]) -> list[Results]:
    """Train every row with every seed, where that is not done yet, and return what they left."""
    attempts = [Attempt(row=row, seed=seed) for seed in setting.seeds for row in rows if row.section]
    run_attempts(setting.job, attempts, workers=setting.workers, progress=setting.progress)
    results = []
    for row in rows:
        if row.section:
            results.append(gather_results(setting.job.out, row, setting.seeds))
        else:
            outputs = majority_outputs(setting.store, SPLITS)
            results.append(majority_results(row, outputs, setting.task, setting.store.target, setting.seeds))
    return results


def _fixed(setting: Setting, row: Row) -> tuple[str, ...]:
    """Return the settings that the experiment gives to this model alone; they are not tuned."""
    return tuple(setting.experiment.compare.settings.get(row.section["name"], {}))


def _without_comparison(experiment: Experiment) -> dict[str, Any]:
    """Return the experiment as runs keep it: what else is compared says nothing about one of them."""
    return {key: value for key, value in experiment.to_json().items() if key != "compare"}


def _table(setting: Setting, results: Sequence[Results], notes: Sequence[str]) -> dict[str, Any]:
    """Return the rows, held against the baseline.

    Raises:
        InputError: If nothing could be trained.
    """
    trained = [found for found in results if found.row.section]
    if not any(found.records for found in trained):
        reasons = {f"{found.row.name}: {error}" for found in trained for error in found.failures.values()}
        raise InputError("\n".join(["Every training failed:", *(f"  - {reason}" for reason in sorted(reasons))]))
    metric = setting.task.monitor.removeprefix("-")
    baseline, baseline_notes = choose_baseline(setting, results)
    y = next(iter(results[-1].outputs.values()))["test"].targets()
    groups = group_numbers(setting.store)
    resampler = Resampler(setting.task, setting.store.target, metric, y, groups, setting.experiment.compare.resamples)
    against = hold_against(results, baseline, resampler)
    run_notes = [
        f"{found.row.name}: {note}" for found in trained for note in dict.fromkeys(n for r in found.records.values() for n in r["notes"])
    ]
    return {
        "metric": metric,
        "higher_is_better": not setting.task.monitor.startswith("-"),
        "seeds": list(setting.seeds),
        "baseline": baseline.row.name if baseline else None,
        "num_test": len(y),
        "unit": "samples" if groups is None else "groups",
        "resamples": setting.experiment.compare.resamples,
        "train": {"threads": shared_training(setting.experiment).threads},
        "experiment": setting.experiment.to_json(),
        "notes": [*notes, *baseline_notes, *run_notes],
        "rows": [{**describe_row(found), "against_baseline": one} for found, one in zip(results, against, strict=True)],
    }


def choose_baseline(setting: Setting, results: Sequence[Results]) -> tuple[Results | None, list[str]]:
    """Return the row named as baseline, or else the single modality that is best on validation rows, and what readers should know."""
    named = setting.experiment.compare.baseline
    if named is not None:
        found = next(one for one in results if one.row.name == named)
        return (found, []) if found.records else (None, [f"The baseline {named} failed, so nothing is held against it."])
    alone = [one for one in results if one.row.kind == "unimodal" and one.records]
    best = best_on_validation(alone, setting.task.monitor)
    if best is not None:
        return best, []
    if alone:
        return alone[0], [
            "No validation row says which single modality is best, so the first is the baseline; name another with --baseline."
        ]
    return results[-1], ["No single modality could be trained, so the majority row is the baseline."]


def group_numbers(store: GraphStore) -> npt.NDArray[np.int64] | None:
    """Return a number per test row, the same for rows of one group; None if the store knows no groups."""
    if "group" not in store.samples:
        return None
    names = store.samples["group"].iloc[store.indices("test")]
    return pd.factorize(names)[0].astype(np.int64)
