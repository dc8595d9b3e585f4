"""Pictures cut into grid cells and given boxes, each a vector from one pass over its picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from PIL.Image import Image as PILImage
from pydantic import PositiveInt

from graphfuse.core.cache import feature_key, open_cache
from graphfuse.core.columns import frame_of, text_array
from graphfuse.core.errors import InputError
from graphfuse.core.sockets import Modality
from graphfuse.core.tables import FloatArray, Manifest, NodeTable, State
from graphfuse.modalities._boxes import given_boxes, grid_boxes
from graphfuse.modalities._columns import require_columns
from graphfuse.modalities._encoding import build_image_encoder
from graphfuse.modalities._picture_faults import PictureError
from graphfuse.modalities._pictures import DECODING, Picture, decode, find_picture
from graphfuse.modalities._settings import checked_encoder
from graphfuse.modalities._standard import fit_standard, standardised

BATCH = 32
"""Pictures decoded at a time: bounds memory."""


@dataclass(frozen=True, kw_only=True)
class _Item:
    """One usable picture of one row, with its regions."""

    sample: int
    position: int
    name: str
    picture: Picture
    boxes: FloatArray


@dataclass(frozen=True, kw_only=True)
class Image(Modality):
    """One `image_region` node per grid cell and per box; equal files are encoded once.

    A picture that cannot be used has no nodes, never a vector of zeros; it is counted with its reason.
    """

    modality: ClassVar[str] = "image"
    node_type: ClassVar[str] = "image_region"

    grid: PositiveInt | tuple[PositiveInt, PositiveInt] | None = 4
    """Cells: `4` is 4 rows of 4, `[2, 3]` is 2 rows of 3, null is none."""
    boxes: str | None = None
    """A column with a JSON list of boxes `[x0, y0, x1, y1]` on the (first) picture, or one such list per picture;
    fractions of width and height if no value exceeds 1, else pixels of the upright picture."""
    whole: bool = False
    """Add the whole picture as a region."""
    max_pictures: PositiveInt = 8
    """Of a row with more pictures only the first are used; the cut is noted (`too_many_pictures`)."""
    max_boxes: PositiveInt = 64
    """Of a picture with more boxes only the first are used; the cut is noted (`too_many_boxes`)."""
    max_pixels: PositiveInt = 64_000_000
    """Larger pictures are refused by their header, before decoding (`image_too_large`)."""
    max_bytes: PositiveInt = 64_000_000
    """Larger files are refused (`image_too_large`)."""
    size: PositiveInt = 512
    """Longest side in pixels that the encoder sees; larger pictures are reduced."""
    standardise: bool = True
    """Subtract the train rows' mean vector and divide by their deviation."""
    encoder: Mapping[str, Any] = field(default_factory=lambda: {"name": "image_statistics"})

    def __post_init__(self) -> None:
        """Check that there is a region at all, and the encoder's settings."""
        if self.grid is None and self.boxes is None and not self.whole:
            raise ValueError("needs a region: give grid, boxes or whole")
        checked_encoder(build_image_encoder, self.encoder)

    def fit(self, manifest: Manifest) -> State:
        """Learn the mean and deviation of the regions' vectors.

        Raises:
            InputError: If the data set names no pictures.
        """
        if "pictures" not in manifest.samples:
            raise InputError("modalities.image needs pictures (the data set names none). Set dataset.pictures, or leave the modality out.")
        return fit_standard(self, manifest) if self.standardise else {}

    def channels(self, state: State) -> int:
        """Return the encoder's channels."""
        return build_image_encoder(self.encoder).channels

    def nodes(self, chunk: Manifest, state: State) -> NodeTable:
        """Return the regions of the chunk's pictures, ordered by row, picture and region: the whole, grid cells, boxes.

        Rows without a list of pictures (new rows to predict, say) have none.

        Raises:
            InputError: If the column of boxes is missing.
        """
        require_columns(chunk.samples, [self.boxes] if self.boxes else [], "samples", "modalities.image.boxes")
        # 1. Find the pictures and their regions; headers are read, nothing is decoded.
        items, rejections = self._items(chunk)
        # 2. Encode what the cache does not know; a picture that turns out to be damaged has no rows.
        arrays, broken = self._encode(items)
        rejections += broken
        # 3. Lay them in tables.
        kept = [(item, array) for item, array in zip(items, arrays, strict=True) if len(array)]
        x = np.concatenate([array for _, array in kept]) if kept else np.zeros((0, self.channels(state)), dtype=np.float32)
        return NodeTable(
            node_type=self.node_type,
            sample=np.repeat([item.sample for item, _ in kept], [len(array) for _, array in kept]).astype(np.int64),
            x=standardised(x, state),
            units=_units([item for item, _ in kept]),
            rejections=tuple(
                sorted(
                    (chunk.reject(sample, reason, detail, column=column) for sample, column, reason, detail in rejections),
                    key=lambda rejection: rejection.row,
                )
            ),
        )

    def _items(self, chunk: Manifest) -> tuple[list[_Item], list[tuple[int, str, str, str]]]:
        """Return the usable pictures, and (sample, column, reason, detail) of what is not."""
        items: list[_Item] = []
        rejections: list[tuple[int, str, str, str]] = []
        cells = chunk.samples[self.boxes].tolist() if self.boxes else [None] * len(chunk)
        lists = chunk.samples["pictures"].tolist() if "pictures" in chunk.samples else [[]] * len(chunk)
        for sample, (names, cell) in enumerate(zip(lists, cells, strict=True)):
            if len(names) > self.max_pictures:
                detail = f"A row may have {self.max_pictures} pictures (got {len(names)}); the rest was left out. Raise max_pictures."
                rejections.append((sample, "pictures", "too_many_pictures", detail))
            for position, name in enumerate(names[: self.max_pictures]):
                try:
                    picture = find_picture(chunk.root, name, self.max_pixels, self.max_bytes)
                except PictureError as error:
                    rejections.append((sample, "pictures", error.reason, error.detail))
                    continue
                if picture.note:
                    rejections.append((sample, "pictures", "picture_mislabelled", picture.note))
                boxes, problems = self._regions(cell, position, picture)
                rejections += [(sample, self.boxes or "", reason, detail) for reason, detail in problems]
                if len(boxes):
                    items.append(_Item(sample=sample, position=position, name=name, picture=picture, boxes=boxes))
        return items, rejections

    def _regions(self, cell: object, position: int, picture: Picture) -> tuple[FloatArray, list[tuple[str, str]]]:
        """Return one picture's boxes in fractions [num_boxes, 4], and (reason, detail) of those that are wrong."""
        parts = [np.array([[0, 0, 1, 1]], dtype=np.float32)] if self.whole else []
        if self.grid is not None:
            rows, columns = (self.grid, self.grid) if isinstance(self.grid, int) else self.grid
            parts.append(grid_boxes(rows, columns))
        given, problems = given_boxes(cell, position, picture.width, picture.height, self.max_boxes)
        return np.concatenate([*parts, given]), problems

    def _encode(self, items: list[_Item]) -> tuple[list[FloatArray], list[tuple[int, str, str, str]]]:
        encoder = build_image_encoder(self.encoder)
        identity = f"{encoder.identity()} size={self.size} decoding={DECODING}"
        keys = [feature_key(identity, item.picture.digest.encode(), item.boxes.tobytes()) for item in items]
        broken: dict[str, PictureError] = {}

        def compute(positions: list[int]) -> list[FloatArray]:
            arrays: dict[int, FloatArray] = {}
            for start in range(0, len(positions), BATCH):
                pictures: dict[int, PILImage] = {}
                for position in positions[start : start + BATCH]:
                    try:
                        pictures[position] = decode(items[position].picture, self.size)
                    except PictureError as error:
                        broken[keys[position]] = error
                        arrays[position] = np.zeros((0, encoder.channels), dtype=np.float32)
                fresh = encoder.encode(list(pictures.values()), [items[position].boxes for position in pictures])
                arrays |= dict(zip(pictures, fresh, strict=True))
            return [arrays[position] for position in positions]

        arrays = open_cache().encode(keys, compute)
        rejections = [
            (item.sample, "pictures", broken[key].reason, broken[key].detail)
            for item, key in zip(items, keys, strict=True)
            if key in broken
        ]
        return arrays, rejections


def _units(items: list[_Item]) -> pd.DataFrame:
    counts = [len(item.boxes) for item in items]
    boxes = np.concatenate([item.boxes for item in items]) if items else np.zeros((0, 4), dtype=np.float32)
    columns = {
        "path": text_array([item.name for item in items for _ in item.boxes]),
        "picture": np.repeat(np.array([item.position for item in items], dtype=np.int64), counts),
        **{name: boxes[:, axis] for axis, name in enumerate(("x0", "y0", "x1", "y1"))},
    }
    return frame_of(columns)
