"""The line, one function per verb: these are the Python API, and all that the command line calls.

Each returns the figures that `--json` prints. Heavy packages are imported where they are used: importing this module costs nothing.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphfuse.core.errors import InputError
from graphfuse.core.given import each_of
from graphfuse.core.progress import Progress, silent

if TYPE_CHECKING:
    from graphfuse.config import Experiment

Figures = dict[str, Any]


def init(table: str | Path, out: str | Path = "experiment.yaml") -> Figures:
    """Guess what the columns of a table are, and write a commented experiment that converts and trains as it stands.

    Args:
        table: One row per sample; linked tables are looked for beside it.
        out: The file to write; an existing one is never overwritten.

    Raises:
        InputError: If the table cannot be read, nothing in it can be a target, or `out` exists.
    """
    from graphfuse.core.files import write_bytes
    from graphfuse.core.strict_yaml import parse_yaml
    from graphfuse.guessing.experiment_text import guess_experiment

    out = Path(out)
    if out.exists():
        raise InputError(f"init never overwrites a file (got '{out}'). Give another --out, or remove it first.")
    text = guess_experiment(Path(table), out.parent)
    write_bytes(out, text.encode())
    return {"experiment": str(out), **parse_yaml(text, out.name)}


def convert(
    experiment: "Experiment | str | Path",
    out: str | Path,
    *,
    workers: int = 1,
    engine: str = "local",
    strict: bool = False,
    overrides: Sequence[str] = (),
    allowed: Sequence[str] = (),
    progress: Progress = silent,
) -> Figures:
    """Turn each row of the experiment's data set into a graph, and write a store.

    Args:
        experiment: An experiment, or the path of its file.
        out: The store's folder; repeating the call resumes an interrupted one.
        workers: Processes; the store has the same bytes with any number.
        engine: Where the workers run: `local`.
        strict: Make rows, pictures or links that cannot be used an error.
        overrides: Settings such as `convert.shard_size=512`.
        allowed: Packages outside graphfuse whose plug-ins may be imported.
        progress: Called after each shard.

    Raises:
        ConfigError: If a setting is wrong; all of them at once.
        InputError: If the data cannot be used, or `strict` and a part of it cannot.
    """
    from graphfuse.config import as_experiment
    from graphfuse.conversion.ahead import begin_workers

    begin_workers(experiment, workers, engine)  # before this process comes to the same heavy imports
    from graphfuse.conversion.recipe import Recipe
    from graphfuse.conversion.run import convert as convert_manifest
    from graphfuse.core.build import build

    loaded = as_experiment(experiment, overrides, allowed)
    recipe = Recipe.build(loaded)
    manifest = build("datasets", loaded.dataset.to_dict(), "dataset", loaded.allowed).manifest(loaded.folder)
    summary = convert_manifest(
        manifest, recipe, None, Path(out), workers=workers, strict=strict, progress=progress, recipe_json=loaded.to_json()
    )
    return {"store": str(out), **summary}


def inspect(store: str | Path, sample: str | None = None) -> Figures:
    """Return what is in a store, every file checked: types, counts, splits, what was not used; or the nodes and edges of one sample."""
    from graphfuse.conversion.finish import summarise
    from graphfuse.report.describe import describe_sample
    from graphfuse.store.graph_store import open_store

    opened = open_store(store)
    if sample is None:
        opened.check()
        channels = dict(opened.schema.channels_by_node_type)
        return {"store": str(store), "channels": channels, "target": opened.target.to_json(), **summarise(opened.path)}
    return describe_sample(opened, sample)


def train(
    experiment: "Experiment | str | Path",
    store: str | Path,
    out: str | Path,
    *,
    resume: bool = False,
    overrides: Sequence[str] = (),
    allowed: Sequence[str] = (),
    progress: Progress = silent,
) -> Figures:
    """Train one network per seed on a store, keep the best epoch on validation rows, and measure it on test rows.

    Args:
        experiment: An experiment, or the path of its file.
        store: A store that was converted with this experiment's data set, modalities and edges.
        out: The run's folder.
        resume: Continue an interrupted run, to the same bytes.
        overrides: Settings such as `model.hidden_channels=128`.
        allowed: Packages outside graphfuse whose plug-ins may be imported.
        progress: Called after each epoch.

    Raises:
        ConfigError: If a setting is wrong, or the store was converted with other ones.
    """
    from graphfuse.config import as_experiment
    from graphfuse.conversion.inputs import check_trainable
    from graphfuse.core.build import build
    from graphfuse.store.graph_store import open_store
    from graphfuse.training.fit import fit

    loaded, opened = as_experiment(experiment, overrides, allowed), open_store(store)
    settings = loaded.to_json()
    check_trainable(settings, opened.recipe, loaded.allowed)
    model = build("models", settings["model"], "model", loaded.allowed)
    task = build("tasks", settings["task"], "task", loaded.allowed)
    summary = fit(opened, settings, model, task, loaded.train, Path(out), resume=resume, progress=progress)
    return {"run": str(out), "model": loaded.model.name, **summary}


def compare(
    experiment: "Experiment | str | Path",
    store: str | Path,
    out: str | Path,
    *,
    workers: int = 1,
    overrides: Sequence[str] = (),
    allowed: Sequence[str] = (),
    progress: Progress = silent,
    **asked: Any,
) -> Figures:
    """Train many models under one protocol, and say which are better than the best single modality beyond chance.

    Args:
        experiment: An experiment, or the path of its file.
        store: A store that was converted with this experiment's data set, modalities and edges.
        out: The comparison's folder; repeating the call trains what is missing there, and what failed.
        workers: Processes that train; the figures are the same with any number.
        overrides: Settings such as `model.hidden_channels=128`.
        allowed: Packages outside graphfuse whose plug-ins may be imported.
        progress: Called before each training.
        asked: Settings of the section `compare`, such as `models=["concat", "hgt"]`; None leaves the experiment's.

    Raises:
        ConfigError: If a setting is wrong, a model unknown, or the folder holds a comparison of something else.
        InputError: If the store has no test rows with a target.
    """
    from graphfuse.comparison.run import compare as compare_models
    from graphfuse.config import as_experiment
    from graphfuse.conversion.inputs import check_trainable
    from graphfuse.store.graph_store import open_store

    given = [f"compare.{name}={json.dumps(value, ensure_ascii=False)}" for name, value in asked.items() if value is not None]
    loaded = as_experiment(experiment, [*each_of(overrides), *given], allowed)
    opened = open_store(store)
    check_trainable(loaded.to_json(), opened.recipe, loaded.allowed)
    comparison = compare_models(opened, loaded, Path(out), workers=workers, progress=progress)
    return {"comparison": str(out), "report": str(Path(out) / "comparison.html"), **comparison}


def predict(
    run: str | Path, source: str | Path, out: str | Path, *, workers: int = 1, allowed: Sequence[str] = (), progress: Progress = silent
) -> Figures:
    """Predict the rows of a raw table, or of a store, and write them as Parquet.

    Raw rows are converted by the functions and with the states that made the run's store, so that a row of the test
    split gets the very numbers of the evaluation. Rows that cannot be used are written beside, as `OUT.quarantine.parquet`.

    Args:
        run: A run that `train` wrote.
        source: A table like the one the run was trained on, with or without a target; or a store.
        out: The file to write.
        workers: Processes that convert.
        allowed: Packages outside graphfuse whose plug-ins may be imported.
        progress: Called after each shard.

    Raises:
        InputError: If the source or the run cannot be used, or `out` is a folder, no Parquet file, or the source itself.
    """
    from graphfuse.conversion.finish import counted
    from graphfuse.conversion.new_rows import check_destination, store_of
    from graphfuse.store.frames import write_frame
    from graphfuse.training.predict import predict_frame
    from graphfuse.training.run import open_plain_run

    opened, out = open_plain_run(run, trusted := each_of(allowed)), Path(out)
    check_destination(out, Path(source))
    with store_of(opened, Path(source), workers=workers, allowed=trusted, progress=progress) as store:
        predictions, quarantine = predict_frame(opened, store), store.quarantine
    write_frame(out, predictions)
    beside = out.with_name(f"{out.stem}.quarantine.parquet")
    if len(quarantine):
        write_frame(beside, quarantine)
    else:
        beside.unlink(missing_ok=True)  # of an earlier prediction
    return {"predictions": str(out), "samples": len(predictions), "rejections": counted(quarantine)}


def analyse(
    run: str | Path,
    store: str | Path,
    out: str | Path,
    *,
    analyses: Sequence[str] | None = None,
    samples: Sequence[str] | None = None,
    pictures: str | Path | None = None,
    baselines: Mapping[str, str | Path] | None = None,
    show_users: bool = False,
    allowed: Sequence[str] = (),
    progress: Progress = silent,
) -> Figures:
    """Score edges, edge kinds and modalities on the test rows, and write the scores and one self-contained HTML report.

    The network of the run's first seed is looked at; with several seeds the predictions shown are those of all together.

    Args:
        run: A run that `train` wrote.
        store: The store it was trained on.
        out: The folder to write, or an earlier analysis to replace: a Parquet file per analysis, `report.html`, and last `receipt.json`.
        analyses: Names, with their default settings; None takes the sections of the run's experiment.
        samples: Ids of test rows to draw; None chooses a dozen.
        pictures: Folder that picture paths are relative to; None looks where the data set has it, from the current folder.
        baselines: Other runs by the name under which their test metrics stand beside this one's.
        show_users: Show user ids in the report; else users are numbered in the order they appear.
        allowed: Packages outside graphfuse whose plug-ins may be imported.
        progress: Called after each analysis.

    Raises:
        InputError: If a sample is not a test row, the store is not the run's, or there is no folder `pictures`.
    """
    from graphfuse.report import folder, prepare
    from graphfuse.report.choose import with_sample_ids
    from graphfuse.report.collect import collect
    from graphfuse.report.page import write_report
    from graphfuse.store.frames import write_frame
    from graphfuse.store.graph_store import open_store
    from graphfuse.training.computing import reproducible
    from graphfuse.training.predict import EVALUATION_BATCH, predict_frame
    from graphfuse.training.run import open_plain_run

    # 1. Check everything before any work.
    chosen, trusted, out = each_of(samples), each_of(allowed), Path(out)
    opened, graphs = open_plain_run(run, trusted), open_store(store)
    root = prepare.picture_root(pictures, opened.experiment, trusted)
    plugins = prepare.build_analyses(opened.experiment, analyses, trusted)
    order = prepare.analysis_order(opened, graphs, chosen)
    inputs = folder.describe_inputs(opened, graphs, {name: section for name, (section, _) in plugins.items()})
    with folder.begun(out, inputs):
        # 2. Score.
        predictions = predict_frame(opened, graphs, "test")
        tables = {}
        with reproducible(opened.computing):
            for number, (name, (_, analysis)) in enumerate(plugins.items()):
                progress(number, len(plugins), f"analyse: {name}")
                batches = (graphs.batch(order[start : start + EVALUATION_BATCH]) for start in range(0, len(order), EVALUATION_BATCH))
                tables[name] = with_sample_ids(analysis.scores(opened.networks[0], batches), graphs)
                write_frame(out / f"{name}.parquet", tables[name].frame)
        # 3. Draw.
        progress(len(plugins), len(plugins), "report")
        summary, threshold = prepare.summarise_run(opened, len(order), baselines or {}), opened.task.threshold
        page = collect(graphs, summary, tables, root, chosen, predictions=predictions, threshold=threshold, show_users=show_users)
        write_report(out / folder.REPORT, page)
        folder.write_receipt(out, inputs)
    counts = {"scores": {name: len(table.frame) for name, table in tables.items()}, "pictures_not_shown": page.pictures_not_shown}
    return {"analysis": str(out), "report": str(out / folder.REPORT), "samples": len(order), **counts}


def export(source: str | Path, form: str, out: str | Path, sample: str | None = None, *, show_users: bool = False) -> Figures:
    """Write a store, an analysis, or one sample of it, for other programs.

    Args:
        source: A store, or a folder that `analyse` wrote.
        form: `graphml`, `gexf`, `json`, `csv`, `pyg` or `networkx-json`.
        out: File or folder to write.
        sample: The id of one sample; None writes all.
        show_users: Keep user ids; else users are numbered in the order they appear.
    """
    from graphfuse.report.exports import export as write_export

    return {"out": str(out), "format": form, **write_export(Path(source), form, Path(out), sample_id=sample, show_users=show_users)}
