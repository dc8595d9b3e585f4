"""What a training costs: processor time over interruptions, growth of memory, time of a prediction."""

import resource
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from graphfuse.core.files import read_json, write_json
from graphfuse.nn.fusion import FusionNetwork
from graphfuse.store.graph_store import GraphStore
from graphfuse.training.predict import EVALUATION_BATCH

PASSES = 5
"""Timed passes over the samples, after one that is not."""
TIMED_SAMPLES = 1000
"""Most samples that are predicted for the time."""
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class MemoryMeter:
    """The growth of this process since the meter was made, at its highest.

    Where Linux lets a process reset its high-water mark, an earlier peak does not count; elsewhere growth is seen only above it.
    """

    def __init__(self) -> None:
        try:
            RESET.write_text("5", encoding="ascii")
        except OSError:  # no Linux, or a container that forbids it
            self._start = _highest_so_far()
        else:
            self._start = _resident()

    def peak_mb(self) -> float:
        """Return the growth in 10^6 bytes."""
        return max(0, _highest_so_far() - self._start) / 1e6


class Stopwatch:
    """Seconds of work, added up over interruptions in a small file.

    Args:
        path: The file; it is gone after `stop`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before: Mapping[str, float] = read_json(path) if path.exists() else {"cpu": 0.0, "wall": 0.0}
        self._start = (time.process_time(), time.perf_counter())
        self._seconds = dict(self._before)

    def note(self) -> None:
        """Keep the seconds so far, in case that this process ends."""
        self._seconds = {
            "cpu": self._before["cpu"] + time.process_time() - self._start[0],
            "wall": self._before["wall"] + time.perf_counter() - self._start[1],
        }
        write_json(self._path, self._seconds)

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds at the last note: of the processor (`cpu`) and of the clock on the wall (`wall`)."""
        return self._seconds

    def stop(self) -> None:
        """Forget the file."""
        self._path.unlink(missing_ok=True)


def predict_seconds(network: FusionNetwork, store: GraphStore, split: str) -> float:
    """Return the processor seconds of 1,000 predictions: the median of several passes over batches in memory, reading left out.

    A share of the samples is taken, spread evenly, where there are many; one pass before is not timed.
    """
    rows = store.indices(split)
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), TIMED_SAMPLES)).astype(int)]
    batches = [store.batch(rows[start : start + EVALUATION_BATCH]) for start in range(0, len(rows), EVALUATION_BATCH)]
    network.eval()
    passes = []
    with torch.no_grad():
        for _ in range(PASSES + 1):
            start = time.process_time()
            for batch in batches:
                network(batch)
            passes.append(time.process_time() - start)
    return 1000 * statistics.median(passes[1:]) / len(rows)


def _highest_so_far() -> int:
    """Return the most bytes that were resident at once."""
    if STATUS.exists():
        return _status("VmHWM")
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else 1024 * highest


def _resident() -> int:
    return _status("VmRSS")


def _status(name: str) -> int:
    """Return a line of the kernel's account of this process, in bytes."""
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    return 0
