"""`index.json`: what a store says of itself."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphfuse.core.errors import InputError, IntegrityError
from graphfuse.core.files import digest_bytes, read_json_text, write_bytes
from graphfuse.core.folders import BEGUN, EMPTY, LOST, NOTHING, what_is
from graphfuse.core.schema import GraphSchema, TargetSchema, edge_name
from graphfuse.core.versions import installed_versions
from graphfuse.store.layout import FORMAT, INDEX, shard_file

SEAL, END = b',\n  "sha256": "', b'"\n}\n'
"""What stands before and after the digest that ends the file: it is one of the text as it lies there, and needs no second rendering."""


@dataclass(frozen=True, kw_only=True)
class StoreIndex:
    """The checked content of `index.json`."""

    schema: GraphSchema
    target: TargetSchema
    weighted_edge_types: frozenset[str]
    """Names of the edge types that carry weights in every batch."""
    shards: tuple[Mapping[str, Any], ...]
    files: Mapping[str, Mapping[str, Any]]
    """Entry of every file of the store, those of the shards included."""
    recipe: dict[str, Any]
    digests: dict[str, Any]


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
    write_bytes(folder / INDEX, seal(index))


def read_index(folder: Path) -> StoreIndex:
    """Read and check the index of a store.

    Raises:
        InputError: If there is no store.
        IntegrityError: If the store is not whole, it is of another format, or its index was changed.
    """
    path = folder / INDEX
    if not path.exists():
        raise _no_store(folder)
    value, text = read_json_text(path)
    _check_format(path, value)
    if not _is_sealed(text):
        raise IntegrityError(f"{path} has changed since it was written. Restore it from a copy, or repeat convert into a new folder.")
    try:
        return _parse(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"{path} must be as convert writes it ({str(error)[:80]}). Repeat convert into a new folder.") from error


def _no_store(folder: Path) -> InputError | IntegrityError:
    """Return what to say of a folder without an index: what lies there decides what helps."""
    found = what_is(folder)
    if found in (BEGUN, LOST):
        step = "; it resumes" if found == BEGUN else " into a new folder"
        return IntegrityError(f"{folder} is not a whole store: it has no {INDEX}, which convert writes last. Repeat convert{step}.")
    if found in (NOTHING, EMPTY):
        return InputError(f"A store is a folder that convert made (got '{folder}'). Run: graphfuse convert EXPERIMENT --out {folder}")
    return InputError(f"A store is a folder that convert made (got '{folder}', which is {found}). Give the folder that convert wrote.")


def seal(index: Mapping[str, Any]) -> bytes:
    """Return an index as it lies on disk: its text, and as the last entry the SHA-256 of all the text before."""
    text = json.dumps(index, indent=2, sort_keys=True, ensure_ascii=False).removesuffix("\n}").encode()
    return text + SEAL + digest_bytes(text).encode() + END


def _is_sealed(text: bytes) -> bool:
    before, _, rest = text.rpartition(SEAL)
    return rest == digest_bytes(before).encode() + END


def _check_format(path: Path, value: Mapping[str, Any]) -> None:
    found = value.get("format")
    if not isinstance(found, int) or found < 1:
        raise IntegrityError(
            f"{path} must name its format version, a number from 1 (got {str(found)[:40]}). Repeat convert into a new folder."
        )
    if found < FORMAT:
        raise IntegrityError(
            f"{path.parent} is a store of format {found}; this graphfuse reads format {FORMAT}. Repeat convert into a new folder."
        )
    if found > FORMAT:
        raise IntegrityError(
            f"{path.parent} is a store of format {found}; this graphfuse reads format {FORMAT}. Update graphfuse: pip install -U graphfuse"
        )


def _parse(value: Mapping[str, Any]) -> StoreIndex:
    schema = GraphSchema.from_json(value["schema"])
    edge_names = [edge_name(edge_type) for edge_type in schema.edge_types]
    for name in (*schema.node_types, *edge_names):
        if not re.fullmatch(r"\w+", name):  # names become file names
            raise ValueError(f"type name {name[:40]!r}")
    shards, files = value["shards"], dict(value["files"])
    for shard in shards:
        files |= shard["files"]
        _check_record(shard, schema, edge_names, files)
    if not all(map(_is_entry, files.values())):
        raise ValueError("entry of a file")
    if sum(shard["samples"] for shard in shards) != value["samples"]:
        raise ValueError("number of samples")
    if any((shard["y"], shard["dtype"]) != (shards[0]["y"], shards[0]["dtype"]) for shard in shards):
        raise ValueError("targets or features of the shards differ in kind")
    if not all(isinstance(value[key], dict) for key in ("files", "recipe", "digests")):
        raise ValueError("files, recipe and digests are objects")
    if not isinstance(value["weighted_edge_types"], list) or not set(value["weighted_edge_types"]) <= set(edge_names):
        raise ValueError("weighted edge types are edge types")
    return StoreIndex(
        schema=schema,
        target=TargetSchema.from_json(value["target"]),
        weighted_edge_types=frozenset(value["weighted_edge_types"]),
        shards=tuple(shards),
        files=files,
        recipe=value["recipe"],
        digests=value["digests"],
    )


def _is_entry(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry["bytes"], int) and isinstance(entry["sha256"], str) and isinstance(entry["xxh3_128"], str)


def _check_record(shard: Mapping[str, Any], schema: GraphSchema, edge_names: list[str], files: Mapping[str, Any]) -> None:
    nodes, edges = shard["nodes"], shard["edges"]
    counts = [shard["number"], shard["samples"], *map(nodes.__getitem__, schema.node_types), *map(edges.__getitem__, edge_names)]
    if set(map(type, counts)) != {int} or min(counts) < 0:
        raise ValueError(f"counts of shard {str(shard['number'])[:40]}")
    if not (isinstance(shard["block_samples"], int) and shard["block_samples"] > 0 and isinstance(shard["frame"], str)):
        raise ValueError(f"blocks of shard {str(shard['number'])[:40]}")
    if shard_file(shard["number"]) not in files:
        raise ValueError(f"{shard_file(shard['number'])} is not listed")
