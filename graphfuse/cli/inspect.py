"""Show what is in a store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.console import Figures, JsonOption, QuietOption, VerboseOption, perform

EXAMPLES = """  graphfuse inspect stores/posts
  graphfuse inspect stores/posts --sample 17"""


def run(
    store: Annotated[Path, typer.Argument(help="Store folder.")],
    sample: Annotated[str | None, typer.Option("--sample", help="Show the graph of this sample id.")] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show node and edge types, splits and what was not used; or the nodes and edges of one sample."""
    from graphfuse import pipeline

    perform(lambda _: pipeline.inspect(store, sample), _lines, as_json=as_json, quiet=quiet, verbose=verbose)


def _lines(figures: Figures) -> Iterator[str]:
    for title, value in figures.items():
        if not isinstance(value, dict):
            yield f"{title}: {value}"
            continue
        yield f"{title}:"
        for name, item in value.items():
            yield f"  {name:<48} {item}"
