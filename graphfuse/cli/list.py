"""Show the plug-ins of each room, without importing them."""

from collections.abc import Iterator
from typing import Annotated

import typer

from graphfuse.cli.console import Figures
from graphfuse.core.errors import ConfigError, suggest
from graphfuse.core.registry import ROOMS, names, summary

EXAMPLES = """  graphfuse list
  graphfuse list models
  graphfuse list edges --json"""


def run(
    room: Annotated[str | None, typer.Argument(help=f"One of: {', '.join(ROOMS)}.")] = None,
) -> Figures:
    """Show what can be named in an experiment: rooms, names, and what each is for."""
    if room is not None and room not in ROOMS:
        raise ConfigError(f"'{room}' is not a room. {suggest(room, ROOMS)}")
    return {each: {name: summary(each, name) for name in names(each)} for each in ([room] if room else ROOMS)}


def lines(figures: Figures) -> Iterator[str]:
    """Draw a table of the rooms."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("room", "name", "what it is for"):
        table.add_column(title, no_wrap=title != "what it is for")
    for room, plugins in figures.items():
        for position, (name, text) in enumerate(plugins.items()):
            table.add_row("" if position else room, name, Text(text))
    console = Console(color_system=None)  # what is printed passes a filter of controls
    with console.capture() as capture:
        console.print(table)
    yield capture.get().rstrip("\n")
