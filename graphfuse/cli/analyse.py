"""Show which edges, edge kinds and modalities a run used."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.console import AllowOption, Figures
from graphfuse.core.progress import Progress

EXAMPLES = """  graphfuse analyse runs/first --store stores/posts --out runs/first-analysis
  graphfuse analyse runs/first --store stores/posts --out looks --analyses attention,occlusion --samples 17,23"""


def run(
    progress: Progress,
    run: Annotated[Path, typer.Argument(help="Run folder that train wrote.")],
    store: Annotated[Path, typer.Option("--store", help="Store folder that the run was trained on.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the scores and the report.")],
    analyses: Annotated[str | None, typer.Option("--analyses", help="Names, with commas; the experiment's where left out.")] = None,
    samples: Annotated[str | None, typer.Option("--samples", help="Sample ids to draw, with commas.")] = None,
    pictures: Annotated[Path | None, typer.Option("--pictures", help="Folder that picture paths are relative to.")] = None,
    show_users: Annotated[bool, typer.Option("--show-users", help="Keep user ids; else users are numbered.")] = False,
    allow_plugin: AllowOption = None,
) -> Figures:
    """Score edges, edge kinds and modalities on the test rows, and write one HTML report that needs no network."""
    from graphfuse import pipeline

    return pipeline.analyse(
        run,
        store,
        out,
        analyses=_names(analyses),
        samples=_names(samples),
        pictures=pictures,
        show_users=show_users,
        allowed=allow_plugin or (),
        progress=progress,
    )


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def lines(figures: Figures) -> Iterator[str]:
    """Say how many scores there are, where the report lies, and what to do if it lacks pictures."""
    for name, count in figures["scores"].items():
        yield f"  {name:<16} {count:,} scores"
    yield f"Report: {figures['report']}"
    if missing := figures["pictures_not_shown"]:
        yield f"{missing:,} picture{'s' if missing > 1 else ''} not shown: give --pictures FOLDER, the one that their paths are relative to"
