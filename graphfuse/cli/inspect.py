"""Show what is in a store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.console import Figures, counts, edge_kinds

EXAMPLES = """  graphfuse inspect stores/posts
  graphfuse inspect stores/posts --sample 17"""


def run(
    store: Annotated[Path, typer.Argument(help="Store folder.")],
    sample: Annotated[str | None, typer.Option("--sample", help="Show the graph of this sample id.")] = None,
) -> Figures:
    """Check every file, and show node and edge types, splits and what was not used; or the nodes and edges of one sample."""
    from graphfuse import pipeline

    return pipeline.inspect(store, sample)


def lines(figures: Figures) -> Iterator[str]:
    """Say what is in the store, or in one sample."""
    yield from _sample(figures) if "sample" in figures else _store(figures)


def _store(figures: Figures) -> Iterator[str]:
    yield f"{figures['store']}: {figures['num_samples']:,} graphs ({counts(figures['samples'])}) in {figures['shards']} shards"
    target = figures["target"]
    yield f"  target: {target['kind']} of {', '.join(target['columns']) or 'nothing'}; classes: {', '.join(target['classes']) or 'none'}"
    yield "  node types:"
    for name, count in figures["nodes"].items():
        yield f"    {count:>10,} {name} with {figures['channels'][name]} channels"
    yield "  edge types (their reverses left out):"
    for name, count in edge_kinds(figures["edges"]).items():
        yield f"    {count:>10,} {name}"
    yield f"  not used: {counts(figures['rejections'])}; {figures['dropped']:,} rows left out"


def _sample(figures: Figures) -> Iterator[str]:
    yield ", ".join(f"{name} {value}" for name, value in figures["sample"].items() if not name.startswith(("has_", "num_")))
    for node_type, rows in figures["nodes"].items():
        for number, row in enumerate(rows):
            yield f"  {node_type} {number}: {', '.join(str(value) for value in row.values() if value not in ('', None))}"
    for name, pairs in figures["edges"].items():
        if pairs and "__rev_" not in name:
            yield f"  {name.replace('__', ' ')}: {', '.join(f'{source}-{destination}' for source, destination in pairs)}"
