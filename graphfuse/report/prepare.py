"""What an analysis looks at, and with which settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError, InputError
from graphfuse.core.files import read_json
from graphfuse.core.given import each_of
from graphfuse.core.schema import TargetSchema
from graphfuse.core.sockets import Analysis
from graphfuse.core.tables import IntArray
from graphfuse.report.choose import positions_of
from graphfuse.report.folder import RECEIPT
from graphfuse.store.frames import read_frame
from graphfuse.store.graph_store import GraphStore

if TYPE_CHECKING:  # a run is only read here; training lies beside the report, not below it
    from graphfuse.training.run import Run


def analysis_order(run: "Run", store: GraphStore, chosen: tuple[str, ...]) -> IntArray:
    """Return the positions of the test rows, those to be drawn first, since edges are scored one at a time in the first rows only.

    Raises:
        InputError: If the store has another target or other test rows than the run's, a chosen sample is not a test row, or there are none.
    """
    _check_target(run, store)
    test, first = store.indices("test"), positions_of(store, chosen)
    _check_rows(run, store, test)
    for name, position in zip(chosen, first, strict=True):
        if position not in test:
            split = store.samples["split"].iloc[int(position)]
            raise InputError(f"Analyses look at rows of the split 'test' ('{name[:40]}' is in '{split}'). Choose others.")
    if not len(test):
        raise InputError(
            f"Analyses look at rows of the split 'test' (the store has 0 of {len(store)}). Change dataset.split and convert again."
        )
    return np.concatenate([first, test[~np.isin(test, first)]])


def _check_target(run: "Run", store: GraphStore) -> None:
    """Raise an InputError if a store has another target than the run, or other classes: what helps would seem to harm."""
    if store.target.kind == "none":
        return
    ours, theirs = ((target.kind, target.columns, target.classes) for target in (run.target, store.target))
    if ours != theirs:
        raise InputError(
            f"Analyses need a store with the run's target (the run has {_told(run.target)}, {store.path} {_told(store.target)}). "
            "Give the store that it was trained on."
        )


def _check_rows(run: "Run", store: GraphStore, test: IntArray) -> None:
    """Raise an InputError if other rows are tested than when the run was: it may have learned from them, and its metrics are of others."""
    path = run.path / "predictions-test.parquet"
    before = read_frame(path)["sample_id"].tolist() if path.exists() else []
    if before and before != store.samples["sample_id"].iloc[test].tolist():
        raise InputError(
            f"Analyses look at the run's own test rows ({store.path} has {len(test):,} test rows, and they are others than the run's "
            f"{len(before):,}). Give the store that it was trained on."
        )


def _told(target: TargetSchema) -> str:
    return f"{target.kind} of {', '.join(target.columns)[:40]} ({', '.join(target.classes)[:60] or 'numbers'})"


def build_analyses(
    experiment: Mapping[str, Any], names: Sequence[str] | None, allowed: tuple[str, ...]
) -> dict[str, tuple[dict[str, Any], Analysis]]:
    """Return settings and analysis under a name of its own each: a second `fidelity` is `fidelity-2`.

    Args:
        experiment: Whose sections to take.
        names: These, with their default settings, instead.
        allowed: Packages outside graphfuse whose plug-ins may be imported.

    Raises:
        ConfigError: With every problem of every section; or if there is nothing to do.
    """
    sections = experiment["analyses"] if names is None else [{"name": name} for name in each_of(names)]
    if not sections:
        raise ConfigError("analyses: name at least one, in the experiment or with --analyses. See: graphfuse list analyses")
    found: dict[str, tuple[dict[str, Any], Analysis]] = {}
    problems: list[str] = []
    for number, section in enumerate(sections):
        try:
            analysis = build("analyses", section, f"analyses.{number}", allowed)
        except ConfigError as error:
            problems += error.problems
            continue
        stem = section["name"].replace(":", ".")
        earlier = sum(other["name"] == section["name"] for other, _ in found.values())
        found[f"{stem}-{earlier + 1}" if earlier else stem] = section, analysis
    if problems:
        raise ConfigError(problems)
    return found


def picture_root(given: str | Path | None, experiment: Mapping[str, Any], allowed: tuple[str, ...]) -> Path | None:
    """Return the folder given, or else the data set's as seen from the current folder; None if a path inside the run leads out of it.

    Raises:
        InputError: If there is no such folder.
    """
    if given is not None:
        if not Path(given).is_dir():
            raise InputError(f"--pictures must be a folder (got '{given}'). Leave it out to look where the data set has them.")
        return Path(given)
    folder: Path | None = build("datasets", experiment["dataset"], "dataset", allowed).picture_folder(Path())
    return folder if folder is not None and folder.resolve().is_relative_to(Path.cwd()) else None


def summarise_run(run: "Run", num_samples: int, baselines: Mapping[str, str | Path]) -> dict[str, Any]:
    """Return what the report says of a run, with the test metrics of other runs beside its own."""
    return {
        "model": run.experiment["model"]["name"],
        "metrics": _test_metrics(run.metrics),
        "baselines": {name: _test_metrics(read_json(Path(other) / "metrics.json")) for name, other in baselines.items()},
        "samples": num_samples,
        "made_with": {
            "run": run.path.name,
            "seeds": ", ".join(map(str, run.seeds)),
            "network shown": f"seed {run.seeds[0]}",
            **read_json(run.path / RECEIPT)["versions"],
        },
    }


def _test_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return each test metric with mean and interval."""
    return dict(metrics["splits"].get("test", {}).get("metrics", {}))
