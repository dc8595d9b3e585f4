"""Turn a data set into a store of graphs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.console import AllowOption, Figures, SetOption, counts, edge_kinds
from graphfuse.core.progress import Progress

EXAMPLES = """  graphfuse convert experiment.yaml --out stores/posts
  graphfuse convert experiment.yaml --out stores/posts --workers 2 --strict
  graphfuse convert experiment.yaml --out stores/fine --set modalities.1.grid=7"""


def run(
    progress: Progress,
    experiment: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    out: Annotated[Path, typer.Option("--out", help="Store folder to write; repeat the command to resume.")],
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes; the store has the same bytes with any number.")] = 1,
    engine: Annotated[str, typer.Option("--engine", help="Where the workers run: local.")] = "local",
    strict: Annotated[bool, typer.Option("--strict", help="Stop at rows, pictures or links that cannot be used.")] = False,
    overrides: SetOption = None,
    allow_plugin: AllowOption = None,
) -> Figures:
    """Turn each row of a data set into a graph and write them to a store; what cannot be used is counted and kept apart."""
    from graphfuse import pipeline

    return pipeline.convert(
        experiment,
        out,
        workers=workers,
        engine=engine,
        strict=strict,
        overrides=overrides or (),
        allowed=allow_plugin or (),
        progress=progress,
    )


def lines(figures: Figures) -> Iterator[str]:
    """Say what was built, and what could not be used."""
    yield f"{figures['num_samples']:,} graphs in {figures['store']} ({counts(figures['samples'])})"
    yield f"  nodes: {counts(figures['nodes'])}"
    yield f"  edges: {counts(edge_kinds(figures['edges']))}"
    joined = {node for edge, count in figures["edges"].items() if count for node in edge.split("__")[::2]}
    if joined and (alone := [name for name, count in figures["nodes"].items() if count and name not in joined]):
        yield f"  in no edge: {', '.join(alone)}. No message reaches them; add an edge builder, such as authorship for users."
    if figures["rejections"]:
        yield f"  not used: {counts(figures['rejections'])}; {figures['dropped']:,} rows left out. See quarantine.parquet in the store."
    shared = {name: count for name, count in figures["shared_train_test"].items() if count}
    if shared:
        yield f"  both in train and in test rows: {counts(shared)}. Split by group if they give the answer away."
