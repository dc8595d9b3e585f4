"""The columns of one shard, memory-mapped."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphfuse.core.errors import IntegrityError
from graphfuse.core.schema import GraphSchema, edge_name
from graphfuse.core.tables import IntArray
from graphfuse.store.arrays import arrays_in, span, touch
from graphfuse.store.index import StoreIndex
from graphfuse.store.integrity import verified
from graphfuse.store.layout import check_layout, check_shard, entities_file, shard_file, shard_layout


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Columns of some thousand samples; lists stand in the order of the schema."""

    pointers: IntArray
    """First row of each sample, of all node types and edge types in one array."""
    pointer_places: IntArray
    """Where the pointers of each type begin, node types first, and where its second one is.  [2, num_types]"""
    nodes: list[npt.NDArray[Any]]
    """Per node type features [num_nodes, channels], or rows of the entity table [num_nodes]."""
    index: npt.NDArray[np.int32]
    """Local sources and destinations of the edges of all types in one array."""
    index_starts: IntArray
    """Where the sources of each edge type begin, and its destinations, by turns.  [2 * num_edge_types]"""
    weights: Mapping[int, npt.NDArray[np.float32]]
    """Per weighted edge type (its number in the schema).  [num_edges]"""
    y: npt.NDArray[Any] | None

    def extents(self, samples: IntArray) -> IntArray:
        """Return first row and end of samples per type, node types first.  [num_samples, 2, num_types]."""
        return self.pointers.take(self.pointer_places + samples[:, None, None], mode="clip")


def open_shard(
    folder: Path, index: StoreIndex, number: int, entities: Mapping[str, npt.NDArray[Any]], *, check: bool, whole: bool = False
) -> Shard:
    """Map a shard and check its checksum, header, pointers and indices; what was checked once in this process is not checked again.

    Args:
        folder: The store.
        index: Its index.
        number: The shard.
        entities: Features of the shared node types.
        check: Whether checksum, pointers and indices are checked, or only the header.
        whole: All of it will be used, and then others: read it from first to last.

    Raises:
        IntegrityError: If the file is not as it was written.
    """
    schema, record = index.schema, index.shards[number]
    path = folder / shard_file(record["number"])
    content = verified(folder, shard_file(record["number"]), index.files, check=check, whole=whole)
    arrays = arrays_in(content, path)
    try:
        check_layout(arrays, shard_layout(schema, record))
        if check:
            check_shard(arrays, schema)
            _check_entities(arrays, entities)
            touch(content)
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path} must be as convert writes it: {error}. Repeat convert, or restore the file from a copy.") from error
    return shard_of(arrays, schema, index.weighted_edge_types, flat=span)


def shard_of(
    arrays: Mapping[str, npt.NDArray[Any]],
    schema: GraphSchema,
    weighted: Collection[str],
    *,
    flat: Callable[[list[npt.NDArray[Any]]], tuple[npt.NDArray[Any], IntArray]],
) -> Shard:
    """Return the columns that some arrays are.

    Args:
        arrays: The arrays of one shard, by their names on disk.
        schema: Node types and edge types.
        weighted: Names of the edge types that have weights; where this shard has none, they are 1.
        flat: `span` for arrays of one file, else `joined`.
    """
    names = [edge_name(edge_type) for edge_type in schema.edge_types]
    pointers, pointer_starts = flat([arrays[f"{name}.ptr"] for name in (*schema.node_types, *names)])
    index, index_starts = flat([ends for name in names for ends in arrays[f"{name}.index"]])
    return Shard(
        pointers=pointers,
        pointer_places=np.stack([pointer_starts, pointer_starts + 1]),
        nodes=[arrays[f"{t}.entity" if t in schema.entity_types else f"{t}.x"] for t in schema.node_types],
        index=index,
        index_starts=index_starts,
        weights={
            position: arrays.get(f"{name}.weight", np.ones(arrays[f"{name}.index"].shape[1], dtype=np.float32))
            for position, name in enumerate(names)
            if name in weighted
        },
        y=arrays.get("y"),
    )


def edge_ends(schema: GraphSchema) -> IntArray:
    """Return the numbers of the source and of the destination node type of each edge type.  [2, num_edge_types]."""
    numbers = {node_type: number for number, node_type in enumerate(schema.node_types)}
    return np.array([[numbers[edge_type[end]] for edge_type in schema.edge_types] for end in (0, 2)], dtype=np.int64)


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


def _check_entities(arrays: Mapping[str, npt.NDArray[Any]], entities: Mapping[str, npt.NDArray[Any]]) -> None:
    for node_type, x in entities.items():
        rows = arrays[f"{node_type}.entity"]
        if len(rows) and (rows.min() < 0 or rows.max() >= len(x)):
            raise ValueError(f"'{node_type}.entity' must name rows 0 to {len(x) - 1}")
