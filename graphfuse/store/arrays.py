"""Named arrays on disk: safetensors, with the header checked by rules stricter than the library's."""

import json
import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from safetensors.numpy import save

from graphfuse.core.errors import IntegrityError
from graphfuse.core.files import read_once, write_bytes
from graphfuse.core.tables import State

DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
}
"""Names of element types in a safetensors header, and numpy's."""

LARGEST_HEADER = 16 * 2**20
"""Bytes; a header lists some hundred arrays, so anything larger is damage or malice."""


def write_arrays(path: Path, arrays: State) -> None:
    """Write named arrays atomically; equal arrays give equal bytes."""
    # np.array, since ascontiguousarray would turn a scalar into a vector
    write_bytes(path, save({name: np.array(array, order="C", copy=None) for name, array in sorted(arrays.items())}))


def map_file(path: Path, *, once: bool = False) -> pa.Buffer:
    """Return the content of a file as mapped memory; nothing is read until used.

    Args:
        path: The file.
        once: It is not needed again soon: where memory is short, the system had better keep other files.

    Raises:
        IntegrityError: If the file is missing or cannot be read.
    """
    try:
        # mmap.mmap would keep each file open, and a process may have some thousand files open at most
        with pa.memory_map(str(path)) as file:
            if once:
                read_once(file.fileno())
            return file.read_buffer()
    except (OSError, ValueError) as error:  # ValueError: a path that is not text
        raise IntegrityError(f"{path} must be a readable file ({error}). Repeat the command that made it.") from error


def map_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a file as read-only views of its memory map; nothing is read until used.

    Raises:
        IntegrityError: If the file is missing or not as `arrays_in` asks.
    """
    return arrays_in(map_file(path), path)


def arrays_in(content: pa.Buffer, path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a file's content as read-only views of it.

    Raises:
        IntegrityError: If it is cut short, or its header breaks a rule (unknown element type, a name twice, arrays that
            overlap, leave holes or do not end at the file's end).
    """
    try:
        return _views(content)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(
            f"{path} must be a whole safetensors file ({str(error)[:120]}). Repeat the command that made it, or restore it from a copy."
        ) from error


def touch(content: pa.Buffer) -> None:
    """Look at every page of a mapped file once, so that later reads find them in the process's own map.

    Without it the first look at each page interrupts the gather.
    """
    np.frombuffer(content, dtype=np.uint8)[:: mmap.PAGESIZE].sum()


def header_length(content: pa.Buffer) -> int:
    """Return the bytes of a file's header, by its own account."""
    return 8 + int.from_bytes(content[:8].to_pybytes(), "little")


def _views(content: pa.Buffer) -> dict[str, npt.NDArray[Any]]:
    if len(content) < 8:
        raise ValueError(f"{len(content)} bytes are too few")
    start = header_length(content)
    if start > min(8 + LARGEST_HEADER, len(content)):
        raise ValueError("the header is longer than the file")
    header = json.loads(content[8:start].to_pybytes(), object_pairs_hook=_once)
    header.pop("__metadata__", None)
    views = {}
    position = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        dtype = np.dtype(DTYPES[entry["dtype"]])
        shape = tuple(entry["shape"])
        if begin != position or not all(isinstance(size, int) and size >= 0 for size in shape):
            raise ValueError(f"array '{name[:40]}' does not follow the one before it")
        if end - begin != math.prod(shape) * dtype.itemsize or start + end > len(content):
            raise ValueError(f"array '{name[:40]}' is cut short")
        views[name] = np.frombuffer(content, dtype=dtype, count=math.prod(shape), offset=start + begin).reshape(shape)
        position = end
    if start + position != len(content):
        raise ValueError("bytes follow the last array")
    return views


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice; the safetensors library takes the last, against its own rules."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in the header")
    return value
