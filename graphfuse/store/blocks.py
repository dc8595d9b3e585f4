"""Blocks of a shard: some samples in a row, in all columns, checked before their first use in a process.

A batch of random samples touches nearly every shard of a store, but little of each. So what is read is checked, and not the whole
file: `blocks` in a shard holds a checksum of every block, and the index one of that array and of the header.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from graphfuse.core.files import checksum_bytes
from graphfuse.core.schema import GraphSchema, edge_name
from graphfuse.core.tables import IntArray
from graphfuse.store.arrays import header_length
from graphfuse.store.integrity import broken, changed
from graphfuse.store.layout import BLOCKS, CHECKSUM_BYTES, EDGES, POINTERS, edge_ends, node_array, weight_array

BLOCK_BYTES = 2**20
"""About the size of a block: checked in a tenth of a millisecond, and large beside what Python does for each."""

Arrays = Mapping[str, npt.NDArray[Any]]
"""The arrays of one shard, by their names on disk."""


def samples_per_block(num_samples: int, num_bytes: int) -> int:
    """Return how many samples of a shard make a block, at least 1."""
    return min(max(num_samples * BLOCK_BYTES // max(num_bytes, 1), 1), max(num_samples, 1))


def checksums(arrays: Arrays, schema: GraphSchema, block_samples: int) -> npt.NDArray[np.uint8]:
    """Return the array `blocks` of a shard: the checksum of its pointers, then one per block.  [num_checksums, 16]."""
    num_samples = len(arrays[POINTERS]) - 1
    starts = range(0, num_samples, block_samples)
    found = [_checksum([arrays[POINTERS]])]
    found += [_checksum(_parts(arrays, schema, start, min(start + block_samples, num_samples))) for start in starts]
    return np.frombuffer(b"".join(found), dtype=np.uint8).reshape(len(found), -1)


def frame_checksum(content: pa.Buffer, num_checksums: int) -> str:
    """Return the checksum of what a shard begins and ends with, its header and `blocks`: they tell of all that lies between."""
    frame = content[: min(header_length(content), len(content))], content[max(len(content) - num_checksums * CHECKSUM_BYTES, 0) :]
    return checksum_bytes(b"".join(map(memoryview, frame)))


class Blocks:
    """The blocks of one shard on disk.

    Args:
        path: The shard.
        arrays: What it holds, its layout checked.
        schema: Node types and edge types.
        num_entities: Rows of the entity table per shared node type.
        block_samples: Samples per block.
        known: Whether the pointers, and each block, were found right in this process; written here.  [num_checksums]
    """

    all_known: bool
    """Whether nothing is left to check."""

    def __init__(
        self,
        path: Path,
        arrays: Arrays,
        schema: GraphSchema,
        num_entities: Mapping[str, int],
        block_samples: int,
        known: npt.NDArray[np.bool_],
    ) -> None:
        self._path = path
        self._arrays = arrays
        self._schema = schema
        self._num_entities = num_entities
        self._size = block_samples
        self._known = known
        self._num_samples = len(arrays[POINTERS]) - 1
        self._ends = edge_ends(schema).T.ravel()  # source and destination of each edge type by turns
        self.all_known = bool(known.all())

    def check_pointers(self) -> None:
        """Check the checksum of the pointers, which say where everything lies.

        Raises:
            IntegrityError: If they are not as they were written.
        """
        if not self._known[0]:
            self._compare(0, _checksum([self._arrays[POINTERS]]))
            self._known[0] = True

    def check(self, samples: IntArray) -> None:
        """Check the blocks in which some samples lie, but for those that are known.

        Raises:
            IntegrityError: If one is not as it was written.
        """
        numbers = np.unique(samples // self._size)
        for number in numbers[~self._known[1:][numbers]].tolist():
            first, end = number * self._size, min((number + 1) * self._size, self._num_samples)
            self._compare(number + 1, _checksum(_parts(self._arrays, self._schema, first, end)))
            try:
                self._check_positions(first, end)
            except ValueError as error:
                raise broken(self._path, error) from error
            self._known[number + 1] = True
        self.all_known = bool(self._known.all())

    def trust(self) -> None:
        """Take all blocks as known after a checksum of the whole file, which does not tell whether positions lead somewhere.

        Raises:
            ValueError: If one does not.
        """
        self._check_positions(0, self._num_samples)
        self._known[:] = self.all_known = True

    def _compare(self, number: int, checksum: bytes) -> None:
        if checksum != self._arrays[BLOCKS][number].tobytes():
            raise changed(self._path)

    def _check_positions(self, first: int, end: int) -> None:
        """Check that edges of samples `first` to `end` join nodes of their own sample, and that entities exist.

        Raises:
            ValueError: With the first array that breaks the rule.
        """
        pointers, node_types = self._arrays[POINTERS], self._schema.node_types
        counts = np.diff(pointers[first : end + 1], axis=0)  # [num_samples, num_types]
        num_nodes, num_edges = np.split(counts, [len(node_types)], axis=1)
        most = np.repeat(num_nodes[:, self._ends].astype(np.uint32).ravel(), np.repeat(num_edges, 2, axis=1).ravel())
        # read without a sign, a number below 0 is a very large one
        if np.any(self._arrays[EDGES][_edge_rows(self._arrays, self._schema, first, end)].view(np.uint32) >= most):
            raise ValueError(f"'{EDGES}' must stay within the sample's nodes")
        for node_type, num_rows in self._num_entities.items():
            name = node_array(self._schema, node_type)
            rows = self._arrays[name][slice(*pointers[[first, end], node_types.index(node_type)].tolist())]
            if len(rows) and (rows.min() < 0 or rows.max() >= num_rows):
                raise ValueError(f"'{name}' must name rows 0 to {num_rows - 1}")


def _edge_rows(arrays: Arrays, schema: GraphSchema, first: int, end: int) -> slice:
    """Return where the edges of some samples in a row lie."""
    start, stop = (2 * arrays[POINTERS][[first, end], len(schema.node_types) :].sum(axis=1)).tolist()
    return slice(start, stop)


def _parts(arrays: Arrays, schema: GraphSchema, first: int, end: int) -> Iterator[npt.NDArray[Any]]:
    """Yield what some samples in a row have in each column."""
    extents = iter(zip(*arrays[POINTERS][[first, end]].tolist(), strict=True))  # per type
    for node_type, extent in zip(schema.node_types, extents, strict=False):
        yield arrays[node_array(schema, node_type)][slice(*extent)]
    yield arrays[EDGES][_edge_rows(arrays, schema, first, end)]
    for edge_type, extent in zip(schema.edge_types, extents, strict=True):
        name = weight_array(edge_name(edge_type))
        if name in arrays:
            yield arrays[name][slice(*extent)]
    if "y" in arrays:
        yield arrays["y"][first:end]


def _checksum(parts: Iterable[npt.NDArray[Any]]) -> bytes:
    """Return the XXH3-128 of some arrays, one after the other."""
    checksum = xxhash.xxh3_128()
    for part in parts:
        checksum.update(part.data)
    return checksum.digest()
