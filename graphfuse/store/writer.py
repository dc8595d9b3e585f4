"""Node and edge tables -> a store, format 2 (`graphfuse.store.layout`)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphfuse.core.errors import InputError
from graphfuse.core.files import digest_bytes, file_entries, write_json
from graphfuse.core.schema import EdgeType, GraphSchema, TargetSchema, edge_name
from graphfuse.core.tables import EdgeTable, FloatArray, NodeTable, State
from graphfuse.core.versions import installed_versions
from graphfuse.store.arrays import map_arrays, write_arrays
from graphfuse.store.frames import write_frame
from graphfuse.store.layout import FORMAT, INDEX, check_shard, entities_file, shard_file, state_file, units_file

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
        The shard's record for `write_index`: number, samples, dtype, nodes, edges, weighted, y, files.

    Raises:
        InputError: If features or targets are not finite or too large for `dtype`, nodes are not in the order of their samples, or
            an edge joins two samples.
    """
    arrays = shard_arrays(schema, num_samples=num_samples, nodes=nodes, edges=edges, y=y, dtype=dtype)
    write_arrays(folder / shard_file(number), arrays)
    names = [shard_file(number)]
    for node_type, table in nodes.items():
        names.append(units_file(node_type, number))
        write_frame(folder / names[-1], table.units)
    return {
        "number": number,
        "samples": num_samples,
        "dtype": dtype,
        "nodes": {node_type: int(arrays[f"{node_type}.ptr"][-1]) for node_type in schema.node_types},
        "edges": {edge_name(edge_type): int(arrays[f"{edge_name(edge_type)}.index"].shape[1]) for edge_type in schema.edge_types},
        "weighted": [edge_name(edge_type) for edge_type in schema.edge_types if f"{edge_name(edge_type)}.weight" in arrays],
        "y": None if y is None else {"dtype": str(arrays["y"].dtype), "shape": list(arrays["y"].shape[1:])},
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
    pointers = {}
    for node_type in schema.node_types:
        table = nodes.get(node_type)
        arrays |= _node_arrays(schema, node_type, table, num_samples, dtype)
        pointers[node_type] = arrays[f"{node_type}.ptr"].astype(np.int64)
    for edge_type in schema.edge_types:
        arrays |= _edge_arrays(edge_type, [table for table in edges if table.edge_type == edge_type], nodes, pointers, num_samples)
    if y is not None:
        arrays["y"] = _target_array(y, num_samples)
    try:
        check_shard(arrays, schema)
    except ValueError as error:
        raise InputError(f"Samples cannot be laid out: {error}.") from error
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


def write_index(
    folder: Path,
    *,
    schema: GraphSchema,
    target: TargetSchema,
    shards: list[dict[str, Any]],
    files: dict[str, Any],
    recipe: dict[str, Any],
    digests: dict[str, Any],
) -> None:
    """Write `index.json`, last: its presence means that the store is whole.

    Args:
        folder: The store.
        schema: Node types and edge types of every sample.
        target: What is predicted.
        shards: What `write_shard` returned, in order.
        files: Entries of all other files (`file_entries`): samples, quarantine, entities, states.
        recipe: The experiment as plain JSON.
        digests: Digests of the inputs.
    """
    weighted = {name for shard in shards for name in shard["weighted"]}
    index = {
        "format": FORMAT,
        "schema": schema.to_json(),
        "target": target.to_json(),
        "samples": sum(shard["samples"] for shard in shards),
        "weighted_edge_types": [edge_name(edge_type) for edge_type in schema.edge_types if edge_name(edge_type) in weighted],
        "shards": shards,
        "files": files,
        "recipe": recipe,
        "digests": digests,
        "versions": installed_versions(("numpy", "pandas", "pyarrow", "safetensors", "torch")),
    }
    write_json(folder / INDEX, {**index, "sha256": index_digest(index)})


def index_digest(index: Mapping[str, Any]) -> str:
    """Return the digest of an index over everything but the digest itself."""
    content = json.loads(json.dumps({key: value for key, value in index.items() if key != "sha256"}))  # as it will be read
    return digest_bytes(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())


def _node_arrays(schema: GraphSchema, node_type: str, table: NodeTable | None, num_samples: int, dtype: str) -> State:
    channels = schema.channels_by_node_type[node_type]
    shared = node_type in schema.entity_types
    if table is None:
        empty: State = {f"{node_type}.ptr": np.zeros(num_samples + 1, dtype=np.int64)}
        return empty | (
            {f"{node_type}.entity": np.zeros(0, dtype=np.int64)} if shared else {f"{node_type}.x": np.zeros((0, channels), dtype=dtype)}
        )
    sample = table.sample
    if len(sample) and (sample[0] < 0 or sample[-1] >= num_samples or np.any(np.diff(sample) < 0)):
        raise InputError(f"Nodes of '{node_type}' must stand in the order of their samples, numbered 0 to {num_samples - 1}.")
    if table.x.shape != (len(table), channels) or len(table.units) != len(table):
        raise InputError(f"Nodes of '{node_type}' must have {channels} channels and one unit each (got {list(table.x.shape)}).")
    arrays: State = {f"{node_type}.ptr": np.concatenate([[0], np.cumsum(table.counts(num_samples))]).astype(np.int64)}
    if not shared:
        return arrays | {f"{node_type}.x": _feature_array(node_type, table.x, dtype)}
    if table.entity is None or table.entity.shape != (len(table),) or np.any(table.entity < 0):
        raise InputError(f"Nodes of '{node_type}' are shared, so each needs its row in the entity table.")
    return arrays | {f"{node_type}.entity": table.entity.astype(np.int64)}


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


def _edge_arrays(
    edge_type: EdgeType,
    tables: list[EdgeTable],
    nodes: Mapping[str, NodeTable],
    pointers: Mapping[str, npt.NDArray[np.int64]],
    num_samples: int,
) -> State:
    """Return the edges of one type, local to their samples, by sample, destination and source."""
    name = edge_name(edge_type)
    tables = [table for table in tables if len(table) or table.weight is not None]
    if not sum(len(table) for table in tables):
        arrays: State = {f"{name}.index": np.zeros((2, 0), dtype=np.int32), f"{name}.ptr": np.zeros(num_samples + 1, dtype=np.int64)}
        return arrays | ({f"{name}.weight": np.zeros(0, dtype=np.float32)} if tables else {})
    index = np.concatenate([table.index for table in tables], axis=1)
    ends = []
    for row, node_type in enumerate((edge_type[0], edge_type[2])):
        sample = nodes[node_type].sample if node_type in nodes else np.zeros(0, dtype=np.int64)
        if index[row].min() < 0 or index[row].max() >= len(sample):
            raise InputError(f"Edges '{name}' must join nodes that exist: rows 0 to {len(sample) - 1} of '{node_type}'.")
        ends.append(sample[index[row]])
    if np.any(ends[0] != ends[1]):
        raise InputError(f"Edges '{name}' must join nodes of one sample. Edges across samples need a builder of corpus scope.")
    # rows ascend with the sample, so sorting by destination row sorts by sample as well
    order = np.lexsort((index[0], index[1]))
    sample = ends[1][order]
    local = np.stack([index[0][order] - pointers[edge_type[0]][sample], index[1][order] - pointers[edge_type[2]][sample]])
    counts = np.bincount(sample, minlength=num_samples)
    arrays = {f"{name}.index": local.astype(np.int32), f"{name}.ptr": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)}
    if any(table.weight is not None for table in tables):
        weight = np.concatenate([np.ones(len(table), dtype=np.float32) if table.weight is None else table.weight for table in tables])
        if not np.all((weight >= 0) & (weight <= 1 + 1e-5)):  # a cosine of equal vectors may round above 1
            raise InputError(f"Weights of edges '{name}' must lie in [0, 1] (got {weight.min():.4g} to {weight.max():.4g}).")
        arrays[f"{name}.weight"] = np.minimum(weight[order], 1).astype(np.float32)
    return arrays


def _target_array(y: npt.NDArray[Any], num_samples: int) -> npt.NDArray[Any]:
    if len(y) != num_samples:
        raise InputError(f"Targets must be one per sample: {num_samples} (got {len(y)}).")
    if np.issubdtype(y.dtype, np.integer):
        return y.astype(np.int64)
    if np.any(np.isinf(y)):
        raise InputError("Targets must be finite, or NaN where there is none (got infinity). Clean the target column.")
    return y.astype(np.float32)
