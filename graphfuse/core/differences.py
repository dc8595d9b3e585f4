"""What differs between two values of plain JSON."""

from collections.abc import Iterator
from typing import Any


def differences(before: Any, now: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, old, new) of the parts that differ; None stands for what is not there.

    Args:
        before: JSON value.
        now: JSON value.
        place: Path of both, put in front.
    """
    dot = f"{place}." if place else ""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from differences(before.get(key), now.get(key), f"{dot}{key}")
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for position, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from differences(old, new, f"{dot}{position}")
    elif before != now:
        yield place, before, now
