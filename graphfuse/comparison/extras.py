"""What else is asked of the models: controls, missing and noisy modalities, calibration, groups."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from graphfuse.comparison.attempts import Attempt
from graphfuse.comparison.calibration import calibrate
from graphfuse.comparison.collect import Results, best_on_validation
from graphfuse.comparison.controls import control_rows, findings, modalities_left
from graphfuse.comparison.curves import Networks
from graphfuse.comparison.groups import measure_groups
from graphfuse.comparison.missing import Question, curves_of_test, curves_of_training, training_rows
from graphfuse.comparison.noise import noise_curves
from graphfuse.comparison.plan import Row, shared_training
from graphfuse.comparison.significance import Resampler
from graphfuse.comparison.training import Setting, train_rows
from graphfuse.training.computing import Computing, reproducible
from graphfuse.training.run import open_run


@dataclass(kw_only=True)
class Extras:
    """Parts of `comparison.json` that were asked for, and what readers should know of them."""

    parts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def ask(setting: Setting, results: Sequence[Results], resampler: Resampler, groups: pd.DataFrame | None) -> Extras:
    """Return what the section `compare` asks for besides the table; controls and curves are trained where they need it.

    Args:
        setting: What every step works with.
        results: The rows of the table.
        resampler: The resamples of the test rows.
        groups: The group of each sample in each column that was asked for, if any was.
    """
    settings, extras = setting.experiment.compare, Extras()
    examined = choose_examined(setting, results) if settings.controls or settings.missing or settings.noise else []
    if settings.controls:
        extras.parts["controls"] = _controls(setting, examined, resampler, extras.notes)
    if settings.missing:
        extras.parts["missing"] = {"curves": _missing(setting, examined, extras.notes)}
    if settings.noise:
        extras.parts["noise"] = {"curves": _noise(setting, examined)}
    if settings.calibration:
        found = [_calibration(setting, one) for one in results]
        if any(found):
            extras.parts["calibration"] = [entry for entry in found if entry is not None]
    if groups is not None:
        extras.parts["groups"] = _groups(setting, results, groups)
    return extras


def choose_examined(setting: Setting, results: Sequence[Results]) -> list[Results]:
    """Return the models that are looked at closely: those named, or the best on validation rows with a graph and without one."""
    models = {one.row.name: one for one in results if one.row.section}
    if named := setting.experiment.compare.examined:
        return [models[name] for name in named if models[name].records]
    fused = [one for one in models.values() if one.row.kind == "model" and one.records]
    kinds = [[one for one in fused if (one.row.stage == "graph") == graph] for graph in (True, False)]
    # without validation rows, the first of each kind
    best = [best_on_validation(kind, setting.task.monitor) or kind[0] for kind in kinds if kind]
    return best or [one for one in models.values() if one.records][:1]


def _controls(setting: Setting, examined: Sequence[Results], resampler: Resampler, notes: list[str]) -> list[dict[str, Any]]:
    planned = [(one, control_rows(one.row, setting.store.schema)) for one in examined]
    trained = _train(setting, [row for _, pairs in planned for _, row in pairs], notes)
    found = []
    for one, pairs in planned:
        controls = [(control, trained[row.name].logits("test")) for control, row in pairs]
        higher = not setting.task.monitor.startswith("-")
        found += findings(one.row.name, one.logits("test"), controls, resampler, metric=setting.metric, higher_is_better=higher)
    return found


def _missing(setting: Setting, examined: Sequence[Results], notes: list[str]) -> list[dict[str, Any]]:
    rates = setting.experiment.compare.rates
    planned = [(one, training_rows(one.row, setting.store.schema, rates)) for one in examined]
    trained = _train(setting, [row for _, pairs in planned for _, row in pairs], notes)
    curves = []
    with _as_in_training(setting):
        for one, pairs in planned:
            name, networks = one.row.name, _networks(setting, one)
            curves += curves_of_test(name, networks, _question(setting, one.row), modalities_left(one.row, setting.store.schema), rates)
            others = {absence: _networks(setting, trained[row.name]) for absence, row in pairs}
            curves += curves_of_training(name, networks, others, _question(setting, one.row))
    return curves


def _noise(setting: Setting, examined: Sequence[Results]) -> list[dict[str, Any]]:
    scales, schema = setting.experiment.compare.noise_scales, setting.store.schema
    with _as_in_training(setting):
        return [
            curve
            for one in examined
            for curve in noise_curves(
                one.row.name, _networks(setting, one), _question(setting, one.row), modalities_left(one.row, schema), scales
            )
        ]


def _calibration(setting: Setting, one: Results) -> dict[str, Any] | None:
    outputs = [found["test"] for found in one.outputs.values() if "test" in found]
    if not outputs:
        return None
    if one.row.kind == "majority":
        outputs = outputs[:1]  # the same for every seed
    return calibrate(one.row.name, [found.logits[0] for found in outputs], outputs[0].targets(), setting.store.target.kind)


def _groups(setting: Setting, results: Sequence[Results], groups: pd.DataFrame) -> list[dict[str, Any]]:
    found = []
    for one in results:
        outputs = [outputs["test"] for outputs in one.outputs.values() if "test" in outputs]
        several = outputs[:1] if one.row.kind == "majority" else outputs  # the same for every seed
        for column in groups:
            found += measure_groups(one.row.name, several, groups[column], setting.task, setting.store.target, setting.metric)
    return found


def _train(setting: Setting, rows: Sequence[Row], notes: list[str]) -> dict[str, Results]:
    """Train rows that are not in the table, and note those that failed."""
    results = {found.row.name: found for found in train_rows(setting, rows)}
    for name, found in results.items():
        notes += [f"{name} failed with seed {seed}: {next(iter(error.splitlines()), '')}" for seed, error in found.failures.items()]
    return results


def _networks(setting: Setting, one: Results) -> Networks:
    """Return the networks of a row by seed."""
    folders = {seed: Attempt(row=one.row, seed=seed).run_folder(setting.job.out) for seed in one.records}
    return {seed: open_run(folder, setting.job.allowed).networks[0] for seed, folder in folders.items()}


def _question(setting: Setting, row: Row) -> Question:
    return Question(store=setting.store.path, task=setting.task, metric=setting.metric, change=row.change)


def _as_in_training(setting: Setting) -> Any:
    return reproducible(Computing.of(shared_training(setting.experiment)))
