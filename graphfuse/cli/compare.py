"""Compare fusion methods under one protocol."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.console import AllowOption, Figures, SetOption
from graphfuse.core.errors import ConfigError
from graphfuse.core.progress import Progress

EXAMPLES = """  graphfuse compare experiment.yaml --store stores/posts --out comparisons/all
  graphfuse compare experiment.yaml --store stores/posts --out comparisons/few --models concat,cross_attention,hgt --seeds 3
  graphfuse compare experiment.yaml --store stores/posts --out comparisons/all --controls --missing --workers 4
  graphfuse compare experiment.yaml --store stores/posts --out comparisons/all --controls --examined hgt,concat --groups language
  graphfuse compare experiment.yaml --store stores/posts --out comparisons/tuned --trials 20 --baseline concat
  graphfuse compare experiment.yaml --store stores/posts --out comparisons/all --set 'compare.settings={hgt: {heads: 2}}'"""


def run(
    progress: Progress,
    experiment: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    store: Annotated[Path, typer.Option("--store", help="Store folder that convert wrote.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; repeat the command to resume, or with more models or seeds.")],
    models: Annotated[str | None, typer.Option("--models", help="Names, with commas; all where left out.")] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", help="Networks per model; 5 where left out.")] = None,
    baseline: Annotated[str | None, typer.Option("--baseline", help="Row to hold others against; else the best single modality.")] = None,
    controls: Annotated[bool, typer.Option("--controls", help="Ask whether the graph helps: without edges, shuffled, ...")] = False,
    missing: Annotated[bool, typer.Option("--missing", help="Draw curves of what is lost where modalities are missing.")] = False,
    noise: Annotated[bool, typer.Option("--noise", help="Draw curves of what is lost where a modality is noisy.")] = False,
    examined: Annotated[
        str | None,
        typer.Option("--examined", help="Rows that these three look at, with commas; else the best with a graph and without one."),
    ] = None,
    groups: Annotated[str | None, typer.Option("--groups", help="Columns to break test results down by, with commas.")] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", help="Settings tried per model on validation rows; none where left out.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Trainings at a time; the results are the same.")] = 1,
    overrides: SetOption = None,
    allow_plugin: AllowOption = None,
) -> Figures:
    """Train many models on one store with the same split and seeds, and say which beat the best single modality beyond chance.

    Every table has a row for each modality alone and one for the majority. What is finished is never trained again; what fails is
    reported, does not stop the others, and is tried again when the command is repeated. All that is chosen, the best row, the
    baseline, settings, is chosen on validation rows. The options can stand in the experiment's section `compare`, which has more.
    """
    from graphfuse import pipeline

    return pipeline.compare(
        experiment,
        store,
        out,
        workers=workers,
        overrides=overrides or (),
        allowed=allow_plugin or (),
        progress=progress,
        models=_names("--models", models),
        seeds=seeds,
        baseline=baseline,
        # a flag left out leaves what the experiment says
        controls=controls or None,
        missing=missing or None,
        noise=noise or None,
        examined=_names("--examined", examined),
        groups=_names("--groups", groups),
        trials=trials,
    )


def _names(option: str, text: str | None) -> list[str] | None:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text is not None and not names:
        raise ConfigError(f"{option} takes names with commas between them (got '{text[:40]}'). Give one, or leave it out.")
    return names or None


def lines(figures: Figures) -> Iterator[str]:
    """Draw the table, and say what it shows."""
    from graphfuse.comparison.tables import legend

    yield _table(figures)
    yield from legend(figures)
    yield ""
    yield from figures["conclusions"]
    yield from (f"{finding['model']}: {finding['sentence']}" for finding in figures.get("controls", []))
    yield from (f"Note: {note}" for note in figures["notes"])
    yield f"Report: {figures['report']}"


def _table(figures: Figures) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from graphfuse.comparison.conclusions import ordered
    from graphfuse.comparison.tables import cells, columns

    table = Table(box=None, pad_edge=False)
    for position, title in enumerate(columns(figures)):
        table.add_column(title, no_wrap=True, justify="left" if position < 2 else "right")
    for row in ordered(figures):
        table.add_row(*(Text(cell) for cell in cells(row, figures)))
    console = Console(color_system=None, width=200)  # what is printed passes a filter of controls; lines longer than a terminal wrap there
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().rstrip("\n").splitlines())
