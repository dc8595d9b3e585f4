"""How fast, beside what a user would run instead and beside what the machine allows?

Run `python experiments/speed/run.py` on a quiet machine (all works, about half an hour): it prints the table, and writes results.json
and the tables of the pages. `--quick` ends within two minutes and fails where a ratio is below its floor. `--works batches steps` runs some.
`--more` adds a run to those that results.json keeps. `SPEED_DEVICE=cuda` puts networks on a GPU, and what is found into results-cuda.json.
"""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"  # before anything that starts threads is imported

import argparse
import importlib
import json
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from clock import Canary
from device import DEVICE, gpu_name
from pages import RESULTS, write_pages
from rows import Row, markdown

HERE = Path(__file__).parent
WORKS = (
    "batches",
    "opening",
    "larger_than_memory",
    "mean_step",
    "gated_step",
    "attention_step",
    "pieces",
    "epoch",
    "prediction",
    "text",
    "pictures",
    "cache",
    "workers",
    "edges",
    "starting",
)
"""Files in works/, in the order of the table; each has `rows(quick) -> Iterator[Row]`."""
MOVED = 1.2
"""The canary may change by this factor; then the work is measured once more, and after that marked."""


def main() -> int:
    """Measure, print, write; return 1 if a quick run finds a ratio below its floor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--works", nargs="+", choices=WORKS, default=WORKS)
    parser.add_argument("--quick", action="store_true", help="short races and floors instead of goals; writes no page")
    parser.add_argument(
        "--more", action="store_true", help="add to what was measured of these works, by the same code, instead of replacing it"
    )
    parser.add_argument("--out", type=Path, help="where the JSON goes (results.json of the full run)")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False  # peers and limits count in float32 as well
    results = chosen.out or (None if chosen.quick else HERE / RESULTS[DEVICE.type])
    kept = _kept(results)
    found: dict[str, list[list[dict]]] = {}
    below = []
    for work in chosen.works:
        started = time.monotonic()
        rows = list(_measure(work, quick=chosen.quick))
        print(markdown([row] for row in rows), f"\n[{work}: {time.monotonic() - started:.0f} s]\n", flush=True)
        found[work] = [*(kept.get(work, []) if chosen.more else []), [row.to_json() for row in rows]]
        below += [f"{row.work}: {row.ratio:.2f} x {row.peer} (floor {row.floor:g})" for row in rows if row.ratio < row.floor]
        if results:
            merged = {**kept, **found}
            value = {"machine": machine(), "works": {name: merged[name] for name in WORKS if name in merged}}
            results.write_text(json.dumps(value, indent=1) + "\n")
    if not chosen.quick and not chosen.out:
        write_pages(HERE, DEVICE.type)
    if chosen.quick and below:
        print("Below the floor:", *below, sep="\n  ")
        return 1
    return 0


def _measure(work: str, *, quick: bool) -> Iterator[Row]:
    """Yield the rows of one work; measured again, once, if the machine changed meanwhile."""
    module = importlib.import_module(f"works.{work}")
    for last in (False, True):
        canary = Canary()
        rows = list(module.rows(quick))
        moved = canary.moved()
        if moved <= MOVED or quick or last:
            break
        print(f"{work}: the canary moved by {moved:.2f}; once more", flush=True)
    # a GPU works while the processor waits
    yield from (rows if DEVICE.type == "cpu" else (replace(row, by="wall") for row in rows))
    if moved > MOVED:
        print(f"{work}: the canary moved by {moved:.2f}", flush=True)


def _kept(results: Path | None) -> dict[str, list[list[dict]]]:
    """Return what earlier runs found of each work: the rows of each run."""
    return json.loads(results.read_text())["works"] if results and results.exists() else {}


def machine() -> dict[str, str | int]:
    """Return what the figures were measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ""
    )
    return {
        "gpu": gpu_name(),
        "cores": os.cpu_count() or 1,
        "processor": model,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    sys.exit(main())
