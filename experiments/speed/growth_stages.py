"""The stages of the line at one size, each run alone in a process of its own and timed there."""

import gc
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import graphfuse as gf

EXPERIMENT = """\
dataset:
  name: table
  path: posts.parquet
  sample_id: post_id
  target: label
  user_id: author
  users: {path: users.parquet}
  split: {by: random, validation: 0.1, test: 0.05}
modalities:
  - {name: "growth_plugins:MadeText"}
  - {name: "growth_plugins:MadeImage"}
  - {name: user, numeric: [followers]}
edges:
  - {name: sequence}
  - {name: candidate, source: text_span, destination: image_region}
  - {name: membership}
  - {name: authorship}
task: {name: classification}
model: {name: relational_attention, hidden_channels: 16, num_layers: 1}
train: {epochs: 1, patience: 0, batch_size: 256, threads: 1}
analyses: [{name: attention}, {name: gradient}, {name: occlusion}, {name: fidelity}]
"""
BATCH = 256
POSTS_PER_USER = 10
WORDS = np.array([f"word{number}" for number in range(5000)])


def make(folder: Path, num_samples: int) -> dict[str, Any]:
    """Write the tables and the experiment."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    users = np.char.add("u", np.arange(max(num_samples // POSTS_PER_USER, 2)).astype(str))
    words = [pd.Series(WORDS[draw.integers(0, len(WORDS), num_samples)]) for _ in range(4)]
    posts = {
        "post_id": np.char.add("p", np.arange(num_samples).astype(str)),
        "text": words[0].str.cat(words[1:], sep=" "),
        "author": users[draw.integers(0, len(users), num_samples)],
        "label": np.array(["no", "yes"])[draw.integers(0, 2, num_samples)],
    }
    pd.DataFrame(posts).to_parquet(folder / "posts.parquet", index=False)
    pd.DataFrame({"user_id": users, "followers": draw.integers(0, 10_000, len(users))}).to_parquet(folder / "users.parquet", index=False)
    (folder / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    return {}


def convert(folder: Path, num_samples: int) -> dict[str, Any]:
    """Table to store: reading, splitting, linking, writing, leakage audit."""
    shutil.rmtree(folder / "store", ignore_errors=True)
    found = gf.convert(folder / "experiment.yaml", folder / "store")
    assert found["num_samples"] == num_samples
    stored = sum(path.stat().st_size for path in (folder / "store").rglob("*") if path.is_file())
    return {"stored_bytes": stored, "nodes": sum(found["nodes"].values()), "edges": sum(found["edges"].values())}


def open_first(folder: Path, num_samples: int) -> dict[str, Any]:
    """Store to its first batch."""
    store = gf.open_store(folder / "store")
    store.batch(np.arange(min(BATCH, len(store))))
    return {"index_bytes": (folder / "store" / "index.json").stat().st_size}


def load(folder: Path, num_samples: int) -> dict[str, Any]:
    """One shuffled epoch of batches of all samples, digests checked."""
    store = gf.open_store(folder / "store")
    rows = sum(batch.num_graphs for batch in store.batches(batch_size=BATCH, shuffle=True))
    assert rows == num_samples
    return {}


def train(folder: Path, num_samples: int) -> dict[str, Any]:
    """One epoch, validation, and the predictions of validation and test rows."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    gf.train(folder / "experiment.yaml", folder / "store", folder / "run")
    return {}


def predict(folder: Path, num_samples: int) -> dict[str, Any]:
    """Raw table to predictions of all its rows."""
    found = gf.predict(folder / "run", folder / "posts.parquet", folder / "predictions.parquet", allowed=("growth_plugins",))
    assert found["samples"] == num_samples
    return {}


def analyse(folder: Path, num_samples: int) -> dict[str, Any]:
    """Four analyses and the report, on the test rows: one row in twenty."""
    shutil.rmtree(folder / "analysis", ignore_errors=True)
    found = gf.analyse(folder / "run", folder / "store", folder / "analysis", allowed=("growth_plugins",))
    return {"rows": found["samples"], "scores": sum(found["scores"].values())}


HEAVY = (
    "graphfuse.analyses.attention",
    "graphfuse.analyses.fidelity",
    "graphfuse.analyses.gradient",
    "graphfuse.analyses.occlusion",
    "graphfuse.conversion.new_rows",
    "graphfuse.datasets.table",
    "graphfuse.edges.authorship",
    "graphfuse.edges.candidate",
    "graphfuse.edges.membership",
    "graphfuse.edges.sequence",
    "graphfuse.modalities.sample",
    "graphfuse.modalities.user",
    "graphfuse.models.relational_attention",
    "graphfuse.report.collect",
    "graphfuse.report.page",
    "graphfuse.report.prepare",
    "graphfuse.tasks.classification",
    "graphfuse.training.fit",
)
"""What the stages import; imported before they start, so that no stage is charged with it."""
STAGES: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "make": make,
    "convert": convert,
    "open": open_first,
    "load": load,
    "train": train,
    "predict": predict,
    "analyse": analyse,
}


def measure(pipe: Any, stage: str, folder: Path, num_samples: int) -> None:
    """Run one stage in this process, and send its times and memory; the other end of the pipe watches memory meanwhile."""
    gc.collect()
    before = memory()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far was that of the imports
    pipe.send(before["RssAnon"])
    cpu, wall = time.process_time(), time.perf_counter()
    more = STAGES[stage](folder, num_samples)
    figures = {"cpu_seconds": time.process_time() - cpu, "wall_seconds": time.perf_counter() - wall}
    pipe.send({**figures, "peak_bytes": memory()["VmHWM"] - before["VmRSS"], **more})


def memory(process: int | str = "self") -> dict[str, int]:
    """Return the kernel's figures of a process, in bytes: `RssAnon` is its own, `RssFile` are pages of mapped files."""
    lines = (line.split() for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return {parts[0].rstrip(":"): 1024 * int(parts[1]) for parts in lines if parts[-1] == "kB"}
