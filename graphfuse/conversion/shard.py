"""One chunk -> the files of one shard, and its line in the journal."""

import multiprocessing
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # a part of scikit-learn

from graphfuse.conversion.chunk import Chunk, convert_chunk
from graphfuse.conversion.contents import content_table
from graphfuse.conversion.fit import Fitted
from graphfuse.conversion.journal import Record
from graphfuse.conversion.recipe import Recipe
from graphfuse.core.cache import cache_counts
from graphfuse.core.compiled import use_kernels
from graphfuse.core.files import file_entries
from graphfuse.core.registry import trusting
from graphfuse.core.tables import Manifest, Rejection
from graphfuse.store.frames import write_frame
from graphfuse.store.writer import write_shard

PARTS = "parts"
"""Folder of what shards contribute to tables of the whole store; gone when the store is finished."""
REJECTION_TYPES: Mapping[str, Any] = {
    "table": "str",
    "row": "int64",
    "key": "str",
    "column": "str",
    "reason": "str",
    "detail": "str",
    "dropped": "bool",
}

NO_REJECTIONS = pd.DataFrame({name: pd.array([], dtype=kind) for name, kind in REJECTION_TYPES.items()})


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every chunk needs, sent to a worker once."""

    recipe: Recipe
    fitted: Fitted
    folder: Path
    shared: Mapping[str, pd.DataFrame]
    """Linked tables that all chunks share (users)."""


def step_name(number: int) -> str:
    """Return the name of a shard's step in the journal."""
    return f"shard-{number:05d}"


def part_files(number: int) -> tuple[str, str, str]:
    """Return where a shard's samples, quarantine and contents (for the leakage audit) lie until the store is finished."""
    samples, quarantine, contents = (f"{PARTS}/{name}-{number:05d}.parquet" for name in ("samples", "quarantine", "contents"))
    return samples, quarantine, contents


def convert_shard(job: Job, number: int, chunk: Manifest, crashed: Sequence[int] = ()) -> Record:
    """Convert a chunk, write its files, and return its record for the journal.

    Args:
        job: What all chunks share.
        number: The shard's number.
        chunk: The chunk's rows and interactions.
        crashed: Rows of the chunk that kill the process that converts them; they are left out and counted.
    """
    hits, misses = cache_counts()
    result = convert_rows(job, chunk, crashed)
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        raise SystemExit("the conversion that asked for this shard is gone")  # its successor may already write here
    record: Record = {"step": step_name(number), "number": number, "rows": len(chunk), "shard": None, "files": {}}
    if len(result.samples):
        record["shard"] = write_shard(
            job.folder,
            number,
            job.fitted.schema,
            num_samples=len(result.samples),
            nodes=result.nodes,
            edges=result.edges,
            y=result.y,
            dtype=job.recipe.settings.dtype,
        )
        record["files"] |= record["shard"]["files"]
    names = part_files(number)
    contents = content_table(result.samples["split"], result.nodes)
    for name, frame in zip(names, (result.samples, typed_rejections(result.rejections), contents), strict=True):
        write_frame(job.folder / name, frame, lasting=False)  # gone when the store is whole; until then the journal has its digest
    record["files"] |= file_entries(job.folder, names)
    found, computed = cache_counts()
    return record | {"hits": found - hits, "misses": computed - misses}


def convert_rows(job: Job, chunk: Manifest, crashed: Sequence[int] = ()) -> Chunk:
    """Convert a chunk without its `crashed` rows, on one thread, and write nothing."""
    alive = np.ones(len(chunk), dtype=bool)
    alive[list(crashed)] = False
    kept = chunk if alive.all() else chunk.take(alive)
    with single_thread(), trusting(job.recipe.allowed), use_kernels(job.recipe.kernels):
        result = convert_chunk(replace(kept, linked={**job.shared, **kept.linked}), job.recipe, job.fitted)
    return replace(result, rejections=(*_crashed(chunk, crashed), *result.rejections))


@contextmanager
def single_thread() -> Iterator[None]:
    """Let numerical libraries use one thread, so that the number of workers and cores changes no bit of a result."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _thread_pools(len(sys.modules)).limit(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def _thread_pools(_num_modules: int) -> ThreadpoolController:
    """Return the numerical libraries that are loaded; finding them takes 4 ms, and further ones come with further modules."""
    return ThreadpoolController()


def typed_rejections(rejections: Sequence[Rejection]) -> pd.DataFrame:
    """Return the quarantine table with the same column types whether or not it has rows."""
    if not rejections:
        return NO_REJECTIONS.copy()
    columns = {name: [getattr(rejection, name) for rejection in rejections] for name in REJECTION_TYPES}
    return pd.DataFrame({name: pd.array(cells, dtype=REJECTION_TYPES[name]) for name, cells in columns.items()})


def _crashed(chunk: Manifest, rows: Sequence[int]) -> tuple[Rejection, ...]:
    detail = "A row must not end the process that converts it; this one did, twice. Look at its pictures and texts, or remove it."
    return tuple(chunk.reject(row, "crashed_worker", detail, dropped=True) for row in rows)
