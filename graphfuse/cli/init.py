"""Write an experiment for a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.console import Figures

EXAMPLES = """  graphfuse init posts.csv
  graphfuse init posts.parquet --out experiments/first.yaml"""


def run(
    table: Annotated[Path, typer.Argument(help="CSV, TSV, JSONL or Parquet file, one row per post or product.")],
    out: Annotated[Path, typer.Option("--out", help="Experiment file to write; never overwritten.")] = Path("experiment.yaml"),
) -> Figures:
    """Guess what each column is, and write a commented experiment that converts and trains as it stands."""
    from graphfuse import pipeline

    return pipeline.init(table, out)


def lines(figures: Figures) -> Iterator[str]:
    """Say what each role was guessed to be."""
    dataset = figures["dataset"]
    roles = {
        "target": dataset.get("target"),
        "sample id": dataset.get("sample_id"),
        "user": dataset.get("user_id"),
        "time": dataset.get("time"),
        "pictures": (dataset.get("pictures") or {}).get("columns"),
        "linked": [part["path"] for part in (dataset.get("users"), dataset.get("interactions")) if part],
        "modalities": [part["name"] for part in figures["modalities"]],
        "edges": [part["name"] for part in figures["edges"]],
    }
    for role, found in roles.items():
        yield f"  {role:<11} {', '.join(found) if isinstance(found, list) else found or 'none'}"
    yield f"Wrote {figures['experiment']}. Read it, then: graphfuse convert {figures['experiment']} --out STORE"
