"""Show the plug-ins of each room, without importing them."""

import shutil
import textwrap
from collections.abc import Iterator
from typing import Annotated

import typer

from graphfuse.cli.console import Figures
from graphfuse.core.errors import ConfigError, suggest
from graphfuse.core.registry import ROOMS, class_constant, names, summary

STAGES = ("early", "intermediate", "late", "kernel", "graph")
"""In the order in which data passes through a network; others come last."""
NARROWEST = 30
"""Characters that the last column has on any terminal."""
EXAMPLES = """  graphfuse list
  graphfuse list models
  graphfuse list edges --json"""


def run(
    room: Annotated[str | None, typer.Argument(help=f"One of: {', '.join(ROOMS)}.")] = None,
) -> Figures:
    """Show what can be named in an experiment: rooms, names, and what each is for."""
    if room is not None and room not in ROOMS:
        raise ConfigError(f"'{room}' is not a room. {suggest(room, ROOMS)}")
    figures: Figures = {each: {name: summary(each, name) for name in names(each)} for each in ([room] if room else ROOMS)}
    if "models" in figures:
        figures["stages"] = {name: class_constant("models", name, "stage") for name in figures["models"]}
    return figures


def lines(figures: Figures) -> Iterator[str]:
    """Write a table of the rooms; models stand by the stage at which they fuse."""
    rows = []
    for room in (room for room in ROOMS if room in figures):
        stages = figures["stages"] if room == "models" else {}
        before = None
        for name, text in sorted(figures[room].items(), key=lambda item: _place(stages.get(item[0], ""))):
            stage = stages.get(name, "")
            label = ", ".join(part for part in (room, stage) if part) if before is None else f"  {stage}"
            rows.append(("" if stage == before else label, name, text))
            before = stage
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    indent = sum(widths) + 2 * len(widths)
    width = max(shutil.get_terminal_size().columns, indent + NARROWEST)
    for label, name, text in [("room", "name", "what it is for"), *rows]:
        yield textwrap.fill(f"{label:<{widths[0]}}  {name:<{widths[1]}}  {text}", width, subsequent_indent=" " * indent)


def _place(stage: str) -> int:
    """Return where a stage stands among the others."""
    return STAGES.index(stage) if stage in STAGES else len(STAGES)
