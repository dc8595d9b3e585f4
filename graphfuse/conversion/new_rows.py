"""New rows -> a passing store, by the functions and with the states that made a run's store."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from graphfuse.config import Experiment
from graphfuse.conversion.fit import Fitted
from graphfuse.conversion.recipe import Recipe
from graphfuse.conversion.run import convert
from graphfuse.core.build import build
from graphfuse.core.progress import Progress
from graphfuse.store.graph_store import GraphStore, open_store

if TYPE_CHECKING:  # a run is only read here; training lies beside conversion, not below it
    from graphfuse.training.run import Run


@contextmanager
def store_of(run: "Run", source: Path, *, workers: int, allowed: tuple[str, ...], progress: Progress) -> Iterator[GraphStore]:
    """Yield the store that `source` is, or one converted from the table that it is, removed afterwards.

    Linked tables and pictures are looked up beside the table first, then where the experiment names them, from the current folder.

    Args:
        run: A trained run; names in it are data.
        source: A store's folder, or a table.
        workers: Processes that convert.
        allowed: Packages outside graphfuse whose plug-ins may be imported.
        progress: Called after each shard.
    """
    if source.is_dir():
        yield open_store(source)
        return
    experiment = Experiment.from_json(run.experiment, Path(), allowed)
    recipe = Recipe.build(experiment)
    fitted = Fitted(states={name: run.state(name) for name in run.states}, schema=run.schema, target=run.target)
    dataset = build("datasets", experiment.dataset.to_dict(), "dataset", allowed)
    manifest = dataset.for_prediction(source).manifest(experiment.folder)
    with tempfile.TemporaryDirectory(prefix="graphfuse-") as folder:
        place = Path(folder) / "store"
        convert(manifest, recipe, fitted, place, workers=workers, progress=progress, recipe_json=experiment.to_json())
        yield open_store(place)
