"""What a store is made from: digests of the inputs, and whether a folder was made from the same."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.conversion.fit import Fitted
from graphfuse.core.build import build
from graphfuse.core.columns import as_texts
from graphfuse.core.differences import differences
from graphfuse.core.errors import ConfigError, GraphfuseError
from graphfuse.core.tables import Manifest, rejection_frame

RECIPE_PARTS = ("modalities", "edges", "task", "convert")
"""The parts of an experiment that a store depends on, besides its inputs."""
MADE_WITH = (
    *("numpy", "pandas", "pyarrow", "safetensors", "scikit-learn", "scipy", "regex"),
    *("torch", "torchvision", "transformers", "tokenizers", "pillow"),
)
"""Packages whose versions, beside Python's and graphfuse's own, decide what bytes a shard has."""
BLOCK = 65_536
"""Rows of a column that are digested at a time, since what is made of them is larger than they are."""


def digest_manifest(manifest: Manifest) -> str:
    """Return a digest of all rows of all tables, and of the sizes of the pictures they name."""
    digest = hashlib.sha256(json.dumps(list(manifest.target)).encode())
    tables = {"samples": manifest.samples, **manifest.linked, "rejections": rejection_frame(manifest.rejections)}
    for name, frame in sorted(tables.items()):
        digest.update(f"\0{name}\0{len(frame)}".encode())
        for column in frame.columns:
            digest.update(f"\0{column}\0".encode())
            for start in range(0, len(frame), BLOCK):
                digest.update(_column_bytes(frame[column].iloc[start : start + BLOCK]))
    digest.update(_picture_sizes(manifest).tobytes())
    return digest.hexdigest()


def digest_fitted(fitted: Fitted) -> str:
    """Return a digest of states, schema and target."""
    digest = hashlib.sha256(json.dumps([fitted.schema.to_json(), fitted.target.to_json()], sort_keys=True).encode())
    for name, state in sorted(fitted.states.items()):
        for key, array in sorted(state.items()):
            digest.update(f"\0{name}\0{key}\0{array.dtype}\0{array.shape}\0".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def check_same(folder: object, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that a folder was made, or begun, from the same recipe and inputs.

    Args:
        folder: For the message.
        found: `recipe` and `digests` of the folder.
        wanted: `recipe` and `digests` of this conversion.

    Raises:
        ConfigError: With what differs.
    """
    different = []
    for part in RECIPE_PARTS:
        before, now = (json.loads(json.dumps(value["recipe"].get(part))) for value in (found, wanted))
        different += [f"{place}: was {_shown(old)}, is {_shown(new)}" for place, old, new in differences(before, now, part)]
    if found["digests"].get("inputs") != wanted["digests"]["inputs"]:
        different.append("the rows, the linked tables or the pictures are others")
    if found["digests"].get("fitted") != wanted["digests"]["fitted"]:
        different.append("what was learned from train rows is not the same")
    if different:
        raise ConfigError(
            f"{folder} was made from something else, and one store holds one conversion ({'; '.join(different[:5])}). "
            "Give another --out, or remove the folder first."
        )


def check_same_versions(folder: object, begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that an unfinished store was begun with what is installed now: shards of two versions are not one store.

    Args:
        folder: For the message.
        begun: The plan of the folder; one that names no versions is of an older graphfuse.
        wanted: The plan of this conversion.

    Raises:
        ConfigError: With what differs.
    """
    before, now = begun.get("versions"), wanted["versions"]
    before = before if isinstance(before, Mapping) else {}
    different = [
        f"{name} was {before.get(name, 'not noted')}, is {version}" for name, version in now.items() if before.get(name) != version
    ]
    if different:
        raise ConfigError(
            f"{folder} was begun with other versions, and one store is made by one ({'; '.join(different[:3])}). "
            "Finish it with those that began it, or give another --out, or remove the folder first."
        )


def _column_bytes(column: pd.Series) -> bytes:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return column.to_numpy().tobytes()
    return pd.util.hash_pandas_object(as_texts(column).values, index=False).to_numpy().tobytes()


def _picture_sizes(manifest: Manifest) -> npt.NDArray[np.int64]:
    """Return the size in bytes of each picture that is named, -1 where there is no such file; nothing is opened."""
    if "pictures" not in manifest.samples:
        return np.empty(0, dtype=np.int64)
    names = sorted({str(name) for names in manifest.samples["pictures"] if names is not None for name in names})
    sizes = []
    for name in names:
        try:
            sizes.append((manifest.root / name).stat().st_size)
        except (OSError, ValueError):  # ValueError: a NUL in the name
            sizes.append(-1)
    return np.array(sizes, dtype=np.int64)


def check_trainable(settings: Mapping[str, Any], recipe: Mapping[str, Any], allowed: tuple[str, ...] = ()) -> None:
    """Check that an experiment's graphs are those of a store; what only training reads, and where files lie, may differ.

    Args:
        settings: The experiment as plain JSON.
        recipe: The experiment that made the store.
        allowed: Packages outside graphfuse whose plug-ins may be imported.

    Raises:
        ConfigError: With every setting that differs.
    """
    different = []
    for part, room in (("dataset", "datasets"), ("modalities", "modalities"), ("edges", "edges")):
        before, now = (_without_paths(_filled(value.get(part), room, part, allowed)) for value in (recipe, settings))
        different += [
            f"{place}: the store was converted with {_shown(old)} (got {_shown(new)}). Undo the change, or convert into a new folder."
            for place, old, new in differences(before, now, part)
        ]
    if different:
        raise ConfigError(different)


def _filled(value: Any, room: str, path: str, allowed: tuple[str, ...]) -> Any:
    """Return sections with the defaults of what they leave out, as plain JSON: to write a default down is no change."""
    if isinstance(value, list):
        return [_filled(section, room, f"{path}.{number}", allowed) for number, section in enumerate(value)]
    try:
        plugin = build(room, value, path, allowed)
    except GraphfuseError:  # of another version, or not allowed: as it was written
        return value
    return json.loads(json.dumps({"name": value["name"], **asdict(plugin)}, default=str))


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items() if key not in ("path", "folder")}
    return [_without_paths(item) for item in value] if isinstance(value, list) else value


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        return ", ".join(str(item["name"]) for item in value)[:80]
    return json.dumps(value, ensure_ascii=False)[:40]
