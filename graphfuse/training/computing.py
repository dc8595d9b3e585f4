"""Where and how networks compute, so that results repeat: device, threads, deterministic algorithms, loops."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from graphfuse.core.compiled import Kernels, use_kernels
from graphfuse.core.errors import ConfigError
from graphfuse.core.settings import TrainSettings
from graphfuse.nn.memory import keep_freed_memory


@dataclass(frozen=True, kw_only=True)
class Computing:
    """Everything beside inputs and seeds on which the last bits of a result depend."""

    threads: int
    """Torch threads, 0 for torch's choice. Sums are split by thread, so results repeat for one number only."""
    fast: bool = False
    """Whether deterministic algorithms are left off."""
    kernels: Kernels = "torch"
    """What goes along edges on a processor."""
    device: str = "cpu"
    """Where networks lie: `cpu` or `cuda`."""

    @classmethod
    def of(cls, settings: TrainSettings) -> "Computing":
        """Return what training settings say."""
        return cls(threads=settings.threads, fast=settings.fast, kernels=settings.kernels, device=settings.device)


@contextmanager
def reproducible(computing: Computing) -> Iterator[None]:
    """Run torch as described; everything is as before afterwards, random numbers included.

    But for what speed and repetition need once per process: freed memory stays with it, and cuBLAS keeps its workspace.

    Raises:
        ConfigError: If loops are to be compiled and there is no compiler, or there is no such device.
    """
    keep_freed_memory()
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
    with torch.random.fork_rng(devices=_prepared(computing.device)), use_kernels(computing.kernels):
        try:
            if computing.threads:
                torch.set_num_threads(computing.threads)
            torch.use_deterministic_algorithms(not computing.fast)
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1], warn_only=before[2])


def _prepared(device: str) -> list[int]:
    """Return the numbers of the GPUs that are used, ready to repeat what they compute."""
    if device == "cpu":
        return []
    if not torch.cuda.is_available():
        raise ConfigError(f"train.device: {device} needs an NVIDIA GPU that torch sees (it sees none). Take train.device=cpu.")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, sums of cuBLAS depend on what else runs
    return [torch.cuda.current_device()]
