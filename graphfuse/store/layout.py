"""Where everything lies in a store, format 2, and what a shard must hold."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from graphfuse.core.schema import GraphSchema, edge_name

FORMAT = 2
"""2: files are listed with a checksum besides their digest."""
INDEX = "index.json"
SAMPLES = "samples.parquet"
QUARANTINE = "quarantine.parquet"

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


def shard_layout(schema: GraphSchema, record: Mapping[str, Any]) -> Layout:
    """Return exactly the arrays that a shard holds, given its record in `index.json`.

    Per node type `<type>.x` [n, channels] (for entities `<type>.entity` [n] instead) and `<type>.ptr` [samples + 1]; per edge
    type `<edge>.index` [2, e] local to the sample and sorted by destination, `<edge>.ptr`, `<edge>.weight` [e] where the
    builder gives weights; `y` where there is a target.
    """
    pointers = ("int64", (record["samples"] + 1,))
    layout: Layout = {}
    for node_type, channels in schema.channels_by_node_type.items():
        count = record["nodes"][node_type]
        layout[f"{node_type}.ptr"] = pointers
        if node_type in schema.entity_types:
            layout[f"{node_type}.entity"] = ("int64", (count,))
        else:
            layout[f"{node_type}.x"] = (record["dtype"], (count, channels))
    for edge_type in schema.edge_types:
        name = edge_name(edge_type)
        count = record["edges"][name]
        layout[f"{name}.ptr"] = pointers
        layout[f"{name}.index"] = ("int32", (2, count))
        if name in record["weighted"]:
            layout[f"{name}.weight"] = ("float32", (count,))
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


def check_shard(arrays: Mapping[str, npt.NDArray[Any]], schema: GraphSchema) -> None:
    """Check that pointers ascend and that every edge joins nodes of its own sample.

    Raises:
        ValueError: With the first array that breaks the rule.
    """
    counts = {node_type: _counts(arrays, node_type, _length(arrays, node_type)) for node_type in schema.node_types}
    for edge_type in schema.edge_types:
        name = edge_name(edge_type)
        index = arrays[f"{name}.index"]
        per_sample = _counts(arrays, name, index.shape[1])
        for row, node_type in enumerate((edge_type[0], edge_type[2])):
            # read without a sign, a number below 0 is a very large one
            if np.any(index[row].view(np.uint32) >= np.repeat(counts[node_type].astype(np.uint32), per_sample)):
                raise ValueError(f"'{name}.index' must stay within the sample's nodes")


def _length(arrays: Mapping[str, npt.NDArray[Any]], node_type: str) -> int:
    return len(arrays[f"{node_type}.x"] if f"{node_type}.x" in arrays else arrays[f"{node_type}.entity"])


def _counts(arrays: Mapping[str, npt.NDArray[Any]], name: str, length: int) -> npt.NDArray[np.int64]:
    pointers = arrays[f"{name}.ptr"]
    counts: npt.NDArray[np.int64] = np.diff(pointers)
    if pointers[0] != 0 or pointers[-1] != length or np.any(counts < 0):
        raise ValueError(f"'{name}.ptr' must ascend from 0 to {length}")
    return counts
