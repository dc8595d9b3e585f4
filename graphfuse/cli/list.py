"""Show the plug-ins of each room, without importing them."""

from collections.abc import Iterator
from typing import Annotated

import typer

from graphfuse.cli.console import Figures
from graphfuse.core.errors import ConfigError, suggest
from graphfuse.core.registry import ROOMS, class_constant, names, summary

STAGES = ("early", "intermediate", "late", "kernel", "graph")
"""In the order in which data passes through a network; others come last."""
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
    """Draw a table of the rooms; models stand by the stage at which they fuse."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("room", "name", "what it is for"):
        table.add_column(title, no_wrap=title != "what it is for")
    for room in (room for room in ROOMS if room in figures):
        stages = figures["stages"] if room == "models" else {}
        before = None
        for name, text in sorted(figures[room].items(), key=lambda item: _place(stages.get(item[0], ""))):
            stage = stages.get(name, "")
            label = ", ".join(part for part in (room, stage) if part) if before is None else f"  {stage}"
            table.add_row("" if stage == before else label, name, Text(text))
            before = stage
    console = Console(color_system=None)  # what is printed passes a filter of controls
    with console.capture() as capture:
        console.print(table)
    yield capture.get().rstrip("\n")


def _place(stage: str) -> int:
    """Return where a stage stands among the others."""
    return STAGES.index(stage) if stage in STAGES else len(STAGES)
