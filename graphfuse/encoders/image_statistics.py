"""Colour, edge, texture and shape statistics of picture regions: offline, deterministic, nothing to download."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL.Image import Resampling

from graphfuse.core.sockets import ImageEncoder
from graphfuse.core.tables import FloatArray
from graphfuse.encoders._pixels import GREYS, HARMONICS, HUES, ORIENTATIONS, RADII, SCALES, colours, edges, foreground, shape

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 3
"""Part of the cache key: raise it whenever the same picture would give another vector."""

SIDE = 24
"""Pixels that a region is reduced to: enough to tell shapes, small enough for thousands of pictures."""
BATCH = 64
"""Regions computed at a time, which bounds the memory of one call."""
CHANNELS = 2 * (2 * HUES + GREYS + 6) + (4 + RADII + 2 * HARMONICS) + (5 * ORIENTATIONS + SCALES)


@dataclass(frozen=True, kw_only=True)
class ImageStatistics(ImageEncoder):
    """Hand-made statistics of each region, brought to 24 x 24 pixels.

    Colour histograms and moments over the region and over what stands out from its border; the shape of what stands out
    (radial profile and circular harmonics around its own centre); edge orientations over the region and its quarters; texture
    energy by scale. Enough for a linear model to tell 8 colours and 6 shapes; not a network, and no match for one on photographs.
    """

    @property
    def channels(self) -> int:
        """Return the number of statistics."""
        return CHANNELS

    def identity(self) -> str:
        """Return the name and the version of the method."""
        return f"{self!r} version {VERSION}"

    def encode(self, pictures: "Sequence[Image]", boxes: Sequence[FloatArray]) -> list[FloatArray]:
        """Return one array [num_boxes, channels] per RGB picture; boxes are fractions of width and height."""
        counts = [len(part) for part in boxes]
        tiles = [tile for picture, part in zip(pictures, boxes, strict=True) for tile in _tiles(picture, part)]
        parts = [_statistics(_pixels(tiles[start : start + BATCH])) for start in range(0, len(tiles), BATCH)]
        vectors = np.concatenate(parts) if parts else np.zeros((0, CHANNELS), dtype=np.float32)
        return np.split(vectors, np.cumsum(counts)[:-1]) if counts else []


def _tiles(picture: "Image", boxes: FloatArray) -> "list[Image]":
    """Return each box as a picture of SIDE x SIDE pixels."""
    width, height = picture.size
    scale = np.array([width, height, width, height])
    pixels = np.clip(boxes.astype(np.float64) * scale, 0, scale)
    return [picture.resize((SIDE, SIDE), Resampling.BILINEAR, box=tuple(box)) for box in pixels.tolist()]


def _pixels(tiles: "list[Image]") -> npt.NDArray[np.uint8]:
    """Return the pixels of tiles, [n, SIDE, SIDE, 3]; an array of each would take twice the time."""
    return np.frombuffer(b"".join([tile.tobytes() for tile in tiles]), dtype=np.uint8).reshape(-1, SIDE, SIDE, 3)


def _statistics(tiles: np.ndarray) -> FloatArray:
    """Return the statistics of uint8 tiles [n, SIDE, SIDE, 3]."""
    rgb: FloatArray = np.divide(tiles, 255, dtype=np.float32)
    grey: FloatArray = rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    mask = foreground(rgb)
    parts = [colours(rgb, [np.ones_like(grey), mask]), shape(mask), edges(grey)]
    return np.concatenate(parts, axis=1).astype(np.float32)
