"""Regions of pictures: grid cells, and boxes that a column gives."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from graphfuse.core.columns import MISSING_WORDS
from graphfuse.core.tables import FloatArray

Problem = tuple[str, str]
"""(stable reason, sentence for people)."""

LEAST = 1e-4
"""Smallest width and height of a box, as a fraction; what is thinner shows nothing."""

ABOVE_FRACTIONS = 1 + 1e-3
"""Where a number of a picture's boxes is larger, they are pixels; detectors write fractions that are 1 and a rounding."""


def grid_boxes(rows: int, columns: int) -> FloatArray:
    """Return the cells of a grid, row by row, as x0, y0, x1, y1 fractions.  [rows * columns, 4]."""
    top, left = np.divmod(np.arange(rows * columns), columns)
    return np.stack([left / columns, top / rows, (left + 1) / columns, (top + 1) / rows], axis=1).astype(np.float32)


def given_boxes(cell: object, position: int, width: int, height: int, max_boxes: int) -> tuple[FloatArray, list[Problem]]:
    """Return one picture's boxes out of a cell, as fractions inside the picture, and what is wrong with the others.

    Args:
        cell: JSON text or a list: boxes of the first picture, or one list of boxes per picture.
        position: The picture's place in its row.
        width: Pixels of the upright picture.
        height: Pixels of the upright picture.
        max_boxes: Most boxes used.
    """
    nothing = np.zeros((0, 4), dtype=np.float32)
    try:
        boxes = _boxes_of(_parse(cell), position)
    except (TypeError, ValueError):
        detail = f"Boxes must be a JSON list of [x0, y0, x1, y1] (got '{str(cell)[:40]}'); they were left out. Mend the cell."
        return nothing, [("boxes_unreadable", detail)] if position == 0 else []
    problems: list[Problem] = []
    if len(boxes) > max_boxes:
        problems.append(
            ("too_many_boxes", f"A picture may have {max_boxes} boxes (got {len(boxes)}); the rest was left out. Raise max_boxes.")
        )
    boxes = boxes[:max_boxes]
    numbers = [_numbers(box) for box in boxes]
    known = [values for values in numbers if values is not None]
    in_pixels = any(max(values) > ABOVE_FRACTIONS for values in known)
    scale = np.array([width, height, width, height], dtype=np.float64) if in_pixels else np.ones(4)
    kept = []
    for box, values in zip(boxes, numbers, strict=True):
        x0, y0, x1, y1 = np.clip(np.array(values) / scale, 0, 1) if values is not None else (0.0, 0.0, 0.0, 0.0)
        if x1 - x0 >= LEAST and y1 - y0 >= LEAST:
            kept.append((x0, y0, x1, y1))
        else:
            detail = (
                f"A box must be [x0, y0, x1, y1] with x0 < x1 and y0 < y1 inside the picture (got '{str(box)[:40]}'); "
                "it was left out. Mend the cell."
            )
            problems.append(("box_invalid", detail))
    return np.array(kept, dtype=np.float32).reshape(-1, 4), problems


def _parse(cell: object) -> list[Any]:
    """Return the list in a cell, empty where the cell is.

    Raises:
        ValueError: If there is text that is not JSON.
        TypeError: If there is something else than a list.
    """
    if isinstance(cell, str):
        if cell.strip().lower() in MISSING_WORDS:
            return []
        try:
            cell = json.loads(cell)
        except RecursionError as error:
            raise ValueError("too deep") from error
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return []
    if not isinstance(cell, Iterable) or isinstance(cell, dict | str | bytes):
        raise TypeError("not a list")
    return list(cell)


def _boxes_of(value: list[Any], position: int) -> list[Any]:
    """Return the boxes of the picture at `position`."""
    if value and all(_is_list(item) and all(_is_list(box) for box in item) for item in value):  # one list per picture
        return list(value[position]) if position < len(value) else []
    if not all(_is_list(item) for item in value):
        raise ValueError("not a list of boxes")
    return value if position == 0 else []


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _numbers(box: Iterable[Any]) -> tuple[float, ...] | None:
    """Return four finite numbers, or None."""
    try:
        values = tuple(float(value) for value in box)
    except (TypeError, ValueError, OverflowError):
        return None
    return values if len(values) == 4 and all(np.isfinite(values)) else None
