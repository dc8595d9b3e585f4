"""Run the whole line on made data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.console import Figures, JsonOption, QuietOption, VerboseOption, perform

EXAMPLES = """  graphfuse demo
  graphfuse demo --out /tmp/demo --json"""


def run(
    out: Annotated[Path, typer.Option("--out", help="Folder for the data, the stores, the runs and the report.")] = Path("demo"),
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make posts whose label lies only in which word goes with which region; convert, train, analyse and report."""
    from graphfuse import pipeline

    perform(lambda progress: pipeline.demo(out, progress=progress), _lines, as_json=as_json, quiet=quiet, verbose=verbose)


def _lines(figures: Figures) -> Iterator[str]:
    nodes, edges = (sum(figures[kind].values()) for kind in ("nodes", "edges"))
    yield f"Built {figures['num_samples']:,} graphs with {nodes:,} nodes and {edges:,} edges: {figures['store']}"
    yield f"Test {figures['metric']}, where the label lies only in which word goes with which region:"
    for name, value in figures["test"].items():
        yield f"  {name:<11} {value:.3f}"
    found = ", ".join(f"{value:.3f} by {name}" for name, value in figures["planted_edges_auc"].items())
    yield f"How well the planted edges rank among all candidates (ROC AUC): {found}"
    yield f"Report: {figures['report']}"
