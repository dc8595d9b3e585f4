"""Opening pictures that nobody vouched for: where they lie, how large they are, and what is in them, in that order."""

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from graphfuse.core.errors import UnsafeError
from graphfuse.core.files import checksum_bytes, digest_bytes, inside
from graphfuse.modalities._picture_faults import READ, PictureError, blameless, quietly
from graphfuse.reading.picture_names import FORMATS

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what makes the picture upright."""
ORIENTATION_TAG = 0x0112
DECODING = 3
"""Part of the cache key: raise it whenever `decode` would give other pixels."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture whose header was read; nothing is decoded yet."""

    path: Path
    digest: str
    """SHA-256 of the file."""
    checksum: str
    """XXH3-128 of the file, by which `decode` knows it again."""
    num_bytes: int
    width: int
    height: int
    """Pixels of the upright picture."""
    orientation: int
    note: str = ""
    """What a person should know although the picture is used: its name does not say its format."""


def find_picture(root: Path, name: str, max_pixels: int, max_bytes: int) -> Picture:
    """Return a picture that lies in the folder and is small enough to decode, by its header.

    Raises:
        PictureError: With the reason `remote_image`, `path_outside`, `picture_missing`, `image_too_large` or `image_unreadable`.
        ResourceError: If memory or the system fails, and not the picture.
    """
    shown = f"'{name[:40]}'"
    try:
        with blameless(shown):
            path = inside(root, name)
            info = path.stat()
    except UnsafeError as error:
        raise PictureError("remote_image" if "://" in name else "path_outside", str(error)) from error
    except (OSError, ValueError) as error:
        raise PictureError(
            "picture_missing", f"A picture must be a file under the pictures' folder (got {shown}). Copy it there or mend the cell."
        ) from error
    if info.st_size > max_bytes:
        raise PictureError("image_too_large", f"A picture file may hold {max_bytes:,} bytes (got {info.st_size:,} in {shown}). Shrink it.")
    return _read_header(path, shown, max_pixels, (info.st_mtime_ns, info.st_size, info.st_ino))


@lru_cache(maxsize=65536)
def _read_header(path: Path, shown: str, max_pixels: int, version: tuple[int, ...]) -> Picture:
    """Read a file's header; `version` makes a changed file a new one."""
    if version[1] == 0:
        raise PictureError("image_unreadable", f"A picture must have content (got an empty file, {shown}). Fetch it again.")
    content = _read(path, version[1], shown)
    with quietly(shown):
        image = Image.open(io.BytesIO(content), formats=READ)
    with image:
        width, height = image.size
        if width * height > max_pixels:
            raise PictureError(
                "image_too_large",
                f"A picture may have {max_pixels:,} pixels (got {width} x {height} in {shown}). Shrink it, or raise max_pixels.",
            )
        orientation = _orientation(image)
        true_format = "JPEG" if image.format == "MPO" else image.format
    expected = FORMATS.get(path.suffix.lower())
    note = ""
    if expected is not None and expected != true_format:
        note = f"A picture's ending should say its format (got {true_format} in {shown}); it was used all the same. Rename it."
    if orientation >= 5:
        width, height = height, width
    return Picture(
        path=path,
        digest=digest_bytes(content),
        checksum=checksum_bytes(content),
        num_bytes=len(content),
        width=width,
        height=height,
        orientation=orientation,
        note=note,
    )


def decode(picture: Picture, size: int) -> Image.Image:
    """Return a picture as upright RGB, on white where it is transparent, its longer side at most `size` pixels.

    JPEG files are decoded at a reduced scale where that is enough. Of an animation, the first frame.

    Raises:
        PictureError: With the reason `image_unreadable`, or `picture_changed` if the file is no longer the one whose header was read:
            its features would be kept for the other's digest.
        ResourceError: If memory or the system fails, and not the picture.
    """
    shown = f"'{picture.path.name[:40]}'"
    content = _read(picture.path, picture.num_bytes, shown)
    if checksum_bytes(content) != picture.checksum:
        raise PictureError(
            "picture_changed", f"A picture must stay the same while a command runs (got {shown}, which was replaced). Repeat the command."
        )
    with quietly(shown), Image.open(io.BytesIO(content), formats=READ) as image:
        scale = min(1.0, size / max(image.size))
        width, height = (max(1, round(side * scale)) for side in image.size)
        image.draft("RGB", (width, height))  # the shorter side, too, decides: asked for a square, it would decode the whole
        image.load()
        upright = _to_rgb(image)
        if upright.size != (width, height):
            upright = upright.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
        return upright.transpose(UPRIGHT[picture.orientation]) if picture.orientation in UPRIGHT else upright


def _read(path: Path, num_bytes: int, shown: str) -> bytes:
    """Return a file's content; of one that has grown since, one byte more than it had, which is enough to see it."""
    with quietly(shown), path.open("rb") as file:
        return file.read(num_bytes + 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits of grey: PIL's own conversion would clip at 255
        grey = np.asarray(image, dtype=np.float64)
        scale = 257.0 if image.mode.startswith("I;16") or grey.max(initial=0) > 255 else 1.0
        return Image.fromarray(np.clip(np.rint(grey / scale), 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) where there is none that can be read."""
    if "exif" not in image.info:
        return 1
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001  (a broken note must not lose the picture it hangs on)
        return 1
    return value if value in UPRIGHT else 1
