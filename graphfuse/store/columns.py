"""The columns of one shard, memory-mapped."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphfuse.core.errors import IntegrityError
from graphfuse.core.files import checksum_file
from graphfuse.core.schema import GraphSchema, edge_name
from graphfuse.core.tables import IntArray
from graphfuse.store.arrays import arrays_in, map_file, touch
from graphfuse.store.blocks import Arrays, Blocks, frame_checksum
from graphfuse.store.index import StoreIndex
from graphfuse.store.integrity import broken, changed, found, known_parts, verified
from graphfuse.store.layout import (
    EDGES,
    POINTERS,
    check_layout,
    check_pointers,
    entities_file,
    node_array,
    num_checksums,
    shard_file,
    shard_layout,
    weight_array,
)


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Columns of some thousand samples; lists stand in the order of the schema."""

    pointers: IntArray
    """First row of each sample in the columns of each type, node types first.  [num_samples + 1, num_types]"""
    nodes: list[npt.NDArray[Any]]
    """Per node type features [num_nodes, channels], or rows of the entity table [num_nodes]."""
    edges: npt.NDArray[np.int32]
    """Ends of the edges within their sample: sample by sample, of each type by type, sources before destinations.  [2 * num_edges]"""
    weights: Mapping[int, npt.NDArray[np.float32]]
    """Per weighted edge type (its number in the schema).  [num_edges]"""
    y: npt.NDArray[Any] | None
    blocks: Blocks | None = None
    """What has to be checked before it is used; None where nothing has."""

    @cached_property
    def columns(self) -> list[tuple[int, npt.NDArray[Any]]]:
        """Each column but the edges, and the number of the type that has a row for each of its rows; samples are the last type."""
        weights = [(len(self.nodes) + number, column) for number, column in self.weights.items()]
        return [*enumerate(self.nodes), *weights, *([] if self.y is None else [(self.pointers.shape[1], self.y)])]

    @cached_property
    def kinds(self) -> IntArray:
        """Of each of these columns the type, the bytes of a row, and whether it holds float16.  [3, num_columns]."""
        columns = [array for _, array in self.columns]
        row_bytes = [array.itemsize * math.prod(array.shape[1:]) for array in columns]
        return np.array([[kind for kind, _ in self.columns], row_bytes, [array.dtype == np.float16 for array in columns]], dtype=np.int64)

    @cached_property
    def memory(self) -> IntArray:
        """Where pointers, edges and these columns lie in memory, and how many bytes they take.  [2, 2 + num_columns]."""
        arrays: list[npt.NDArray[Any]] = [self.pointers, self.edges, *(array for _, array in self.columns)]
        assert all(array.flags.c_contiguous for array in arrays)
        return np.array([[array.__array_interface__["data"][0] for array in arrays], [array.nbytes for array in arrays]], dtype=np.int64)


def open_shard(
    folder: Path, index: StoreIndex, number: int, entities: Mapping[str, npt.NDArray[Any]], *, check: bool, whole: bool = False
) -> Shard:
    """Map a shard and check its header and pointers; the rest is left to its blocks.

    Args:
        folder: The store.
        index: Its index.
        number: The shard.
        entities: Features of the shared node types.
        check: Whether checksums, pointers and indices are checked, or only the header's form.
        whole: All of it will be used, and then others: it is read and checked from first to last, since a disk gives bytes faster so
            than where they are touched in mapped memory.

    Raises:
        IntegrityError: If the file is not as it was written.
    """
    schema, record = index.schema, index.shards[number]
    name = shard_file(record["number"])
    path, key = found(folder, name, index.files)
    if check and whole and checksum_file(path) != index.files[name]["xxh3_128"]:
        raise changed(path)
    content = map_file(path, once=whole)
    if check and frame_checksum(content, num_checksums(record)) != record["frame"]:
        raise changed(path)
    arrays = arrays_in(content, path)
    blocks = None
    try:
        check_layout(arrays, shard_layout(schema, record))
        if check:
            num_entities = {shared: len(x) for shared, x in entities.items()}
            blocks = Blocks(path, arrays, schema, num_entities, record["block_samples"], known_parts(key, num_checksums(record)))
            blocks.check_pointers()
            check_pointers(arrays[POINTERS], schema, record)
            if whole:
                blocks.trust()
    except (ValueError, KeyError, TypeError) as error:
        raise broken(path, error) from error
    if whole:
        touch(content)
    return shard_of(arrays, schema, index.weighted_edge_types, blocks)


def shard_of(arrays: Arrays, schema: GraphSchema, weighted: Collection[str], blocks: Blocks | None = None) -> Shard:
    """Return the columns that some arrays are.

    Args:
        arrays: The arrays of one shard, by their names on disk.
        schema: Node types and edge types.
        weighted: Names of the edge types that have weights; where this shard has none, they are 1.
        blocks: What has to be checked before it is used.
    """
    first_edge_type = len(schema.node_types)
    return Shard(
        pointers=arrays[POINTERS],
        nodes=[arrays[node_array(schema, node_type)] for node_type in schema.node_types],
        edges=arrays[EDGES],
        weights={
            position: arrays.get(weight_array(name), np.ones(int(arrays[POINTERS][-1, first_edge_type + position]), dtype=np.float32))
            for position, name in enumerate(map(edge_name, schema.edge_types))
            if name in weighted
        },
        y=arrays.get("y"),
        blocks=blocks,
    )


def open_entities(folder: Path, index: StoreIndex, node_type: str, *, check: bool) -> npt.NDArray[Any]:
    """Map the features of a shared node type, [num_entities, channels].

    Raises:
        IntegrityError: If the file is not as it was written.
    """
    path = folder / entities_file(node_type)
    x = arrays_in(verified(folder, entities_file(node_type), index.files, check=check), path).get("x", np.zeros(0))
    if x.ndim != 2 or x.shape[1] != index.schema.channels_by_node_type[node_type] or x.dtype not in (np.float16, np.float32):
        raise IntegrityError(
            f"{path} must hold features of '{node_type}' (is {x.dtype} {list(x.shape)}). Repeat convert into a new folder."
        )
    return x
