"""Where everything lies in a store, format 4, and what a shard must hold."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from graphfuse.core.ragged import exclusive_sums
from graphfuse.core.schema import GraphSchema, edge_name
from graphfuse.core.tables import IntArray

FORMAT = 4
"""4: the index ends with a digest of its own text. 3: pointers and edges lie sample by sample, and blocks of samples have checksums of
their own. 2: files have a checksum besides their digest."""
INDEX = "index.json"
SAMPLES = "samples.parquet"
QUARANTINE = "quarantine.parquet"
POINTERS, EDGES, BLOCKS = "ptr", "edges", "blocks"
"""Arrays of a shard that all types share."""
CHECKSUM_BYTES = 16

Layout = dict[str, tuple[str, tuple[int, ...]]]
"""Array name -> (numpy's name of the element type, shape)."""


def shard_file(number: int) -> str:
    """Return the path of a shard inside the store."""
    return f"shards/{number:05d}.safetensors"


def units_file(node_type: str, number: int) -> str:
    """Return the path of a shard's readable units of one node type."""
    return f"units/{node_type}-{number:05d}.parquet"


def entities_file(node_type: str) -> str:
    """Return the path of the features of a shared node type."""
    return f"entities/{node_type}.safetensors"


def state_file(name: str) -> str:
    """Return the path of a fitted state."""
    return f"state/{name}.safetensors"


def node_array(schema: GraphSchema, node_type: str) -> str:
    """Return the name of what a shard holds of each node: its features, or its row in the entity table."""
    return f"{node_type}.entity" if node_type in schema.entity_types else f"{node_type}.x"


def weight_array(name: str) -> str:
    """Return the name of the weights of an edge type."""
    return f"{name}.weight"


def edge_ends(schema: GraphSchema) -> IntArray:
    """Return the numbers of the source and of the destination node type of each edge type.  [2, num_edge_types]."""
    numbers = {node_type: number for number, node_type in enumerate(schema.node_types)}
    return np.array([[numbers[edge_type[end]] for edge_type in schema.edge_types] for end in (0, 2)], dtype=np.int64)


def edges_by_type(counts: IntArray) -> tuple[IntArray, IntArray]:
    """Return where the ends of edges lie that are kept sample by sample, in the order type by type.

    Of each sample come the edges of the first type, its sources before its destinations, then those of the second type, and so on.

    Args:
        counts: Edges of each sample per type.  [num_samples, num_edge_types]

    Returns:
        First position and number of the sources of each type, and of its destinations, by turns.  [2 * num_edge_types, num_samples] each.
    """
    ends = np.repeat(counts, 2, axis=1)
    return exclusive_sums(ends.ravel())[:-1].reshape(ends.shape).T, ends.T


def num_checksums(record: Mapping[str, Any]) -> int:
    """Return how many checksums a shard holds, given its record in `index.json`: of its pointers, and of each block of samples."""
    return 1 + math.ceil(record["samples"] / record["block_samples"])


def shard_layout(schema: GraphSchema, record: Mapping[str, Any]) -> Layout:
    """Return exactly the arrays that a shard holds, given its record in `index.json`.

    - `ptr` [samples + 1, types]: first node of each sample per node type, then its first edge per edge type;
    - `<type>.x` [n, channels] per node type, for entities `<type>.entity` [n] instead;
    - `edges` [2 * edges of all types]: sample by sample, and of each type by type, all sources before all destinations; they are
      positions within the sample, sorted by destination;
    - `<edge>.weight` [e] where the builder gives weights, and `y` where there is a target;
    - `blocks` [blocks + 1, 16], the last array in the file: the checksum of `ptr`, and one per block of samples (`store/blocks.py`).
    """
    names = [edge_name(edge_type) for edge_type in schema.edge_types]
    layout: Layout = {
        POINTERS: ("int64", (record["samples"] + 1, len(schema.node_types) + len(names))),
        EDGES: ("int32", (2 * sum(record["edges"][name] for name in names),)),
        BLOCKS: ("uint8", (num_checksums(record), CHECKSUM_BYTES)),
    }
    for node_type, channels in schema.channels_by_node_type.items():
        count = record["nodes"][node_type]
        shared = node_type in schema.entity_types
        layout[node_array(schema, node_type)] = ("int64", (count,)) if shared else (record["dtype"], (count, channels))
    layout |= {weight_array(name): ("float32", (record["edges"][name],)) for name in record["weighted"]}
    if record["y"] is not None:
        layout["y"] = (record["y"]["dtype"], (record["samples"], *record["y"]["shape"]))
    return layout


def check_layout(arrays: Mapping[str, npt.NDArray[Any]], layout: Layout) -> None:
    """Check that the arrays are exactly those of the layout.

    Raises:
        ValueError: With the first difference.
    """
    if arrays.keys() != layout.keys():
        extra, missing = sorted(arrays.keys() - layout.keys()), sorted(layout.keys() - arrays.keys())
        raise ValueError(f"arrays that do not belong: {extra[:3]}, arrays that are missing: {missing[:3]}")
    for name, (dtype, shape) in layout.items():
        if arrays[name].dtype != np.dtype(dtype) or arrays[name].shape != shape:
            raise ValueError(f"'{name}' must be {dtype} {list(shape)} (is {arrays[name].dtype} {list(arrays[name].shape)})")


def check_pointers(pointers: npt.NDArray[np.int64], schema: GraphSchema, record: Mapping[str, Any]) -> None:
    """Check that a shard's pointers ascend from 0 to the number of nodes and edges of each type.

    Raises:
        ValueError: With the first type that breaks the rule.
    """
    names = [edge_name(edge_type) for edge_type in schema.edge_types]
    lengths = [record["nodes"][node_type] for node_type in schema.node_types] + [record["edges"][name] for name in names]
    right = (pointers[0] == 0) & (pointers[-1] == lengths) & np.all(pointers[1:] >= pointers[:-1], axis=0)
    if not right.all():
        wrong = int(np.argmin(right))
        raise ValueError(f"'{POINTERS}' of '{(*schema.node_types, *names)[wrong]}' must ascend from 0 to {lengths[wrong]}")
