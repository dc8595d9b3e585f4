"""Lines of JSON -> records."""

import json
from collections.abc import Iterator
from typing import Any

from graphfuse.core.columns import clean_name

MAX_LINE = 10_000_000
"""Most characters in one line."""


def read_objects(lines: list[str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield line number and object, or line number and what is wrong with the line; blank lines are no records.

    `NaN` is a missing value, and `Infinity` stays an infinite number (a bad cell where a number is wanted).
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, _object(line)


def _object(line: str) -> dict[str, Any] | str:
    if len(line) > MAX_LINE:
        return f"a line may hold at most {MAX_LINE:,} characters (got {len(line):,})"
    try:
        value = json.loads(line, object_pairs_hook=_unique)
    except RecursionError:
        return "a JSON value may not be nested so deeply"
    except ValueError as error:
        return f"a line must be one JSON object ({str(error)[:80]})"
    if not isinstance(value, dict):
        return f"a line must be one JSON object (got {type(value).__name__})"
    named = {clean_name(name): cell for name, cell in value.items()}
    return named if len(named) == len(value) else "two names of the object differ in blanks only"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return value
