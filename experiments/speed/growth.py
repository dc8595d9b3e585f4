"""Do time and memory grow no faster than the data? Every stage of the line at 1 k to 1 M made samples.

Run `python experiments/speed/growth.py` on a quiet machine: each stage at each size runs in a process of its own; growth.json keeps what
was measured (what is there is not run again), growth.svg is the picture, and the table goes between its marks on README.md.
`--quick` tries small sizes and writes beside the stores only. Features are made, not encoded: this is graphfuse's own work.
"""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"  # before anything that starts threads is imported
os.environ["PYTHONWARNINGS"] = "ignore::FutureWarning,ignore::DeprecationWarning"

import argparse
import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from growth_picture import drawn, markdown
from growth_stages import HEAVY, STAGES, measure, memory
from pages import on_page

from graphfuse.core.processes import ForkServer

HERE = Path(__file__).parent
WORK = HERE.parents[1] / "runs" / "speed" / "growth"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUICK = (300, 3_000)
PRODUCTS = {"make": "experiment.yaml", "convert": "store/index.json", "train": "run/receipt.json"}
"""What later stages of the same size need of a stage."""
WATCH = 0.01
"""Seconds between two looks at a stage's memory."""
Found = dict[str, dict[str, dict[str, Any]]]
"""Stage -> size -> figures."""


def main() -> int:
    """Measure what is missing, draw, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, help="numbers of samples")
    parser.add_argument("--quick", action="store_true", help="small sizes; writes beside the stores, and no page")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    parser.add_argument("--keep", action="store_true", help="leave tables, stores and runs where they are")
    parser.add_argument("--out", type=Path, help="folder of growth.json and growth.svg")
    parser.add_argument("--work", type=Path, default=WORK, help="folder of tables, stores and runs")
    chosen = parser.parse_args()
    out = chosen.out or (chosen.work if chosen.quick else HERE)
    sizes = chosen.sizes or (QUICK if chosen.quick else SIZES)
    out.mkdir(parents=True, exist_ok=True)
    results = out / "growth.json"
    found: Found = {} if chosen.again or not results.exists() else json.loads(results.read_text(encoding="utf-8"))
    server = ForkServer(HEAVY)
    for size in sizes:
        for stage in missing(found, chosen.work / str(size), size):
            figures = run(server, stage, chosen.work / str(size), size)
            print(f"{stage} {size:,}: {figures['cpu_seconds']:.2f} s, {figures['private_bytes'] / 2**20:.0f} MB", flush=True)
            found.setdefault(stage, {})[str(size)] = figures
            results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        if not chosen.keep:
            shutil.rmtree(chosen.work / str(size), ignore_errors=True)
    (out / "growth.svg").write_text(drawn(found), encoding="utf-8")
    print(markdown(found))
    if out == HERE:
        page = HERE / "README.md"
        page.write_text(on_page(page.read_text(encoding="utf-8"), "growth", markdown(found)), encoding="utf-8")
    return 0


def missing(found: Found, folder: Path, size: int) -> Iterable[str]:
    """Return the stages to run at a size, in order: those that were not measured, and those whose product they need and that is gone."""
    open_stages = [stage for stage in STAGES if str(size) not in found.get(stage, {})]
    if not open_stages:
        return []
    last = list(STAGES).index(open_stages[-1])
    return [
        stage
        for place, stage in enumerate(STAGES)
        if stage in open_stages or (place < last and stage in PRODUCTS and not (folder / PRODUCTS[stage]).exists())
    ]


def run(server: ForkServer, stage: str, folder: Path, size: int) -> dict[str, Any]:
    """Run one stage in a process of its own, and return its figures.

    `private_bytes` is the most memory of its own that it had above what it started with; `peak_bytes` counts pages of mapped files too,
    which the system takes back when it needs them.
    """
    child = server.start(measure, stage, folder, size)
    before = most = child.pipe.recv()
    while not child.pipe.poll(WATCH):
        most = max(most, memory(child.process.pid).get("RssAnon", 0))
    figures: dict[str, Any] = child.pipe.recv()
    child.close()
    return {**figures, "private_bytes": most - before}


if __name__ == "__main__":
    sys.exit(main())
