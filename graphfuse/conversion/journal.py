"""Which steps of a conversion are done: one line per step, written after the step's files and checked before it is believed."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphfuse.core.files import checksum_file, room_for, sync_folder, write_bytes

Record = dict[str, Any]
"""What a step left: `step` (its name), `files` (as `file_entries` returns them) and figures."""


class Journal:
    """The finished steps of a folder; opening it drops a last line that was torn by a crash."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.redone = 0
        """Steps that were listed, but whose files had changed or gone."""
        self._records: dict[str, Record] = {}
        if path.exists():
            self._read()

    def done(self, step: str) -> Record | None:
        """Return the record of a step if it was finished and its files are still what it wrote."""
        record = self._records.get(step)
        if record is None:
            return None
        if all(_is_whole(self.path.parent / name, entry) for name, entry in record["files"].items()):
            return record
        self.redone += 1
        del self._records[step]
        return None

    def append(self, record: Record) -> None:
        """Add the record of a finished step, durably.

        Raises:
            ResourceError: If the disk is full.
        """
        existed = self.path.exists()
        line = json.dumps(record, sort_keys=True, ensure_ascii=False).encode() + b"\n"
        with room_for(self.path, len(line)), self.path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if not existed:
            sync_folder(self.path.parent)
        self._records[record["step"]] = record

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            write_bytes(self.path, whole)  # so that the next line does not continue the torn one
        for line in whole.splitlines():
            try:
                record = json.loads(line)
                self._records[record["step"]] = record
            except (ValueError, KeyError, TypeError):
                continue  # a damaged line is a step that is done again


def _is_whole(path: Path, entry: Mapping[str, Any]) -> bool:
    return path.is_file() and path.stat().st_size == entry["bytes"] and checksum_file(path) == entry.get("xxh3_128")
