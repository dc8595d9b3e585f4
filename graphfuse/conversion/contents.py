"""Which texts, pictures and users occur both in train and in test rows: the leakage audit.

Edges within samples never join train to test; equal content is the way that remains (contract 4). Each piece of content becomes one
number of 64 bits, 8 bytes whatever its length. Two different pieces may get one number and be counted as shared: with a billion
pieces the chance that any two do is about 1 in 40, with a million 1 in 40 million.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.core.ragged import places
from graphfuse.core.tables import IntArray, NodeTable

NOT_AUDITED = ("sample", "interaction")
"""Node types whose nodes are never the same in two samples."""
Digests = npt.NDArray[np.uint64]
STEP = np.uint64(0x9E3779B97F4A7C15)
"""Any odd number that is large: it keeps equal spans at different places of a text apart."""


def content_table(split: pd.Series, nodes: Mapping[str, NodeTable]) -> pd.DataFrame:
    """Return `node_type`, `split` and `digest` of each picture, user, or whole text of a chunk's train and test samples.

    Args:
        split: The split of each sample.  [num_samples]
        nodes: Node table per node type.
    """
    asked = split.isin(["train", "test"]).to_numpy()
    parts = []
    for node_type, table in nodes.items():
        if node_type not in NOT_AUDITED:
            sample, digest = piece_digests(table)
            kept = asked[sample]
            splits = split.take(sample[kept]).reset_index(drop=True)
            parts.append(pd.DataFrame({"node_type": node_type, "split": splits, "digest": digest[kept]}))
    empty = pd.DataFrame({"node_type": [], "split": [], "digest": np.zeros(0, dtype=np.uint64)})
    return pd.concat(parts or [empty], ignore_index=True).astype({"node_type": "str", "split": "str"})


def shared_contents(tables: Iterable[pd.DataFrame], node_types: Sequence[str]) -> dict[str, int]:
    """Return, per node type, how many different pieces occur both in train and in test rows.

    Args:
        tables: What `content_table` gave for each chunk; one is in memory at a time.
        node_types: All node types of the store.
    """
    names = [name for name in node_types if name not in NOT_AUDITED]
    found: dict[tuple[str, str], list[Digests]] = {(name, split): [] for name in names for split in ("train", "test")}
    for table in tables:
        for (name, split), parts in found.items():
            chosen = (table["node_type"] == name) & (table["split"] == split)
            parts.append(np.unique(table.loc[chosen, "digest"].to_numpy(dtype=np.uint64)))
    return {
        name: len(np.intersect1d(_distinct(found[name, "train"]), _distinct(found[name, "test"]), assume_unique=True)) for name in names
    }


def piece_digests(table: NodeTable) -> tuple[IntArray, Digests]:
    """Return sample and digest of each picture, user, or whole text of a sample; equal content has equal digests.

    A text is its spans in order; what has neither text nor id (pictures) is compared by its features. Users without an id are nobody.

    Returns:
        Both [num_pieces], in the order of the nodes.
    """
    if not len(table):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
    name = next((name for name in ("text", "user_id") if name in table.units), None)
    values = None if name is None else _digests(table.units[name].astype("str"))
    keys: list[npt.NDArray[Any]] = [table.sample]
    if "picture" in table.units:
        keys.append(table.units["picture"].to_numpy())
    if name == "user_id" and values is not None:
        keys.append(values)
    first = np.concatenate([[True], np.any([key[1:] != key[:-1] for key in keys], axis=0)])
    starts = np.flatnonzero(first)
    if values is None:
        return table.sample[starts], _digests_of_features(table.x, starts)
    place = places(np.diff(starts, append=len(table)))
    placed = np.asarray(pd.util.hash_array(values + place.astype(np.uint64) * STEP), dtype=np.uint64)
    digests = np.add.reduceat(placed, starts)
    if name == "user_id":
        named = table.units[name].ne("").to_numpy()[starts]
        starts, digests = starts[named], digests[named]
    return table.sample[starts], digests


def _digests(values: pd.Series) -> Digests:
    return np.asarray(pd.util.hash_pandas_object(values, index=False, categorize=False), dtype=np.uint64)


def _digests_of_features(x: npt.NDArray[np.float32], starts: npt.NDArray[np.intp]) -> Digests:
    x = np.ascontiguousarray(x)
    ends = [*starts[1:].tolist(), len(x)]
    short = b"".join([hashlib.sha256(x[start:end].data).digest()[:8] for start, end in zip(starts.tolist(), ends, strict=True)])
    return np.frombuffer(short, dtype="<u8").astype(np.uint64)


def _distinct(parts: list[Digests]) -> Digests:
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.uint64)
