"""One writer per folder: an advisory lock that a dead process cannot leave behind."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from graphfuse.core.errors import InputError, LockedError

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder (made if need be) for writing; the lock file is gone afterwards.

    Raises:
        LockedError: If another process holds it; at once, without waiting.
        InputError: If there is a file where the folder should be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"--out must be a folder, and a file is in its place (got '{folder}'). Choose another name.") from error
    handle = _acquire(folder / LOCK)
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)  # while it is still held, so that nobody else's file is removed
        os.close(handle)


def _acquire(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = _owner(handle)
            os.close(handle)
            raise LockedError(f"Only one command may write to {path.parent} at a time ({owner}). Wait for it, or stop it.") from error
        if _is_current(handle, path):
            break
        os.close(handle)  # the owner before us removed the file between our opening and locking it
    os.ftruncate(handle, 0)
    owner = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": datetime.now(UTC).isoformat(timespec="seconds")})
    os.write(handle, owner.encode())
    return handle


def _is_current(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _owner(handle: int) -> str:
    """Return who holds the lock, as far as the file says."""
    try:
        value = json.loads(os.pread(handle, 1000, 0))
        return f"process {value['pid']} on {value['host']} since {value['started']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
