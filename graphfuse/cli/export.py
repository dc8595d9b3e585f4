"""Write graphs or scores for other programs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from graphfuse.cli.console import Figures

EXAMPLES = """  graphfuse export stores/posts --format graphml --sample 17 --out post-17.graphml
  graphfuse export runs/first-analysis --format csv --out scores.csv"""


def run(
    source: Annotated[Path, typer.Argument(help="Store folder, or folder that analyse wrote.")],
    kind: Annotated[Literal["graphml", "gexf", "json", "csv", "pyg", "networkx-json"], typer.Option("--format", help="What to write.")],
    out: Annotated[Path, typer.Option("--out", help="File or folder to write.")],
    sample: Annotated[str | None, typer.Option("--sample", help="Only the graph of this sample id.")] = None,
    show_users: Annotated[bool, typer.Option("--show-users", help="Keep user ids; else users are numbered.")] = False,
) -> Figures:
    """Write the graphs of a store, or the scores of an analysis, in a format that other programs read."""
    from graphfuse import pipeline

    return pipeline.export(source, kind, out, sample, show_users=show_users)


def lines(figures: Figures) -> Iterator[str]:
    """Say what was written."""
    yield f"Wrote {figures['out']}"
