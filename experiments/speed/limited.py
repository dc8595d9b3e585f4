"""A group of processes whose memory the system limits: what they read is counted too, so that no file can hide in its cache."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MEMORY = Path("/sys/fs/cgroup/memory")
"""Where Linux keeps such groups (cgroup v1), if it does and this user may make one."""


@dataclass(frozen=True)
class Group:
    """A folder of the system's in which the limit is written and the use is read, in bytes."""

    path: Path

    def join(self) -> None:
        """Put this process into the group, and with it all that it allocates and reads from now on."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def limit(self, room: int) -> int:
        """Allow `room` bytes beside what the members have allocated so far, and return the limit."""
        cached = dict(line.split() for line in (self.path / "memory.stat").read_text().splitlines())["cache"]
        limit = self._read("usage_in_bytes") - int(cached) + room
        (self.path / "memory.limit_in_bytes").write_text(str(limit))
        (self.path / "memory.max_usage_in_bytes").write_text("0")  # what was used most is asked of the time from now on
        return self._read("limit_in_bytes")

    def most_used(self) -> int:
        """Return the most that was in use at a time since the limit was set."""
        return self._read("max_usage_in_bytes")

    def refusals(self) -> int:
        """Return how many times something had to be thrown out first."""
        return self._read("failcnt")

    def _read(self, name: str) -> int:
        return int((self.path / f"memory.{name}").read_text())


@contextmanager
def memory_group(name: str) -> Iterator[Group | None]:
    """Yield a group without members below the one that this process is in; None where none can be made."""
    path = _own() / f"{name}-{os.getpid()}"
    try:
        path.mkdir()
    except OSError:
        yield None
        return
    try:
        yield Group(path)
    finally:
        path.rmdir()


def _own() -> Path:
    """Return the folder of the group that this process is in; limits above it hold below it."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return MEMORY
    return next((MEMORY / path.lstrip("/") for _, kinds, path in (line.split(":", 2) for line in lines) if kinds == "memory"), MEMORY)
