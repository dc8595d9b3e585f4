"""Predict new rows with a run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.console import AllowOption, Figures, JsonOption, QuietOption, VerboseOption, counts, perform

EXAMPLES = """  graphfuse predict runs/first --input new.csv --out predictions.parquet
  graphfuse predict runs/first --input stores/posts --out predictions.parquet"""


def run(
    run: Annotated[Path, typer.Argument(help="Run folder that train wrote.")],
    source: Annotated[Path, typer.Option("--input", help="A table of new rows, or a store made with the same recipe.")],
    out: Annotated[Path, typer.Option("--out", help="Predictions to write (Parquet).")],
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that convert new rows.")] = 1,
    allow_plugin: AllowOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Predict each row of a table or store; new rows go the very way that the store's went."""
    from graphfuse import pipeline

    perform(
        lambda progress: pipeline.predict(run, source, out, workers=workers, allowed=allow_plugin or (), progress=progress),
        _lines,
        as_json=as_json,
        quiet=quiet,
        verbose=verbose,
    )


def _lines(figures: Figures) -> Iterator[str]:
    yield f"{figures['samples']:,} predictions in {figures['predictions']}"
    if figures["rejections"]:
        yield f"  not used: {counts(figures['rejections'])}. See the quarantine beside it."
