"""What a step gave back is there for the next without asking the system again."""

import subprocess
import sys

import pytest

STEPS = """
import resource, sys
import torch
from graphfuse.nn.memory import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "kept" else False
def step():
    held = [torch.ones(10 << 20) for _ in range(2)]  # of 40 MiB, which glibc maps unless told otherwise
for _ in range(5):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(choice: str) -> tuple[bool, int]:
    done = subprocess.run([sys.executable, "-c", STEPS, choice], capture_output=True, text=True, check=True)
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have another malloc")
def test_repeated_steps_take_no_new_pages_once_freed_memory_is_kept() -> None:
    kept, faults = _faults("kept")
    if not kept:
        pytest.skip("the C library is not glibc")
    _, otherwise = _faults("as it is")
    assert 10 * faults < otherwise
