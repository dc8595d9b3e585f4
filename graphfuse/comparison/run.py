"""The protocol from the plan to the table: one store, one split, the same seeds, selection on validation rows only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.comparison.attempts import Job
from graphfuse.comparison.collect import Results, best_on_validation, describe_row, hold_against
from graphfuse.comparison.conclusions import SIGNIFICANT, conclusions
from graphfuse.comparison.extras import ask
from graphfuse.comparison.folder import begin
from graphfuse.comparison.groups import read_groups
from graphfuse.comparison.plan import plan_rows
from graphfuse.comparison.significance import Resampler
from graphfuse.comparison.tables import write_tables
from graphfuse.comparison.training import Setting, train_rows, tune_rows
from graphfuse.comparison.tuning import require_optuna
from graphfuse.config import Experiment
from graphfuse.core.build import build
from graphfuse.core.errors import GraphfuseError, InputError
from graphfuse.core.files import write_json
from graphfuse.core.lock import locked
from graphfuse.core.progress import Progress
from graphfuse.report.comparison_page import write_comparison
from graphfuse.store.graph_store import GraphStore


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
    plain, folder, allowed = experiment.dataset.to_dict(), experiment.folder, experiment.allowed
    groups = read_groups(store, plain, folder, settings.groups, allowed) if settings.groups else None
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
        rows, tuning, untuned = tune_rows(setting, rows)
        # 2. Trainings.
        results = train_rows(setting, rows, untuned)
        check_trained(results)
        # 3. The table, and what else is asked.
        resampler, resampler_notes = make_resampler(setting, results)
        extras = ask(setting, results, resampler, groups)
        comparison = describe(setting, results, resampler, [*notes, *resampler_notes, *extras.notes])
        comparison |= extras.parts | ({"tuning": tuning} if tuning else {})
        comparison["conclusions"] = conclusions(comparison)
        # 4. Files; the one that all others can be drawn from comes last.
        write_tables(out, comparison)
        write_comparison(out / "comparison.html", comparison)
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


def _without_comparison(experiment: Experiment) -> dict[str, Any]:
    """Return the experiment as runs keep it: what else is compared says nothing about one of them."""
    return {key: value for key, value in experiment.to_json().items() if key != "compare"}


def check_trained(results: Sequence[Results]) -> None:
    """Check that something could be trained.

    Raises:
        InputError: With why nothing could.
    """
    trained = [found for found in results if found.row.section]
    if not any(found.records for found in trained):
        reasons = sorted({f"{found.row.name}: {error}" for found in trained for error in found.failures.values()})
        raise InputError("\n".join(["Every training failed:", *(f"  - {reason}" for reason in reasons)]))


def make_resampler(setting: Setting, results: Sequence[Results]) -> tuple[Resampler, list[str]]:
    """Return the resamples of the test rows that every difference is judged by, and what readers should know."""
    y = next(found["test"].targets() for one in results for found in one.outputs.values())
    groups, notes = group_numbers(setting.store, setting.experiment)
    resamples = setting.experiment.compare.resamples
    return Resampler(setting.task, setting.store.target, setting.metric, y, groups, resamples), notes


def describe(setting: Setting, results: Sequence[Results], resampler: Resampler, notes: Sequence[str]) -> dict[str, Any]:
    """Return the table of `comparison.json`: the rows, held against the baseline."""
    baseline, baseline_notes = choose_baseline(setting, results)
    against = hold_against(results, baseline, resampler)
    of_runs = {f"{one.row.name}: {note}" for one in results for record in one.records.values() for note in record["notes"]}
    return {
        "metric": setting.metric,
        "higher_is_better": not setting.task.monitor.startswith("-"),
        "seeds": list(setting.seeds),
        "baseline": baseline.row.name if baseline else None,
        "num_test": resampler.num_rows,
        "unit": resampler.unit,
        "resamples": resampler.resamples,
        "experiment": setting.experiment.to_json(),
        "notes": [
            *notes,
            *baseline_notes,
            *_about_validation(results),
            *_about_chance(against, resampler, len(setting.seeds)),
            *sorted(of_runs),
        ],
        "rows": [{**describe_row(found), "against_baseline": one} for found, one in zip(results, against, strict=True)],
    }


def _about_validation(results: Sequence[Results]) -> list[str]:
    """Return who is passed over where the best on validation rows is chosen, and why."""
    names = [one.row.name for one in results if one.learned_from_validation]
    if not names:
        return []
    learned = f"Learned from validation rows too, so that figures on them flatter: {', '.join(names)}."
    return [f"{learned} Where the best on validation is chosen, they are passed over; figures on test rows are as honest as any."]


def _about_chance(against: Sequence[Mapping[str, Any] | None], resampler: Resampler, num_seeds: int) -> list[str]:
    """Return why no row can differ from the baseline beyond chance, whatever its figures, if that is so."""
    nobody = "No row can be told from the baseline"
    if num_seeds == 1 and any(against):
        return [f"{nobody}: with one seed, nothing is known of how much other seeds would change. Raise compare.seeds."]
    number = sum(one is not None and one["p"] is not None for one in against)
    of_swaps, of_units = number / (1 + resampler.resamples), number * 2.0 ** (1 - resampler.num_units)
    least = max(of_swaps, of_units)
    if least < SIGNIFICANT:
        return []
    rows = f"p corrected for {number} rows is {min(least, 1):.2f} or more"
    if of_units > of_swaps:
        return [
            f"{nobody}: with test rows of {resampler.num_units} {resampler.unit}, {rows}. It takes more {resampler.unit}, or fewer models."
        ]
    return [f"{nobody}: with {resampler.resamples:,} swaps, {rows}. Raise compare.resamples, or name fewer models."]


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


def group_numbers(store: GraphStore, experiment: Experiment) -> tuple[npt.NDArray[np.int64] | None, list[str]]:
    """Return a number per test row, the same for rows of one group, and what readers should know; None without groups.

    A store does not keep groups, so the data set is read again, unless it has the setting `group` and is given none.
    """
    dataset = build("datasets", experiment.dataset.to_dict(), "dataset", experiment.allowed)
    if getattr(dataset, "group", "") is None:
        return None, []
    try:
        manifest = dataset.manifest(experiment.folder)
    except (GraphfuseError, OSError) as error:
        reason = next(iter(str(error).splitlines()), "")
        return None, [f"Rows of one group may be alike, and are treated as if they were not: the data set cannot be read ({reason})."]
    if "group" not in manifest.samples:
        return None, []
    groups = dict(zip(manifest.samples["sample_id"], manifest.samples["group"], strict=True))
    ids = store.samples["sample_id"].iloc[store.indices("test")]
    # a row without a group is one of its own
    return pd.factorize(pd.Series([groups.get(name) or f"\0{name}" for name in ids]))[0].astype(np.int64), []
