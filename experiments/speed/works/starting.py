"""How long until the command line answers, and until training takes its first step."""

import compileall
import contextlib
import io
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from clock import Times, times
from rows import Row

import graphfuse
from graphfuse.cli.main import run

ROOT = Path(__file__).parents[3]
WORK = ROOT / "runs" / "speed" / "starting"
MOST = 20
"""Empty Pythons that help and list may cost."""
MORE = 2.0
"""Seconds that training may take to its first step, besides importing torch and PyG."""
FIRST_STEP = """import os, sys
from torch.optim.optimizer import register_optimizer_step_post_hook
register_optimizer_step_post_hook(lambda *_: os._exit(0))
from graphfuse.cli.main import run
sys.exit(run(sys.argv[1:]) or 1)"""
EXPERIMENT = """dataset: {name: synthetic, level: easy, path: posts, train_rows: 400, validation_rows: 100, test_rows: 100}
modalities:
  - {name: text, column: text, encoder: {name: hashed_ngrams}}
  - {name: image, grid: 4, encoder: {name: image_statistics}}
edges: [{name: sequence}, {name: spatial}, {name: candidate}, {name: membership}]
task: {name: classification}
model: {name: relational_attention}
train: {threads: 1}
"""


def rows(quick: bool) -> Iterator[Row]:
    """Yield a row per command."""
    compileall.compile_dir(Path(graphfuse.__file__).parent, quiet=2)  # as an installed package is
    rounds = 3 if quick else 15
    for words in (["--help"], ["list"]):
        found = take_turns({"ours": ["-m", "graphfuse", *words], "limits": ["-c", "pass"]}, rounds)
        yield Row(
            work=f"`graphfuse {words[-1]}`",
            peer=f"{MOST} x `python -c pass`",
            peers=_times(found["limits"], factor=MOST),
            goal=1,
            floor=0.7,
            limit="`python -c pass`",
            goal_limit=MOST,
            equal="that both end well",
            by="wall",
            **found,
        )
    yield _first_step(1 if quick else 5)


def _first_step(rounds: int) -> Row:
    store = _store()
    train = [
        "-W",
        "ignore",
        "-c",
        FIRST_STEP,
        "train",
        str(WORK / "experiment.yaml"),
        "--store",
        str(store),
        "--out",
        str(WORK / "run"),
        "-q",
    ]
    found = take_turns({"ours": train, "limits": ["-W", "ignore", "-c", "import torch, torch_geometric"]}, rounds)
    more = found["ours"].wall - found["limits"].wall
    return Row(
        work="`graphfuse train` to its first step",
        peer=f"importing torch and PyG, and {MORE:g} s",
        peers=_times(found["limits"], more=MORE),
        goal=1,
        floor=0.6,
        limit="importing torch and PyG",
        equal="that the step was taken",
        by="wall",
        note=f"{more:.2f} s more than the imports ({found['ours'].cpu - found['limits'].cpu:.2f} s of the processor).",
        **found,
    )


def take_turns(commands: dict[str, Sequence[str]], rounds: int) -> dict[str, Times]:
    """Return the median times of Python processes that take turns; of several rounds the first is not counted.

    The processor's time is that of the processes, which `clock.race` does not see.
    """
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    warm_up = int(rounds > 1)
    for number in range(rounds + warm_up):
        for name, words in commands.items():
            shutil.rmtree(WORK / "run", ignore_errors=True)
            found = _spent([sys.executable, *words])
            if number >= warm_up:
                spent[name].append(found)
    return {name: times(each) for name, each in spent.items()}


def _spent(command: Sequence[str]) -> tuple[float, float]:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def _times(of: Times, *, factor: float = 1.0, more: float = 0.0) -> Times:
    return Times(cpu=of.cpu * factor + more, wall=of.wall * factor + more, rounds=of.rounds)


def _store() -> Path:
    """Return a small store, converted unless it is there."""
    store = WORK / "store"
    if not (store / "index.json").exists():
        WORK.mkdir(parents=True, exist_ok=True)
        (WORK / "experiment.yaml").write_text(EXPERIMENT)
        with contextlib.redirect_stdout(io.StringIO()):
            if run(["convert", str(WORK / "experiment.yaml"), "--out", str(store), "-q"]):
                raise RuntimeError("the store for this work could not be made")
    return store
