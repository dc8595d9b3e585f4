"""A feature cache keyed by content and encoder, shared by all verbs.

One SQLite file: safe with several processes, never the wrong vector, since the key is a digest of everything the
vector depends on. `GRAPHFUSE_CACHE` names the folder (default `~/.cache/graphfuse`); `off` turns it off.

It only saves time, so nothing ends because of it: a damaged file is set aside and a new one begun, and where none can be read or
written, each process says so once and computes what it needs.
"""

import os
import sqlite3
import struct
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

import numpy as np

from graphfuse.core.files import digest_bytes
from graphfuse.core.tables import FloatArray

WAIT = 60.0
"""Seconds until another process must have finished what it writes."""

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_off: ContextVar[bool] = ContextVar("off", default=False)
_counts = {"hits": 0, "misses": 0}
_unusable: set[Path] = set()
"""Folders that this process goes without."""


def cache_counts() -> tuple[int, int]:
    """Return how many features this process has found in a cache, and how many it had to compute, so far."""
    return _counts["hits"], _counts["misses"]


class FeatureCache:
    """Arrays [rows, channels] by key.

    Args:
        folder: Where `features.sqlite` lies, or None for a cache that keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.hits = 0
        self.misses = 0
        self._folder = folder

    def encode(self, keys: Sequence[str], compute: Callable[[list[int]], list[FloatArray]]) -> list[FloatArray]:
        """Return one array per key; `compute` is asked once for the positions that are not yet known.

        Equal keys are computed once. Arrays without rows stand for content that could not be encoded; they are
        given back but not kept, so that the reason is found again next time.
        """
        found = self._read(set(keys))
        first = {key: position for position, key in reversed(list(enumerate(keys)))}
        missing = [position for key, position in sorted(first.items(), key=lambda item: item[1]) if key not in found]
        self.hits += len(keys) - len(missing)
        self.misses += len(missing)
        _counts["hits"] += len(keys) - len(missing)
        _counts["misses"] += len(missing)
        if missing:
            fresh = dict(zip((keys[position] for position in missing), compute(missing), strict=True))
            self._write(fresh)
            found |= fresh
        return [found[key] for key in keys]

    def _read(self, keys: set[str]) -> dict[str, FloatArray]:
        ordered = sorted(keys)
        found: dict[str, FloatArray] = {}

        def select(connection: sqlite3.Connection) -> None:
            for start in range(0, len(ordered), 500):
                part = ordered[start : start + 500]
                marks = ",".join("?" * len(part))
                for key, value in connection.execute(f"SELECT key, value FROM features WHERE key IN ({marks})", part):
                    array = _unpack(value)
                    if array is not None:
                        found[key] = array

        self._use(select)
        return found

    def _write(self, arrays: dict[str, FloatArray]) -> None:
        rows = [(key, _pack(array)) for key, array in arrays.items() if len(array)]

        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?)", rows)

        self._use(insert)

    def _use(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do some work with the file, once more with a new one if it is damaged; without a file that can be used, do nothing."""
        if self._folder is None or self._folder in _unusable:
            return
        path = self._folder / "features.sqlite"
        try:
            number = _number(path)
            try:
                with closing(self._connect(path)) as connection:
                    work(connection)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                if _number(path) == number:  # else another process has begun a new one meanwhile
                    _set_aside(path)
                with closing(self._connect(path)) as connection:
                    work(connection)
        except (sqlite3.Error, OSError) as error:
            _go_without(self._folder, error)

    def _connect(self, path: Path) -> sqlite3.Connection:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=WAIT)
        try:
            _write_ahead(connection)
            connection.execute("CREATE TABLE IF NOT EXISTS features (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
        except BaseException:
            connection.close()
            raise
        return connection


def _number(path: Path) -> int:
    """Return what tells a file from another that takes its name; 0 if there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def _set_aside(path: Path) -> None:
    """Give a damaged file another name; first remove what SQLite keeps beside it, which belongs to no new file."""
    for companion in (f"{path}-wal", f"{path}-shm"):
        Path(companion).unlink(missing_ok=True)
    aside = path.with_name(f"{path.name}.damaged")
    with suppress(FileNotFoundError):  # another process was quicker
        path.replace(aside)
    warnings.warn(f"The feature cache {path} is damaged. It is set aside as {aside.name}, and a new one is begun.", stacklevel=2)


def _go_without(folder: Path, error: Exception) -> None:
    """Leave this folder alone from now on: every chunk would meet, and perhaps wait for, the same."""
    if folder not in _unusable:
        _unusable.add(folder)
        warnings.warn(
            f"The feature cache in {folder} cannot be used ({error}); features are computed without it. "
            "Mend it, or name another folder (or off) in GRAPHFUSE_CACHE.",
            stacklevel=2,
        )


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Let others read while one writes. SQLite waits for others everywhere but here, where several may be making a new file."""
    until = time.monotonic() + WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def open_cache() -> FeatureCache:
    """Return the cache that `GRAPHFUSE_CACHE` names; inside `without_cache`, one that keeps nothing."""
    place = os.environ.get("GRAPHFUSE_CACHE", "")
    if place == "off" or _off.get():
        return FeatureCache(None)
    try:
        return FeatureCache(Path(place) if place else Path.home() / ".cache" / "graphfuse")
    except RuntimeError as error:  # nobody knows where home is
        _go_without(Path("~", ".cache", "graphfuse"), error)
        return FeatureCache(None)


@contextmanager
def without_cache() -> Iterator[None]:
    """Neither read nor write a cache meanwhile: for rows that nobody has seen before, looking costs more than it finds."""
    before = _off.set(True)
    try:
        yield
    finally:
        _off.reset(before)


def feature_key(encoder: str, content: bytes, units: bytes) -> str:
    """Return the key of one text's or picture's features: encoder identity, content digest, units (spans or boxes)."""
    return digest_bytes(b"\0".join([encoder.encode(), digest_bytes(content).encode(), units]))


def _pack(array: FloatArray) -> bytes:
    """Return digest (16 bytes), rows, channels, float32 values."""
    body = struct.pack("<II", *array.shape) + np.ascontiguousarray(array, dtype=np.float32).tobytes()
    return bytes.fromhex(digest_bytes(body))[:16] + body


def _unpack(value: object) -> FloatArray | None:
    """Return the array, or None if the entry is damaged (it is then computed again)."""
    if not isinstance(value, bytes) or len(value) < 24:
        return None
    body = value[16:]
    if bytes.fromhex(digest_bytes(body))[:16] != value[:16]:
        return None
    rows, channels = struct.unpack("<II", body[:8])
    return np.frombuffer(body[8:], dtype=np.float32).reshape(rows, channels)
