"""Settings chosen by trials on validation rows: the same budget for every model, and the test rows are not touched.

Proposals are those of the tree-structured Parzen estimator, "Algorithms for Hyper-Parameter Optimization" (Bergstra et al., NeurIPS
2011), in Optuna. A proposal depends only on the trials before it and on their number, so an interrupted tuning goes on as if it had
not been.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from graphfuse.comparison.search_space import Space, Value, apply_settings, default_settings, distributions, search_space, to_json
from graphfuse.core.build import build
from graphfuse.core.differences import differences
from graphfuse.core.errors import ConfigError, LockedError, MissingDependencyError, ResourceError
from graphfuse.core.files import read_json, write_json
from graphfuse.core.progress import Progress, silent
from graphfuse.core.settings import TrainSettings
from graphfuse.core.sockets import Task
from graphfuse.store.graph_store import GraphStore
from graphfuse.training.fit import fit
from graphfuse.training.receipt import describe_inputs

RANDOM_TRIALS = 6
"""Trials before there is enough to estimate from; Optuna's 10 would leave nothing of a small budget."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Settings that were tried, and what they reached on validation; `value` is None where they failed."""

    settings: Mapping[str, Value]
    value: float | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What a tuning chose."""

    section: Mapping[str, Any]
    """The model's section with the best settings."""
    train: TrainSettings
    """How to train with the best settings; its seeds are those of the settings that were handed in."""
    best: Trial
    trials: tuple[Trial, ...] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return what `comparison.json` says of it, beside the row's name."""
        return {
            "trials": len(self.trials),
            "best_settings": dict(self.best.settings),
            "validation": self.best.value,
            "default": self.trials[0].value,
            "failures": [{"trial": number, "error": trial.error} for number, trial in enumerate(self.trials) if trial.value is None],
        }


@dataclass(frozen=True, kw_only=True)
class _Tuning:
    """What all trials of one model share."""

    store: GraphStore
    experiment: Mapping[str, Any]
    section: Mapping[str, Any]
    task: Task
    train: TrainSettings
    seeds: tuple[int, ...]
    folder: Path
    allowed: tuple[str, ...]


def tune(
    store: GraphStore,
    experiment: Mapping[str, Any],
    section: Mapping[str, Any],
    task: Task,
    train: TrainSettings,
    folder: Path,
    *,
    trials: int,
    seeds: Sequence[int] = (0,),
    fixed: Sequence[str] = (),
    allowed: tuple[str, ...] = (),
    progress: Progress = silent,
) -> Tuned:
    """Try settings of a model, the given ones first, and return the best by the task's metric on validation rows.

    Every finished trial lies in `folder/trial-<n>/` with its run; repeating the call, with as many trials or more, goes on from there.
    A trial that fails is kept with its message, counts, and does not stop the others.

    Args:
        store: Rows; those of the split `test` are neither predicted nor measured.
        experiment: The experiment as plain JSON, kept in the runs.
        section: The model's section: `name`, and settings to start from.
        task: The task.
        train: How to train; learning rate and weight decay are tuned.
        folder: Where the trials lie.
        trials: The budget, at least 1.
        seeds: A trial's value is the mean over these.
        fixed: Settings that stay as they are in `section`.
        allowed: Packages outside graphfuse whose plug-ins may be imported.
        progress: Called before each trial with (trials done, trials in all, a line for people).

    Raises:
        ConfigError: If no trial succeeded, or the folder holds the trials of something else.
        MissingDependencyError: If Optuna is not installed.
    """
    require_optuna()
    model = build("models", section, "model", allowed)
    space = search_space(model, train, fixed, store.schema.node_types)
    job = _Tuning(
        store=store, experiment=experiment, section=section, task=task, train=train, seeds=tuple(seeds), folder=folder, allowed=allowed
    )
    _check_folder(job, space)
    done: list[Trial] = []
    for number in range(trials):
        progress(number, trials, f"trial {number + 1} of {trials}")
        place = folder / f"trial-{number}"
        if not (place / "trial.json").exists():
            defaults = {name: value for name, value in default_settings(model, train).items() if name in space}
            settings = propose(space, done, lower_is_better=task.monitor.startswith("-")) if number else defaults
            write_json(place / "trial.json", asdict(_try(job, place / "run", settings)))
        done.append(Trial(**read_json(place / "trial.json")))
    progress(trials, trials, f"{trials} trials")
    return _chosen(job, done)


