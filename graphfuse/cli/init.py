"""Write an experiment for a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.console import Figures, JsonOption, QuietOption, VerboseOption, perform

EXAMPLES = """  graphfuse init posts.csv
  graphfuse init posts.parquet --out experiments/first.yaml"""


def run(
    table: Annotated[Path, typer.Argument(help="CSV, TSV, JSONL or Parquet file, one row per post or product.")],
    out: Annotated[Path, typer.Option("--out", help="Experiment file to write; never overwritten.")] = Path("experiment.yaml"),
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Guess what each column is, and write a commented experiment that converts and trains as it stands."""
    from graphfuse import pipeline

    perform(lambda _: pipeline.init(table, out), _lines, as_json=as_json, quiet=quiet, verbose=verbose)


def _lines(figures: Figures) -> Iterator[str]:
    for role, columns in figures["roles"].items():
        yield f"  {role:<14} {columns}"
    yield f"Wrote {figures['experiment']}. Read it, then: graphfuse convert {figures['experiment']} --out STORE"
