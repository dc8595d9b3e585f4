"""Is a file of a store the one that was written?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graphfuse.core.errors import IntegrityError
from graphfuse.core.files import checksum_bytes, digest_file, inside
from graphfuse.store.arrays import map_file

Key = tuple[str, int, int, int, str]
"""What tells a file from others: path, inode, size, time of change, checksum."""

_KNOWN: dict[tuple[Key, int], npt.NDArray[np.bool_]] = {}
"""Which parts this process has found right, by file and number of its parts: some are checked as a whole in one place, in blocks in
another."""


def verified(folder: Path, name: str, files: Mapping[str, Any], *, check: bool = True) -> pa.Buffer:
    """Return the content of a store's file, as mapped memory, after checking it against its entry; the checksum once per process.

    Args:
        folder: The store.
        name: The file, relative to the store.
        files: Entries of `index.json`: name -> `{"sha256", "xxh3_128", "bytes"}`.
        check: False checks the size only.

    Raises:
        IntegrityError: If the file is not listed, missing, cut short or changed.
        UnsafeError: If it leads out of the store.
    """
    path, key = found(folder, name, files)
    content = map_file(path)
    known = known_parts(key, 1)
    if check and not known[0]:
        if checksum_bytes(memoryview(content)) != files[name]["xxh3_128"]:
            raise changed(folder / name)
        known[0] = True
    return content


def known_parts(key: Key, count: int) -> npt.NDArray[np.bool_]:
    """Return which parts of a file this process has found right, to be written as more are.  [count]."""
    return _KNOWN.setdefault((key, count), np.zeros(count, dtype=np.bool_))


def check_digests(folder: Path, files: Mapping[str, Any]) -> None:
    """Check every file of a store by its SHA-256, which also tells what was changed on purpose. It takes a second per gigabyte or so.

    Raises:
        IntegrityError: If a file is missing, cut short or changed.
        UnsafeError: If one leads out of the store.
    """
    for name, entry in files.items():
        path, _ = found(folder, name, files)
        if digest_file(path) != entry["sha256"]:
            raise changed(folder / name)


def forget() -> None:
    """Let every file be checked anew at its next use, as in a new process."""
    _KNOWN.clear()


def found(folder: Path, name: str, files: Mapping[str, Any]) -> tuple[Path, Key]:
    """Return where a listed file is, and what tells it from others, if it has the size that it should have.

    Raises:
        IntegrityError: If the file is not listed, missing or cut short.
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
    return path, (str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, entry["xxh3_128"])


def changed(path: Path) -> IntegrityError:
    """Return the error that says so of a file whose checksum is another."""
    return IntegrityError(f"{path} has changed since it was written. Repeat convert, or restore the file from a copy.")


def broken(path: Path, error: Exception) -> IntegrityError:
    """Return the error that says so of a file that is as it was written, and yet not as `convert` writes it."""
    return IntegrityError(f"{path} must be as convert writes it: {error}. Repeat convert, or restore the file from a copy.")
