"""Whose fault it is that a picture cannot be read: its own, or that of the machine."""

import contextlib
import errno
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import Image, UnidentifiedImageError

from graphfuse.core.errors import ResourceError
from graphfuse.reading.picture_names import FORMATS

READ = tuple(dict.fromkeys(FORMATS.values()))
"""Formats that are read."""
OF_THE_FILE = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EACCES,
    errno.EPERM,
    errno.EINVAL,
    errno.EILSEQ,
)
"""What the system says of a file or its name. All else it says (a failing disk, too many open files) is no fault of the picture."""


class PictureError(Exception):
    """A picture cannot be used; it becomes a rejection.

    Args:
        reason: A stable word, such as `picture_missing`.
        detail: A sentence for people.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@contextlib.contextmanager
def quietly(shown: str) -> Iterator[None]:
    """Turn whatever a decoder raises meanwhile into a `PictureError`, and its warnings into silence.

    Raises:
        PictureError: With the reason `image_unreadable`, or as it was raised.
        ResourceError: If memory or the system fails, and not the picture.
    """
    try:
        with blameless(shown), _any_size(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (PictureError, ResourceError):
        raise
    except Exception as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error, IndexError ...
        why = "no picture in a format that is read" if isinstance(error, UnidentifiedImageError) else str(error)[:60]
        raise PictureError(
            "image_unreadable", f"A picture must be a whole {', '.join(READ)} file (got {shown}: {why}). Fetch it again."
        ) from error


@contextlib.contextmanager
def blameless(shown: str) -> Iterator[None]:
    """Turn what is no fault of the picture into a `ResourceError`: next time it may be gone, and the picture must not be missing till then."""
    try:
        yield
    except MemoryError as error:
        raise ResourceError(
            f"Memory must suffice for every picture (it did not for {shown}). Lower --workers or max_pixels and repeat the command."
        ) from error
    except OSError as error:
        if error.errno is None or error.errno in OF_THE_FILE:  # decoders give no number
            raise
        raise ResourceError(
            f"The system must be able to read every picture (it failed for {shown}: {error.strerror}). "
            "Repeat the command; if it fails again, mend the disk or take the picture away."
        ) from error


@contextlib.contextmanager
def _any_size() -> Iterator[None]:
    """Leave the limit to `max_pixels`: Pillow's own, which all threads share, is set aside while any of them is in here."""
    with _limit.lock:
        if not _limit.users:
            _limit.pillows, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _limit.users += 1
    try:
        yield
    finally:
        with _limit.lock:
            _limit.users -= 1
            if not _limit.users:
                Image.MAX_IMAGE_PIXELS = _limit.pillows


@dataclass
class _Limit:
    pillows: int | None = None
    users: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_limit = _Limit()
