"""Is a file of a store the one that was written?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphfuse.core.errors import IntegrityError
from graphfuse.core.files import digest_file, inside

_VERIFIED: set[tuple[str, int, int, int, str]] = set()
"""Files whose digest this process has checked: path, inode, size, time of change, digest."""


def verified(folder: Path, name: str, files: Mapping[str, Any], *, digest: bool = True) -> Path:
    """Return the path of a store's file after checking it against its entry; the digest once per process.

    Args:
        folder: The store.
        name: The file, relative to the store.
        files: Entries of `index.json`: name -> `{"sha256", "bytes"}`.
        digest: False checks the size only.

    Raises:
        IntegrityError: If the file is not listed, missing, cut short or changed.
        UnsafeError: If it leads out of the store.
    """
    if name not in files:
        raise IntegrityError(f"{folder / 'index.json'} must list {name}, and does not. Repeat convert into a new folder.")
    entry = files[name]
    try:
        path = inside(folder, name)
        stat = path.stat()
    except FileNotFoundError as error:
        raise IntegrityError(f"{folder / name} is missing. Repeat convert, or restore the file from a copy of the store.") from error
    if stat.st_size != entry["bytes"]:
        raise IntegrityError(
            f"{folder / name} must have {entry['bytes']:,} bytes (has {stat.st_size:,}). Repeat convert, or restore the file from a copy."
        )
    key = (str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, str(entry["sha256"]))
    if digest and key not in _VERIFIED:
        if digest_file(path) != entry["sha256"]:
            raise IntegrityError(f"{folder / name} has changed since it was written. Repeat convert, or restore the file from a copy.")
        _VERIFIED.add(key)
    return path
