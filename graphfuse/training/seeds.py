"""What makes results repeat: deterministic algorithms, a thread count, and which loops attend."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from graphfuse.nn.compiled import Kernels, attend_by


@contextmanager
def reproducible(*, threads: int, fast: bool, kernels: Kernels = "torch") -> Iterator[None]:
    """Run torch deterministically on a number of threads; everything is as before afterwards, random numbers included.

    Args:
        threads: Torch threads, 0 for torch's choice. Sums are split by thread, so results repeat for one number only.
        fast: Leave deterministic algorithms off.
        kernels: What attends along edges: PyTorch, or compiled loops.

    Raises:
        ConfigError: If loops are to be compiled and there is no compiler.
    """
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
    with torch.random.fork_rng(devices=[]), attend_by(kernels):
        try:
            if threads:
                torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(not fast)
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1], warn_only=before[2])