def require_optuna() -> None:
    """Check that settings can be tuned.

    Raises:
        MissingDependencyError: If Optuna is not installed.
    """
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("compare with trials", "optuna", "tuning") from error


def propose(space: Space, done: Sequence[Trial], *, lower_is_better: bool) -> dict[str, Value]:
    """Return the settings to try next: a pure function of the trials that are done."""
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=len(done), n_startup_trials=RANDOM_TRIALS)
    study = optuna.create_study(sampler=sampler, direction="minimize" if lower_is_better else "maximize")
    places = distributions(space)
    for trial in done:
        state = TrialState.FAIL if trial.value is None else TrialState.COMPLETE
        study.add_trial(create_trial(params=dict(trial.settings), distributions=places, value=trial.value, state=state))
    return dict(study.ask(places).params)


def _check_folder(job: _Tuning, space: Space) -> None:
    """Note what the trials are made from, or check that those which lie there were made from the same.

    Raises:
        ConfigError: If they were not.
    """
    path = job.folder / "tuning.json"
    experiment = {key: value for key, value in job.experiment.items() if key not in ("compare", "model")}
    inputs = describe_inputs(job.store, {**experiment, "model": dict(job.section)}, replace(job.train, seeds=job.seeds))
    now = json.loads(json.dumps({**inputs, "space": to_json(space)}))
    if not path.exists():
        write_json(path, now)
        return
    different = [place for place, _, _ in differences(read_json(path), now)]
    if different:
        raise ConfigError(
            f"--trials goes on only with what the trials in {job.folder} were started with (other: {', '.join(different)[:200]}). "
            "Put it back, or give another --out."
        )


def _try(job: _Tuning, out: Path, settings: Mapping[str, Value]) -> Trial:
    """Train with some settings, measure on validation rows, and say what came of it."""
    section, train = apply_settings(job.section, replace(job.train, seeds=job.seeds), settings)
    metric = job.task.monitor.removeprefix("-")
    try:
        model = build("models", section, "model", job.allowed)
        summary = fit(job.store, {**job.experiment, "model": section}, model, job.task, train, out, resume=True, measured=("validation",))
    except (LockedError, ResourceError):  # says nothing about the settings
        raise
    except Exception as error:  # noqa: BLE001  (whatever a network of odd settings comes to, the others go on)
        return Trial(settings=settings, error=f"{type(error).__name__}: {error}")
    value = summary["splits"].get("validation", {}).get("metrics", {}).get(metric, {}).get("mean")
    if value is None or not math.isfinite(value):
        return Trial(settings=settings, error=f"{metric} must be defined on the validation rows (got {value})")
    return Trial(settings=settings, value=value)


def _chosen(job: _Tuning, done: Sequence[Trial]) -> Tuned:
    """Return the best trial, the earliest of equals, with its settings put in.

    Raises:
        ConfigError: If there is none.
    """
    sign = -1.0 if job.task.monitor.startswith("-") else 1.0
    succeeded = [trial for trial in done if trial.value is not None]
    if not succeeded:
        raise ConfigError(f"model.name: none of {len(done)} trials of {job.section.get('name')} succeeded. The first said: {done[0].error}")
    best = max(succeeded, key=lambda trial: sign * float(trial.value or 0.0))
    section, train = apply_settings(job.section, job.train, best.settings)
    return Tuned(section=section, train=train, best=best, trials=tuple(done))
