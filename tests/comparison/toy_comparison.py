"""A small store, an experiment on it, and models that end in every way; child processes import them by name."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from graphfuse.config import Experiment
from graphfuse.core.progress import silent
from graphfuse.core.sockets import FusionModel
from graphfuse.models.concat import ConcatFusion, ConcatModel
from tests.training.toy_training import made_store

SPLITS = ["train"] * 40 + ["validation"] * 16 + ["test"] * 24
HERE = "tests.comparison.toy_comparison"


@dataclass(frozen=True, kw_only=True)
class Broken(FusionModel):
    """Raises when it is made."""

    stage: ClassVar[str] = "early"

    def module(self, schema, decision):
        raise RuntimeError("no network today")


@dataclass(frozen=True, kw_only=True)
class Deadly(FusionModel):
    """Ends its process, as the kernel does where memory is short; works once the file is there."""

    stage: ClassVar[str] = "early"
    mended: str = ""

    def module(self, schema, decision):
        if not self.mended or not Path(self.mended).exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return ConcatFusion(ConcatModel(hidden_channels=4), schema)


def toy_store(folder, **arguments):
    return made_store(folder, splits=arguments.pop("splits", SPLITS), **arguments)


def toy_experiment(folder=Path(), *, model=None, train=None, allowed=("tests",), **compare):
    """Return an experiment whose training takes a fraction of a second."""
    value = {
        "dataset": {"name": "table", "path": "posts.csv", "sample_id": "id", "target": "label"},
        "modalities": [{"name": "text", "column": "text", "encoder": {"name": "hashed_ngrams"}}],
        "task": {"name": "classification"},
        "model": model or {"name": "concat", "hidden_channels": 8},
        "train": {"epochs": 2, "batch_size": 16, **(train or {})},
        "compare": {"models": ["concat"], "seeds": 2, "resamples": 199, "calibration": False, **compare},
    }
    return Experiment.from_json(value, folder, allowed)


def run(store, out, *, workers=1, progress=silent, **arguments):
    from graphfuse.comparison.run import compare

    return compare(store, toy_experiment(**arguments), out, workers=workers, progress=progress)


def named(comparison):
    """Return the rows by name."""
    return {row["name"]: row for row in comparison["rows"]}


def written(out):
    """Return when each run's receipt was written."""
    return {path.relative_to(out).as_posix(): path.stat().st_mtime_ns for path in sorted(out.glob("runs/*/*/receipt.json"))}


def same(one, other):
    """Return whether two comparisons show the same, but for what differs between any two runs of a clock."""

    def strip(comparison):
        clocks = ("train_seconds", "train_seconds_wall", "predict_seconds_per_1000", "peak_memory_mb")
        rows = [{key: value for key, value in row.items() if key not in clocks} for row in comparison["rows"]]
        return {**comparison, "rows": rows}

    np.testing.assert_equal(strip(one), strip(other))
    return True
