"""New rows -> graphs in memory, or a passing store, by the functions and with the states that made a run's store."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from torch_geometric.data import Batch

from graphfuse.config import Experiment
from graphfuse.conversion.finish import check_nothing_lost
from graphfuse.conversion.fit import Fitted
from graphfuse.conversion.recipe import Recipe
from graphfuse.conversion.run import convert
from graphfuse.conversion.shard import Job, convert_rows, typed_rejections
from graphfuse.core.build import build
from graphfuse.core.cache import without_cache
from graphfuse.core.errors import InputError
from graphfuse.core.folders import OURS, STORES, what_is
from graphfuse.core.progress import Progress
from graphfuse.core.schema import GraphSchema, edge_name
from graphfuse.core.sockets import Rows
from graphfuse.reading.raw_table import EXTENSIONS
from graphfuse.store.batching import in_order
from graphfuse.store.columns import Shard, shard_of
from graphfuse.store.gather import gather
from graphfuse.store.graph_store import GraphStore, open_store
from graphfuse.store.layout import edge_ends, weight_array
from graphfuse.store.pyg import to_batch
from graphfuse.store.writer import shard_arrays

if TYPE_CHECKING:  # a run is only read here; training lies beside conversion, not below it
    from graphfuse.training.run import Run


class NewRows:
    """What turns new rows into graphs without touching the disk: everything that a run says of it, built once.

    Args:
        run: A trained run; names in it are data.
        folder: Where linked tables and pictures lie.
        allowed: Packages outside graphfuse whose plug-ins may be imported.
    """

    def __init__(self, run: "Run", folder: Path, allowed: tuple[str, ...] = ()) -> None:
        experiment, recipe, fitted = _parts(run, allowed)
        self._read = build("datasets", experiment.dataset.to_dict(), "dataset", allowed).for_rows(folder)
        self._job = Job(recipe=recipe, fitted=fitted, folder=folder, shared={})

    def graphs(self, rows: Rows, users: Rows | None = None, interactions: Rows | None = None) -> "Graphs":
        """Return the graphs of some rows.

        Raises:
            InputError: If the rows cannot be read, or none of them can be used.
        """
        manifest = self._read(rows, users=users, interactions=interactions)
        with without_cache():
            chunk = convert_rows(self._job, manifest)
        quarantine = typed_rejections([*manifest.rejections, *chunk.rejections])
        check_nothing_lost(manifest, chunk.samples, quarantine)
        # an entity is a node like any other here: what rows share is not worth a table of its own
        schema = replace(self._job.fitted.schema, entity_types=())
        # the columns that a store would hold, features rounded alike
        dtype = self._job.recipe.settings.dtype
        arrays = shard_arrays(schema, num_samples=len(chunk.samples), nodes=chunk.nodes, edges=chunk.edges, y=chunk.y, dtype=dtype)
        weighted = [name for name in map(edge_name, schema.edge_types) if weight_array(name) in arrays]
        shard = shard_of(arrays, schema, weighted)
        return Graphs(samples=chunk.samples, quarantine=quarantine, shard=shard, schema=schema)


@dataclass(frozen=True, kw_only=True)
class Graphs:
    """Converted rows."""

    samples: pd.DataFrame
    """One row per sample, as in `samples.parquet`."""
    quarantine: pd.DataFrame
    """What was not used, and why (contract 5)."""
    shard: Shard
    schema: GraphSchema

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield the samples in their order; what a store of them would give."""
        ends = edge_ends(self.schema)
        for positions in in_order(np.arange(len(self.samples)), batch_size):
            columns = gather([self.shard], np.zeros_like(positions), positions, ends)
            yield to_batch(columns, positions, self.schema, {})


def _parts(run: "Run", allowed: tuple[str, ...]) -> tuple[Experiment, Recipe, Fitted]:
    """Return what a run was converted with; files that its settings name are looked up from the current folder."""
    experiment = Experiment.from_json(run.experiment, Path(), allowed)
    fitted = Fitted(states={name: run.state(name) for name in run.states}, schema=run.schema, target=run.target)
    # the run's kernels, since there may be no compiler here
    return experiment, replace(Recipe.build(experiment), kernels=run.computing.kernels), fitted


def check_destination(out: Path, source: Path) -> None:
    """Check that predictions of a source can be written to a file.

    Raises:
        InputError: If it is a folder, not called a Parquet file, or would replace what is predicted.
    """
    if out.is_dir():
        raise InputError(f"--out must be a file to write (got the folder '{out}'). Name it, such as {out / 'predictions.parquet'}")
    if out.suffix.lower() not in (".parquet", ".pq"):
        raise InputError(f"--out must be called a Parquet file, which predictions are written as (got '{out}'). Name it {out}.parquet")
    if out.resolve() == source.resolve() or (what_is(source) in STORES and out.resolve().is_relative_to(source.resolve())):
        raise InputError(f"--out must not be what is predicted, nor lie within it (got '{out}'). Give another name.")


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

    Raises:
        InputError: If the source is neither a table nor a store.
    """
    if source.is_dir():
        _check_source(source)
        yield open_store(source)
        return
    experiment, recipe, fitted = _parts(run, allowed)
    dataset = build("datasets", experiment.dataset.to_dict(), "dataset", allowed)
    manifest = dataset.for_prediction(source).manifest(experiment.folder)
    with tempfile.TemporaryDirectory(prefix="graphfuse-") as folder:
        place = Path(folder) / "store"
        convert(manifest, recipe, fitted, place, workers=workers, progress=progress, recipe_json=experiment.to_json())
        yield open_store(place)


def _check_source(folder: Path) -> None:
    """Raise an InputError if a folder is no store; what is most often meant is a table in it."""
    if (found := what_is(folder)) in STORES:
        return
    tables = [] if found in OURS else sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS)
    step = f"Name the table in it, such as {tables[0]}." if tables else "Give the table, or the folder that convert wrote."
    raise InputError(f"--input must be a table or a store (got '{folder}', which is {found}). {step}")
