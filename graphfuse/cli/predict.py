"""Predict new rows with a run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.console import AllowOption, Figures, counts
from graphfuse.core.progress import Progress

EXAMPLES = """  graphfuse predict runs/first --input new.csv --out predictions.parquet
  graphfuse predict runs/first --input stores/posts --out predictions.parquet"""


def run(
    progress: Progress,
    run: Annotated[Path, typer.Argument(help="Run folder that train wrote.")],
    source: Annotated[Path, typer.Option("--input", help="A table of new rows, or a store made with the same recipe.")],
    out: Annotated[Path, typer.Option("--out", help="Predictions to write (Parquet).")],
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that convert new rows.")] = 1,
    allow_plugin: AllowOption = None,
) -> Figures:
    """Predict each row of a table or store; new rows go the very way that the store's went."""
    from graphfuse import pipeline

    return pipeline.predict(run, source, out, workers=workers, allowed=allow_plugin or (), progress=progress)


def lines(figures: Figures) -> Iterator[str]:
    """Say how many rows were predicted, and what could not be used."""
    yield f"{figures['samples']:,} predictions in {figures['predictions']}"
    if figures["rejections"]:
        yield f"  not used: {counts(figures['rejections'])}. See the quarantine beside it."
