"""What makes results repeat: deterministic algorithms and a thread count."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def reproducible(*, threads: int, fast: bool) -> Iterator[None]:
    """Run torch deterministically on a number of threads; everything is as before afterwards, random numbers included.

    Args:
        threads: Torch threads, 0 for torch's choice. Sums are split by thread, so results repeat for one number only.
        fast: Leave deterministic algorithms off.
    """
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
    with torch.random.fork_rng(devices=[]):
        try:
            if threads:
                torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(not fast)
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1], warn_only=before[2])
