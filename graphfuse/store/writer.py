"""Node and edge tables -> a store, format 4 (`graphfuse.store.layout`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphfuse.core.errors import InputError
from graphfuse.core.files import file_entries
from graphfuse.core.ragged import exclusive_sums, ragged_rows
from graphfuse.core.schema import EdgeType, GraphSchema, edge_name
from graphfuse.core.tables import EdgeTable, FloatArray, IntArray, NodeTable, State, edge_order
from graphfuse.store.arrays import map_arrays, map_file, write_arrays
from graphfuse.store.blocks import checksums, frame_checksum, samples_per_block
from graphfuse.store.frames import write_frame
from graphfuse.store.layout import (
    BLOCKS,
    EDGES,
    POINTERS,
    edges_by_type,
    entities_file,
    node_array,
    shard_file,
    state_file,
    units_file,
    weight_array,
)

LARGEST = {"float16": 65504.0, "float32": float(np.finfo(np.float32).max)}
"""Largest number that each element type holds."""


def write_shard(
    folder: Path,
    number: int,
    schema: GraphSchema,
    *,
    num_samples: int,
    nodes: Mapping[str, NodeTable],
    edges: Sequence[EdgeTable],
    y: npt.NDArray[Any] | None,
    dtype: str,
) -> dict[str, Any]:
    """Write one chunk of samples: `shards/NNNNN.safetensors` and a Parquet file of units per node type.

    Args:
        folder: The store.
        number: The shard's number, from 0.
        schema: Node types and edge types; those missing from `nodes` and `edges` are written empty.
        num_samples: Samples in the chunk.
        nodes: Node table per node type.
        edges: Edge tables in any order; tables of one type are joined.
        y: Targets [num_samples, ...]: integers, or numbers with NaN where there is none.
        dtype: Element type of features on disk, `float16` or `float32`.

    Returns:
        The shard's record for `write_index`: number, samples, dtype, nodes, edges, weighted, y, block_samples, frame, files.

    Raises:
        InputError: If features or targets are not finite or too large for `dtype`, nodes are not in the order of their samples, or
            an edge joins two samples.
    """
    arrays = shard_arrays(schema, num_samples=num_samples, nodes=nodes, edges=edges, y=y, dtype=dtype)
    block_samples = samples_per_block(num_samples, sum(array.nbytes for array in arrays.values()))
    arrays[BLOCKS] = checksums(arrays, schema, block_samples)
    write_arrays(folder / shard_file(number), arrays)
    names = [shard_file(number)]
    for node_type, table in nodes.items():
        names.append(units_file(node_type, number))
        write_frame(folder / names[-1], table.units)
    edge_names = [edge_name(edge_type) for edge_type in schema.edge_types]
    totals = dict(zip((*schema.node_types, *edge_names), arrays[POINTERS][-1].tolist(), strict=True))
    return {
        "number": number,
        "samples": num_samples,
        "dtype": dtype,
        "nodes": {node_type: totals[node_type] for node_type in schema.node_types},
        "edges": {name: totals[name] for name in edge_names},
        "weighted": [name for name in edge_names if weight_array(name) in arrays],
        "y": None if y is None else {"dtype": str(arrays["y"].dtype), "shape": list(arrays["y"].shape[1:])},
        "block_samples": block_samples,
        "frame": frame_checksum(map_file(folder / shard_file(number)), len(arrays[BLOCKS])),
        "files": file_entries(folder, sorted(names)),
    }


def shard_arrays(
    schema: GraphSchema,
    *,
    num_samples: int,
    nodes: Mapping[str, NodeTable],
    edges: Sequence[EdgeTable],
    y: npt.NDArray[Any] | None,
    dtype: str,
) -> State:
    """Return the arrays of one shard by their names on disk; `write_shard` says what goes in, and what is refused."""
    unknown = sorted(nodes.keys() - set(schema.node_types)) + sorted(
        {edge_name(e.edge_type) for e in edges if e.edge_type not in schema.edge_types}
    )
    if unknown:
        raise InputError(f"A shard holds the types of its schema (got '{unknown[0][:40]}'). Add the type to the schema.")
    arrays: State = {}
    node_counts, edge_counts, local_ends = [], [], [np.zeros(0, dtype=np.int32)]
    for node_type in schema.node_types:
        column, counts = _node_column(schema, node_type, nodes.get(node_type), num_samples, dtype)
        arrays[node_array(schema, node_type)] = column
        node_counts.append(counts)
    first_rows = dict(zip(schema.node_types, exclusive_sums(np.stack(node_counts)), strict=True))
    for edge_type in schema.edge_types:
        tables = [table for table in edges if table.edge_type == edge_type and (len(table) or table.weight is not None)]
        index, counts, weight = _edge_columns(edge_type, tables, nodes, first_rows, num_samples)
        local_ends.append(index.ravel())
        edge_counts.append(counts)
        if weight is not None:
            arrays[weight_array(edge_name(edge_type))] = weight
    pointers = exclusive_sums(np.stack([*node_counts, *edge_counts])).T
    arrays[POINTERS] = np.ascontiguousarray(pointers)
    arrays[EDGES] = _by_sample(np.concatenate(local_ends), np.diff(pointers[:, len(node_counts) :], axis=0))
    if y is not None:
        arrays["y"] = _target_array(y, num_samples)
    return arrays


def write_entities(folder: Path, node_type: str, x: FloatArray, dtype: str) -> dict[str, Any]:
    """Write the features of a shared node type [num_entities, channels] and return its entry for `files`.

    Raises:
        InputError: If features are not finite or too large for `dtype`.
    """
    write_arrays(folder / entities_file(node_type), {"x": _feature_array(node_type, x, dtype)})
    return file_entries(folder, [entities_file(node_type)])


def write_state(folder: Path, name: str, state: State) -> dict[str, Any]:
    """Write a fitted state as `state/<name>.safetensors` and return its entry for `files`."""
    write_arrays(folder / state_file(name), state)
    return file_entries(folder, [state_file(name)])


def read_state(folder: Path, name: str) -> State:
    """Return a state that `write_state` wrote.

    Raises:
        IntegrityError: If the file is missing or damaged.
    """
    return {key: array.copy() for key, array in map_arrays(folder / state_file(name)).items()}


def _node_column(
    schema: GraphSchema, node_type: str, table: NodeTable | None, num_samples: int, dtype: str
) -> tuple[npt.NDArray[Any], IntArray]:
    """Return what is kept of each node of one type, and how many each sample has."""
    channels = schema.channels_by_node_type[node_type]
    shared = node_type in schema.entity_types
    if table is None:
        nothing = np.zeros(0, dtype=np.int64) if shared else np.zeros((0, channels), dtype=dtype)
        return nothing, np.zeros(num_samples, dtype=np.int64)
    sample = table.sample
    if len(sample) and (sample[0] < 0 or sample[-1] >= num_samples or np.any(np.diff(sample) < 0)):
        raise InputError(f"Nodes of '{node_type}' must stand in the order of their samples, numbered 0 to {num_samples - 1}.")
    if table.x.shape != (len(table), channels) or len(table.units) != len(table):
        raise InputError(f"Nodes of '{node_type}' must have {channels} channels and one unit each (got {list(table.x.shape)}).")
    counts = table.counts(num_samples)
    if not shared:
        return _feature_array(node_type, table.x, dtype), counts
    if table.entity is None or table.entity.shape != (len(table),) or np.any(table.entity < 0):
        raise InputError(f"Nodes of '{node_type}' are shared, so each needs its row in the entity table.")
    return table.entity.astype(np.int64), counts


def _feature_array(node_type: str, x: FloatArray, dtype: str) -> npt.NDArray[Any]:
    largest = float(np.abs(x).max(initial=0.0))
    if not np.isfinite(largest):
        raise InputError(f"Features of '{node_type}' must be finite (got NaN or infinity). Clean the columns they come from.")
    if largest > LARGEST[dtype]:
        raise InputError(
            f"Features of '{node_type}' must stay within ±{LARGEST[dtype]:,.0f} in {dtype} (got {largest:.4g}). "
            "Set convert.dtype: float32, or scale the column."
        )
    return x.astype(dtype)


def _edge_columns(
    edge_type: EdgeType,
    tables: list[EdgeTable],
    nodes: Mapping[str, NodeTable],
    first_rows: Mapping[str, IntArray],
    num_samples: int,
) -> tuple[npt.NDArray[np.int32], IntArray, FloatArray | None]:
    """Return the ends of the edges of one type, local to their samples and by sample, destination and source [2, num_edges].

    Beside them, how many edges each sample has, and their weights if a table has any.
    """
    name = edge_name(edge_type)
    if not sum(len(table) for table in tables):
        nothing = np.zeros((2, 0), dtype=np.int32), np.zeros(num_samples, dtype=np.int64)
        return *nothing, np.zeros(0, dtype=np.float32) if tables else None
    index = np.concatenate([table.index for table in tables], axis=1)
    ends = []
    for row, node_type in enumerate((edge_type[0], edge_type[2])):
        sample = nodes[node_type].sample if node_type in nodes else np.zeros(0, dtype=np.int64)
        if index[row].min() < 0 or index[row].max() >= len(sample):
            raise InputError(f"Edges '{name}' must join nodes that exist: rows 0 to {len(sample) - 1} of '{node_type}'.")
        ends.append(sample[index[row]])
    if np.any(ends[0] != ends[1]):
        raise InputError(f"Edges '{name}' must join nodes of one sample. Edges across samples need a builder of corpus scope.")
    order = edge_order(*index)
    sample = ends[1][order]
    local = np.stack([index[row][order] - first_rows[edge_type[2 * row]][sample] for row in (0, 1)]).astype(np.int32)
    counts = np.bincount(sample, minlength=num_samples)
    if all(table.weight is None for table in tables):
        return local, counts, None
    weight = np.concatenate([np.ones(len(table), dtype=np.float32) if table.weight is None else table.weight for table in tables])
    if not np.all((weight >= 0) & (weight <= 1 + 1e-5)):  # a cosine of equal vectors may round above 1
        raise InputError(f"Weights of edges '{name}' must lie in [0, 1] (got {weight.min():.4g} to {weight.max():.4g}).")
    return local, counts, np.minimum(weight[order], 1).astype(np.float32)


def _by_sample(local_ends: npt.NDArray[np.int32], counts: IntArray) -> npt.NDArray[np.int32]:
    """Return the ends of edges sample by sample, which are given type by type, all sources of a type before its destinations.

    Args:
        local_ends: Positions within the sample.  [2 * num_edges]
        counts: Edges of each sample per type.  [num_samples, num_edge_types]
    """
    laid = np.empty_like(local_ends)
    laid[ragged_rows(*edges_by_type(counts))] = local_ends
    return laid


def _target_array(y: npt.NDArray[Any], num_samples: int) -> npt.NDArray[Any]:
    if len(y) != num_samples:
        raise InputError(f"Targets must be one per sample: {num_samples} (got {len(y)}).")
    if np.issubdtype(y.dtype, np.integer):
        return y.astype(np.int64)
    if np.any(np.isinf(y)):
        raise InputError("Targets must be finite, or NaN where there is none (got infinity). Clean the target column.")
    return y.astype(np.float32)
