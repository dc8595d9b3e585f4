"""Thumbnails inside the page: decoded by the same careful steps as conversion, re-encoded, no metadata."""

import base64
import io
from pathlib import Path

from graphfuse.modalities._picture_faults import PictureError
from graphfuse.modalities._pictures import decode, find_picture
from graphfuse.report.data import Picture

LARGEST_SIDE = 480
"""Pixels."""
MOST_PIXELS = 64_000_000
MOST_BYTES = 64_000_000


def thumbnail(root: Path | None, name: str) -> Picture:
    """Return a picture as a data address of at most 480 pixels, or its empty frame with a note why.

    Args:
        root: Folder of the pictures, which `name` may not leave; None if it is not known.
        name: Path relative to `root`.
    """
    if root is None:
        return _frame("picture not shown: its folder is not known")
    try:
        image = decode(find_picture(root, name, MOST_PIXELS, MOST_BYTES), LARGEST_SIDE)
    except PictureError as error:
        return _frame("picture not found" if error.reason == "picture_missing" else "picture cannot be read")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=84, optimize=True)
    uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(uri=uri, width=image.width, height=image.height)


def _frame(note: str) -> Picture:
    return Picture(uri=None, width=480, height=360, note=note)
