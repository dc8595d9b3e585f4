"""A comparison's folder: what it was begun with, so that it goes on only with the same store and experiment."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from graphfuse.comparison.plan import Row, shared_training
from graphfuse.config import Experiment
from graphfuse.core.differences import differences
from graphfuse.core.errors import ConfigError, InputError
from graphfuse.core.files import digest_file, read_json, write_json
from graphfuse.core.versions import installed_versions
from graphfuse.store.graph_store import GraphStore

INPUTS = "inputs.json"
PARTS = ("dataset", "modalities", "edges", "task", "convert")
"""Parts of an experiment that all rows share."""


def begin(out: Path, store: GraphStore, experiment: Experiment, rows: Sequence[Row]) -> None:
    """Note what a comparison is made from; rows and seeds may be added to it later, nothing else may change.

    Raises:
        InputError: If the folder holds something that is no comparison.
        ConfigError: If it holds a comparison of something else; every difference is listed.
    """
    now = json.loads(json.dumps(_inputs(store, experiment, rows)))
    path = out / INPUTS
    if path.exists():
        then = read_json(path)
        kept = then.pop("rows", {})
        rows_now = now.pop("rows")
        shared = sorted(kept.keys() & rows_now.keys())
        found = [*differences(then, now), *differences({name: kept[name] for name in shared}, {name: rows_now[name] for name in shared})]
        if found:
            raise ConfigError(
                [
                    f"A comparison goes on only with what it was begun with in {out}. These differ (then -> now):",
                    *(f"  {place}: {str(before)[:40]} -> {str(after)[:40]}" for place, before, after in found),
                    "Put them back, or give another --out.",
                ]
            )
        now["rows"] = kept | rows_now
    elif any(item.name not in (".lock",) for item in out.iterdir()):
        raise InputError(
            f"compare writes into a new folder, or goes on with a comparison ('{out}' holds something else). Give another --out."
        )
    write_json(path, now)


def _inputs(store: GraphStore, experiment: Experiment, rows: Sequence[Row]) -> Mapping[str, Any]:
    plain = experiment.to_json()
    return {
        "store": digest_file(store.path / "index.json"),  # which holds the digest of every file
        "experiment": {part: plain[part] for part in PARTS},
        "train": asdict(shared_training(experiment)),
        "trials": experiment.compare.trials,
        "versions": installed_versions(("numpy", "torch", "torch_geometric")),
        "rows": {row.name: {"model": dict(row.section), "change": dict(row.change)} for row in rows},
    }
