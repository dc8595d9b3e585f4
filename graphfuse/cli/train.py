"""Train a fusion model on a store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.console import AllowOption, Figures, SetOption
from graphfuse.core.progress import Progress

EXAMPLES = """  graphfuse train experiment.yaml --store stores/posts --out runs/first
  graphfuse train experiment.yaml --store stores/posts --out runs/first --resume
  graphfuse train experiment.yaml --store stores/posts --out runs/concat --set 'model={name: concat}' --set 'train.seeds=[0, 1, 2]'"""
RESUME = "repeat the command with --resume"


def run(
    progress: Progress,
    experiment: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    store: Annotated[Path, typer.Option("--store", help="Store folder that convert wrote.")],
    out: Annotated[Path, typer.Option("--out", help="Run folder to write.")],
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run, to the same bytes.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Give up repeatable results for speed; the receipt says so.")] = False,
    overrides: SetOption = None,
    allow_plugin: AllowOption = None,
) -> Figures:
    """Train one network per seed, keep the best epoch on validation, and measure it on the test rows."""
    from graphfuse import pipeline

    return pipeline.train(
        experiment,
        store,
        out,
        resume=resume,
        overrides=[*(overrides or ()), *(["train.fast=true"] if fast else [])],
        allowed=allow_plugin or (),
        progress=progress,
    )


def lines(figures: Figures) -> Iterator[str]:
    """Say how well each split is predicted."""
    yield f"{figures['model']}, {figures['parameters']:,} parameters, seeds {figures['seeds']}, best epochs {figures['best_epochs']}"
    for split, results in figures["splits"].items():
        yield f"  {split}: {results['labelled']:,} rows with a target"
        for name, value in results["metrics"].items():
            yield f"    {name:<20} {value['mean']:.4f}{_interval(value)}"
    yield from (f"  {note}" for note in figures["notes"])
    yield f"Run: {figures['run']}"


def _interval(value: dict[str, float | None]) -> str:
    """Return the 95 % interval of the mean over seeds; one seed has none."""
    return "" if value["low"] is None else f"  ({value['low']:.4f} to {value['high']:.4f} over seeds)"
