"""Manifest -> store: fit, shards, index; interrupted at any point, the same command goes on and ends with the same bytes.

The folder is held by one process. `plan.json` says what is being made, each finished step has a line in `journal.jsonl`, and
`index.json` is written last; after it, plan, journal and parts are removed.
"""

import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from graphfuse.conversion.finish import check_strict, finish_store, summarise
from graphfuse.conversion.fit import Fitted, fit_states
from graphfuse.conversion.inputs import MADE_WITH, check_same, check_same_versions, digest_fitted, digest_manifest
from graphfuse.conversion.journal import Journal, Record
from graphfuse.conversion.recipe import Recipe
from graphfuse.conversion.shard import PARTS, Job, single_thread, step_name, typed_rejections
from graphfuse.conversion.workers import convert_shards
from graphfuse.core.errors import InputError, IntegrityError
from graphfuse.core.files import read_json, remove_leftovers, write_json
from graphfuse.core.folders import strangers
from graphfuse.core.lock import locked
from graphfuse.core.progress import Progress, silent
from graphfuse.core.registry import trusting
from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.core.tables import Manifest
from graphfuse.core.versions import installed_versions
from graphfuse.store.frames import read_frame
from graphfuse.store.index import read_index
from graphfuse.store.integrity import verified
from graphfuse.store.layout import INDEX, QUARANTINE
from graphfuse.store.writer import read_state, write_entities, write_state

PLAN = "plan.json"
JOURNAL = "journal.jsonl"


def convert(
    manifest: Manifest,
    recipe: Recipe,
    fitted: Fitted | None,
    folder: Path,
    *,
    workers: int = 1,
    strict: bool = False,
    progress: Progress = silent,
    recipe_json: Mapping[str, Any],
) -> dict[str, Any]:
    """Make a store, go on with one that was interrupted, or find that it is already there.

    Args:
        manifest: The rows.
        recipe: How they become graphs.
        fitted: What was learned before (conversion of new rows), or None to learn it from the train rows.
        folder: The store.
        workers: Processes; the bytes do not depend on it.
        strict: Treat anything that cannot be used as an error.
        progress: Called with (rows done, rows, what is being done).
        recipe_json: The experiment as plain JSON, kept in the store.

    Returns:
        Samples by split, nodes and edges by type, rejections by reason, what train and test share, cache hits and misses, seconds.

    Raises:
        InputError: If there are no rows, or `strict` and something cannot be used.
        ConfigError: If the folder was made from another recipe or other inputs, or begun with other versions.
        LockedError: If another process writes there.
    """
    started = time.monotonic()
    if not len(manifest):
        raise InputError("A store needs at least one row; the table has none that can be used. Look at its rejections, or its path.")
    if workers < 1:
        raise InputError(f"--workers must be at least 1 (got {workers}).")
    if strict:
        check_strict(typed_rejections(manifest.rejections))  # before any work is done
    digests = {"inputs": digest_manifest(manifest), "fitted": None if fitted is None else digest_fitted(fitted)}
    figures: dict[str, Any] = {"resumed_shards": 0, "redone_steps": 0, "cache_hits": 0, "cache_misses": 0}
    with locked(folder), trusting(recipe.allowed):
        plan = {"recipe": dict(recipe_json), "digests": digests, "versions": _versions(recipe)}
        _begin(folder, plan)
        if not (folder / INDEX).exists():
            figures |= _make(manifest, recipe, fitted, folder, workers, strict, progress, plan)
        _clean_up(folder)
        if strict:
            check_strict(read_frame(folder / QUARANTINE))
        summary = summarise(folder)
    return {**summary, **figures, "seconds": round(time.monotonic() - started, 3)}


def _versions(recipe: Recipe) -> dict[str, str]:
    """Return what, beside recipe and inputs, decides the bytes of a shard: packages, and encoders with their weights and device."""
    return {**installed_versions(MADE_WITH), **{f"the encoder of {name}": encoder.identity() for name, encoder in recipe.encoders.items()}}


def _begin(folder: Path, plan: Mapping[str, Any]) -> None:
    """Check that the folder is empty or was begun with the same plan, remove what a crash left, and write the plan.

    A store of which a file is damaged or gone is made again.

    Raises:
        ConfigError: If it was made from another recipe or other inputs, or begun with other versions.
        InputError: If it holds something else.
    """
    if (folder / INDEX).exists():
        index = read_index(folder)
        check_same(folder, {"recipe": index.recipe, "digests": index.digests}, plan)
        if not _is_whole(folder, index.files):
            _clean_up(folder)  # what other versions may have left
            write_json(folder / PLAN, plan)
            (folder / INDEX).unlink()
    elif (folder / PLAN).exists():
        begun = read_json(folder / PLAN)
        check_same(folder, begun, plan)
        check_same_versions(folder, begun, plan)
    else:
        if foreign := strangers(folder):
            raise InputError(f"--out must be a new folder or one that convert made (got {folder}, with '{foreign[0][:40]}' in it).")
        write_json(folder / PLAN, plan)
    remove_leftovers(folder)


