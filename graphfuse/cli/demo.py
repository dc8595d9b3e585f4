"""Run the whole line on made data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.console import Figures
from graphfuse.core.progress import Progress

EXAMPLES = """  graphfuse demo
  graphfuse demo --out /tmp/demo --json"""


def run(
    progress: Progress,
    out: Annotated[Path, typer.Option("--out", help="Folder for the data, the stores, the runs and the report.")] = Path("demo"),
) -> Figures:
    """Make posts whose label lies only in which word goes with which region; convert, train, analyse and report."""
    from graphfuse import demonstration

    return demonstration.demo(out, progress=progress)


def lines(figures: Figures) -> Iterator[str]:
    """Say what was built, and how well the planted combination was learnt and found."""
    nodes, edges = (sum(figures[kind].values()) for kind in ("nodes", "edges"))
    yield f"Built {figures['num_samples']:,} graphs with {nodes:,} nodes and {edges:,} edges: {figures['store']}"
    yield f"Test {figures['metric']}, where the label lies only in which word goes with which region:"
    for name, value in figures["test"].items():
        yield f"  {name:<11} {value:.3f}"
    found = ", ".join(f"{value:.3f} by {name}" for name, value in figures["planted_edges_auc"].items())
    yield f"How well the planted edges rank among all candidates (ROC AUC): {found}"
    yield f"Report: {figures['report']}"
