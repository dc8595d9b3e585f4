"""Is a file of a store the one that was written?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from graphfuse.core.errors import IntegrityError
from graphfuse.core.files import checksum_bytes, checksum_file, digest_file, inside
from graphfuse.store.arrays import map_file

_CHECKED: set[tuple[str, int, int, int, str]] = set()
"""Files whose checksum this process has found right: path, inode, size, time of change, checksum."""


def verified(folder: Path, name: str, files: Mapping[str, Any], *, check: bool = True, whole: bool = False) -> pa.Buffer:
    """Return the content of a store's file, as mapped memory, after checking it against its entry; the checksum once per process.

    Args:
        folder: The store.
        name: The file, relative to the store.
        files: Entries of `index.json`: name -> `{"sha256", "xxh3_128", "bytes"}`.
        check: False checks the size only.
        whole: The file is one of many that are used one after the other. It is checked whether its checksum is known or not,
            by reading it from first to last: a disk gives bytes faster so than where they are touched in mapped memory.

    Raises:
        IntegrityError: If the file is not listed, missing, cut short or changed.
        UnsafeError: If it leads out of the store.
    """
    path, key = _found(folder, name, files)
    content = map_file(path, once=whole)
    if check and (whole or key not in _CHECKED):
        if (checksum_file(path) if whole else checksum_bytes(memoryview(content))) != files[name]["xxh3_128"]:
            raise _changed(folder / name)
        _CHECKED.add(key)
    return content


def check_digests(folder: Path, files: Mapping[str, Any]) -> None:
    """Check every file of a store by its SHA-256, which also tells what was changed on purpose. It takes a second per gigabyte or so.

    Raises:
        IntegrityError: If a file is missing, cut short or changed.
        UnsafeError: If one leads out of the store.
    """
    for name, entry in files.items():
        path, _ = _found(folder, name, files)
        if digest_file(path) != entry["sha256"]:
            raise _changed(folder / name)


def forget() -> None:
    """Let every file be checked anew at its next use, as in a new process."""
    _CHECKED.clear()


def _found(folder: Path, name: str, files: Mapping[str, Any]) -> tuple[Path, tuple[str, int, int, int, str]]:
    """Return where a listed file is, and what tells it from others, if it has the size that it should have."""
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


def _changed(path: Path) -> IntegrityError:
    return IntegrityError(f"{path} has changed since it was written. Repeat convert, or restore the file from a copy.")