def _is_whole(folder: Path, files: Mapping[str, Any]) -> bool:
    """Return whether every file of a store is as it was written."""
    try:
        for name in files:
            verified(folder, name, files)
    except IntegrityError:
        return False
    return True


def _make(
    manifest: Manifest,
    recipe: Recipe,
    fitted: Fitted | None,
    folder: Path,
    workers: int,
    strict: bool,
    progress: Progress,
    plan: Mapping[str, Any],
) -> dict[str, Any]:
    """Do the steps that are not done yet, and finish the store; return how much of it was there before."""
    journal = Journal(folder / JOURNAL)
    if fitted is None:
        progress(0, len(manifest), "fit")
    fitted, files = _fit(manifest, recipe, fitted, folder, journal)
    files = {**files, **_entities(manifest, recipe, fitted, folder, journal)}
    chunks = _Chunks(manifest, recipe.settings.shard_size)
    records = {number: record for number in range(len(chunks)) if (record := journal.done(step_name(number))) is not None}
    figures = {"resumed_shards": len(records), "redone_steps": journal.redone, "cache_hits": 0, "cache_misses": 0}
    done = sum(record["rows"] for record in records.values())
    progress(done, len(manifest), "convert")
    job = Job(recipe=recipe, fitted=fitted, folder=folder, shared=chunks.shared)
    missing = [number for number in range(len(chunks)) if number not in records]
    for record in convert_shards(job, missing, chunks.chunk, min(workers, max(len(missing), 1))):
        journal.append(record)
        records[record["number"]] = record
        figures["cache_hits"] += record["hits"]
        figures["cache_misses"] += record["misses"]
        done += record["rows"]
        progress(done, len(manifest), "convert")
    ordered = [records[number] for number in range(len(chunks))]
    finish_store(folder, manifest, fitted, records=ordered, files=files, plan=plan, strict=strict)
    return figures


def _fit(manifest: Manifest, recipe: Recipe, fitted: Fitted | None, folder: Path, journal: Journal) -> tuple[Fitted, Mapping[str, Any]]:
    """Return what was given, or learned in this or an earlier attempt, and the entries of its files."""
    record = journal.done("fit")
    if record is None:
        if fitted is None:
            with single_thread():
                fitted = fit_states(recipe, manifest)
        record = {"step": "fit", "files": {}, "states": sorted(fitted.states)}
        record |= {"schema": fitted.schema.to_json(), "target": fitted.target.to_json()}
        for name in record["states"]:
            record["files"] |= write_state(folder, name, fitted.states[name])
        journal.append(record)
    # read back even when just learned: the first attempt and a resumed one then go on from the very same arrays
    states = {name: read_state(folder, name) for name in record["states"]}
    schema, target = GraphSchema.from_json(record["schema"]), TargetSchema.from_json(record["target"])
    return Fitted(states=states, schema=schema, target=target), record["files"]


def _entities(manifest: Manifest, recipe: Recipe, fitted: Fitted, folder: Path, journal: Journal) -> Mapping[str, Any]:
    """Write the features of shared entities, and return the entries of their files."""
    record: Record | None = journal.done("entities")
    if record is None:
        record = {"step": "entities", "files": {}}
        for modality in recipe.modalities:
            if modality.node_type in fitted.schema.entity_types:
                with single_thread():
                    x = modality.entities(manifest, fitted.states[recipe.state_name(modality)])
                if x is not None:
                    record["files"] |= write_entities(folder, modality.node_type, x, recipe.settings.dtype)
        journal.append(record)
    files: Mapping[str, Any] = record["files"]
    return files


def _clean_up(folder: Path) -> None:
    """Remove what only an unfinished store needs; also after a crash between the index and this."""
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    for name in (JOURNAL, PLAN):
        (folder / name).unlink(missing_ok=True)


class _Chunks:
    """The manifest in chunks of `size` rows, each with its interactions; tables that all chunks share are kept apart."""

    def __init__(self, manifest: Manifest, size: int) -> None:
        self._manifest = manifest
        self._size = size
        self.shared = {name: frame for name, frame in manifest.linked.items() if name != "interactions"}
        self._interactions = manifest.linked.get("interactions")
        if self._interactions is not None:
            # one look-up for all chunks; searching the table per chunk would cost rows times chunks
            row = pd.Index(manifest.samples["sample_id"]).get_indexer(pd.Index(self._interactions["sample_id"]))
            number = np.where(row >= 0, row // size, len(self))
            self._order = np.argsort(number, kind="stable")
            self._starts = np.searchsorted(number[self._order], np.arange(len(self) + 1))

    def __len__(self) -> int:
        return math.ceil(len(self._manifest) / self._size)

    def chunk(self, number: int) -> Manifest:
        """Return the rows of one chunk."""
        samples = self._manifest.samples.iloc[number * self._size : (number + 1) * self._size].reset_index(drop=True)
        linked = {}
        if self._interactions is not None:
            rows = self._order[self._starts[number] : self._starts[number + 1]]
            linked["interactions"] = self._interactions.iloc[rows].reset_index(drop=True)
        return replace(self._manifest, samples=samples, linked=linked, rejections=())
