"""The same work by PyTorch and numpy, and by loops that `train.kernels: compiled` asks for."""

from collections.abc import Iterator, Mapping

from clock import Times
from device import DEVICE

from graphfuse.core.compiled import has_compiler

COMPILES = has_compiler() and DEVICE.type == "cpu"
"""Whether compiled loops take part."""


def by_kernels(found: Mapping[str, Times], floor: float, compiled_floor: float) -> Iterator[tuple[Times, str, float]]:
    """Yield what was measured of ours, and of `compiled` where it took part: times, what to add to the name of the work, and the floor."""
    yield found["ours"], "", floor
    if "compiled" in found:
        yield found["compiled"], " with `train.kernels: compiled`", compiled_floor
