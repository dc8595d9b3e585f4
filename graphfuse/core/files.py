"""Files written whole or not at all, digests, and paths that stay in their folder."""

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from graphfuse.core.errors import IntegrityError, ResourceError, UnsafeError

NO_SPACE = {28: "no space left", 122: "quota reached", 27: "file too large"}
"""Operating system errors that mean the disk does not suffice (ENOSPC, EDQUOT, EFBIG)."""


PIECE = 2**20
"""Bytes that are read at a time: they are still near the processor when they are used."""


def write_bytes(path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Write a file atomically: temporary file beside it, flush, fsync, rename, fsync the folder.

    Args:
        path: The file.
        content: All of it.
        lasting: False leaves out both fsyncs: for what is digested before it is used again, and made anew if it is not whole.

    Raises:
        ResourceError: If the disk is full; the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with room_for(path, len(content)):
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                if lasting:
                    os.fsync(file.fileno())
            temporary.replace(path)
    except (OSError, ResourceError):
        temporary.unlink(missing_ok=True)
        raise
    if lasting:
        sync_folder(path.parent)


def is_leftover(path: Path) -> bool:
    """Return whether a file is what `write_bytes` leaves when its process is killed."""
    return re.fullmatch(r"\..+\.\d+\.tmp", path.name) is not None and path.is_file()


def remove_leftovers(folder: Path) -> None:
    """Remove, from a folder that is ours, what processes left that were killed while writing."""
    for path in sorted(folder.rglob(".*.tmp")):
        if is_leftover(path):
            path.unlink()


@contextmanager
def room_for(path: Path, num_bytes: int) -> Iterator[None]:
    """Say so where the disk does not suffice for what is written meanwhile.

    Raises:
        ResourceError: If it is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise ResourceError(
                f"Writing {path} needs {num_bytes:,} bytes ({NO_SPACE[error.errno]}). "
                "Make room and repeat the command (train: with --resume); it resumes."
            ) from error
        raise


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON atomically, with sorted keys, so that equal content gives equal bytes."""
    write_bytes(path, (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that graphfuse wrote.

    Raises:
        IntegrityError: If the file is missing or is not a JSON object.
    """
    return read_json_text(path)[0]


def read_json_text(path: Path) -> tuple[dict[str, Any], bytes]:
    """Read a JSON object that graphfuse wrote, and return it with the text that it was read from; errors as `read_json`."""
    try:
        content = path.read_bytes()
        value = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(
            f"{path} must be a readable JSON file ({error}). Was the command that makes it interrupted? Repeat it."
        ) from error
    if not isinstance(value, dict):
        raise IntegrityError(f"{path} must hold a JSON object (got {type(value).__name__}).")
    return value, content


def digest_bytes(content: bytes | memoryview) -> str:
    """Return the SHA-256 of some bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_bytes(content: bytes | memoryview) -> str:
    """Return the XXH3-128 of some bytes, in hex. It notices damage as a digest does, many times as fast; what was forged it may not."""
    return xxhash.xxh3_128_hexdigest(content)


def checksum_file(path: Path) -> str:
    """Return the XXH3-128 of a file, in hex."""
    checksum = xxhash.xxh3_128()
    for piece in read_pieces(path):
        checksum.update(piece)
    return checksum.hexdigest()


def read_pieces(path: Path) -> Iterator[memoryview]:
    """Read a file from first to last; a piece is gone when the next is asked for."""
    piece = memoryview(bytearray(PIECE))
    with path.open("rb", buffering=0) as file:
        read_once(file.fileno())
        while size := file.readinto(piece):
            yield piece[:size]


def read_once(handle: int) -> None:
    """Tell the system, where it can be told, to throw out what it caches of an open file before it throws out anything else."""
    with suppress(AttributeError, OSError):  # not every system has it, nor every kind of file
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_NOREUSE)


def file_entries(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return `{name: {"sha256", "xxh3_128", "bytes"}}` of some files, named relative to their folder.

    The first is what a file *is*, for people and receipts to compare; the second is what is checked before a file is used.
    """
    return {name: _entry(folder / name) for name in names}


def _entry(path: Path) -> dict[str, Any]:
    digest, checksum, size = hashlib.sha256(), xxhash.xxh3_128(), 0
    for piece in read_pieces(path):
        digest.update(piece)
        checksum.update(piece)
        size += len(piece)
    return {"sha256": digest.hexdigest(), "xxh3_128": checksum.hexdigest(), "bytes": size}


def inside(root: Path, name: str) -> Path:
    """Return the real path of `name` under `root`: a regular file that lies in the folder, links resolved.

    Raises:
        UnsafeError: If the name is absolute, a URL, holds NUL or a backslash, leaves the folder, or is no regular file.
        FileNotFoundError: If there is no such file.
    """
    shown = name[:40]
    if "://" in name:
        raise UnsafeError(f"A path must be a file, not an address (got '{shown}'). Download it beside the table first.")
    if "\0" in name or "\\" in name or name.startswith(("/", "~")) or name[1:2] == ":":
        raise UnsafeError(f"A path must be relative with forward slashes (got '{shown}'). Give it relative to the table's folder.")
    base = root.resolve()
    with _no_circles(shown):
        real = _real(base, name)
    if not real.is_relative_to(base):
        raise UnsafeError(f"A path may not leave its folder (got '{shown}'). Copy the file into it.")
    with _no_circles(shown):
        mode = os.stat(real).st_mode
    if not stat.S_ISREG(mode):
        raise UnsafeError(f"A path must name a regular file (got '{shown}'). Put the file itself there, no folder or pipe.")
    return real


@contextmanager
def _no_circles(shown: str) -> Iterator[None]:
    """Refuse links that lead back to themselves: `Path.resolve` raises RuntimeError before Python 3.13, and nothing since; `stat` ELOOP."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.ELOOP:
            raise
        raise UnsafeError(f"A path may not go in circles (got '{shown}'). Put the file itself there, no link.") from error


def _real(base: Path, name: str) -> Path:
    """Return `(base / name).resolve()`; since `base` is real itself, most names need no look at each folder from the root on."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    places = list(accumulate(parts, "{}/{}".format, initial=str(base)))[1:]
    return (base / name).resolve() if ".." in parts or any(map(os.path.islink, places)) else base.joinpath(*parts)


def pack_strings(values: list[str]) -> npt.NDArray[np.uint8]:
    """Return text values as one uint8 array, so that they fit in a state of named arrays."""
    return np.frombuffer(json.dumps(values, ensure_ascii=False).encode(), dtype=np.uint8).copy()


def unpack_strings(array: npt.NDArray[Any]) -> list[str]:
    """Return the values that `pack_strings` packed."""
    return [str(value) for value in json.loads(array.astype(np.uint8).tobytes())]
