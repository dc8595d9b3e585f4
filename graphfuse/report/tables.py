"""A sample, a store or an analysis as two plain tables: nodes and edges, under names that never clash."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch_geometric.data import Batch

from graphfuse.core.errors import InputError
from graphfuse.core.folders import EMPTY, RUN, what_is
from graphfuse.core.schema import EdgeType, edge_name, parse_edge_name
from graphfuse.core.tables import IntArray
from graphfuse.report.folder import score_files
from graphfuse.store.frames import read_frame
from graphfuse.store.graph_store import GraphStore

BLOCK = 512
"""Samples read at a time."""


@dataclass(frozen=True, kw_only=True)
class GraphTables:
    """A graph in two tables.

    `nodes` has `id`, `sample_id`, `node_type`, `index` (place in the sample) and what a person can read of a node (`text`, `x0` ...);
    `edges` has `source`, `target` (node ids), `sample_id`, `edge_type`, `relation` and `weight` or scores. A user shared between
    samples is one node, with no sample of its own.
    """

    nodes: pd.DataFrame
    edges: pd.DataFrame


@dataclass
class _People:
    """User ids, numbered in the order they appear unless they may be shown."""

    show: bool
    numbers: dict[str, str] = field(default_factory=dict)

    def names(self, ids: pd.Series) -> pd.Series:
        if self.show:
            return ids
        return ids.map(lambda name: self.numbers.setdefault(name, f"user-{len(self.numbers) + 1}") if name else "", na_action="ignore")


def store_tables(store: GraphStore, positions: IntArray, *, show_users: bool = False) -> GraphTables:
    """Return the graph of some samples of a store.

    Args:
        store: The store.
        positions: Which samples.
        show_users: Keep user ids; else they are numbered in the order they appear.
    """
    people = _People(show=show_users)
    nodes: list[pd.DataFrame] = []
    edges: list[pd.DataFrame] = []
    for start in range(0, len(positions), BLOCK):
        block = positions[start : start + BLOCK]
        batch = store.batch(block)
        nodes.extend(_block_nodes(store, block, batch, people))
        edges.extend(_block_edges(store, block, batch))
    ids = store.samples["sample_id"].to_numpy()
    all_nodes = pd.concat(nodes, ignore_index=True) if nodes else pd.DataFrame(columns=["id", "sample_id", "node_type", "index"])
    all_edges = (
        pd.concat(edges, ignore_index=True) if edges else pd.DataFrame(columns=["source", "target", "sample_id", "edge_type", "relation"])
    )
    for frame in (all_nodes, all_edges):
        place = frame["sample_id"].astype("int64").to_numpy()
        frame["sample_id"] = pd.Series(np.where(place >= 0, ids[place], ""), dtype="str")
    return GraphTables(nodes=all_nodes.drop_duplicates("id", ignore_index=True), edges=all_edges)


def analysis_tables(folder: Path, sample_id: str | None = None) -> GraphTables:
    """Return the scored edges of an analysis: one row per edge, a column per analysis that scored it.

    Raises:
        InputError: If the folder holds no scored edges, or none of that sample.
    """
    frame = read_scores(folder)
    frame = frame[frame["level"] == "edge"]
    if sample_id is not None:
        frame = frame[frame["sample_id"] == sample_id]
    if not len(frame):
        raise InputError(
            f"An export as a graph needs scored edges (got none{f' of {sample_id[:40]}' if sample_id else ''} in {folder}). "
            "Run analyse with occlusion, gradient or attention, or export as csv or json."
        )
    keys = ["sample_id", "element", "source", "target"]
    wide = frame.pivot_table(index=keys, columns="analysis", values="score", sort=False).reset_index()
    wide.columns = [str(name) if name in keys else f"score_{name}" for name in wide.columns]
    ends = wide["element"].map(parse_edge_name)
    scored = [name for name in wide.columns if name.startswith("score_")]
    node_types = {end: ends.str[place] for end, place in (("source", 0), ("target", 2))}
    nodes = pd.concat(
        [pd.DataFrame({"sample_id": wide["sample_id"], "node_type": node_types[end], "index": wide[end]}) for end in ("source", "target")]
    ).drop_duplicates(ignore_index=True)
    nodes.insert(0, "id", _ids(nodes["sample_id"], nodes["node_type"], nodes["index"]))
    edges = pd.DataFrame({end: _ids(wide["sample_id"], node_types[end], wide[end]) for end in ("source", "target")})
    edges = edges.assign(
        sample_id=wide["sample_id"], edge_type=wide["element"], relation=ends.str[1], **{name: wide[name] for name in scored}
    )
    return GraphTables(nodes=nodes, edges=edges)


def read_scores(folder: Path) -> pd.DataFrame:
    """Return all score tables of an analysis folder, one below the other.

    Raises:
        InputError: If there are none.
        IntegrityError: If the analysis is not whole, or a table is not as it was written.
    """
    frames = [read_frame(path) for path in score_files(folder)]
    if not frames:
        found = what_is(folder)
        run, out = (folder, "ANALYSIS") if found == RUN else ("RUN", folder if found == EMPTY else "ANALYSIS")
        raise InputError(
            f"{folder} must be a store, or a folder that analyse wrote (it is {found}). "
            f"Give one; to make one, run: graphfuse analyse {run} --store STORE --out {out}"
        )
    return pd.concat(frames, ignore_index=True)


def _ids(sample: pd.Series, node_type: pd.Series, index: pd.Series) -> pd.Series:
    return sample.astype("str") + "/" + node_type + "/" + index.astype("str")


def _block_nodes(store: GraphStore, positions: IntArray, batch: Batch, people: _People) -> Iterator[pd.DataFrame]:
    """Yield the nodes of a block of samples, sample by sample, with the sample's position in `sample_id` (-1 for shared nodes)."""
    found = [_typed_nodes(store, node_type, positions, batch) for node_type in store.schema.node_types]
    frames = [frame for frame in found if len(frame)]
    if not frames:
        return
    # columns stand in the order in which a reader of the rows comes to them
    columns = list(dict.fromkeys(name for frame in sorted(frames, key=lambda frame: int(frame.index[0])) for name in frame))
    nodes = pd.concat(frames).sort_index(kind="stable")[columns]
    if "user_id" in nodes:
        nodes["user_id"] = people.names(nodes["user_id"])
    yield nodes


def _typed_nodes(store: GraphStore, node_type: str, positions: IntArray, batch: Batch) -> pd.DataFrame:
    """Return the nodes of one type of a block of samples; the index says to which of them each belongs."""
    units = store.units_of(node_type, positions)
    place = units.index.to_numpy(dtype=np.int64)
    frame = units.drop(columns="sample_id", errors="ignore").rename(columns={"index": "unit_index"})
    if "user_id" in frame:
        frame["user_id"] = frame["user_id"].fillna("").astype("str")
    shared = node_type in store.schema.entity_types
    number = batch[node_type].entity.numpy() if shared else np.arange(len(place)) - np.searchsorted(place, place)
    names = [""] * len(place) if shared else [f"{name}/" for name in store.samples["sample_id"].to_numpy()[positions[place]]]
    frame.insert(0, "id", [f"{name}{node_type}/{index}" for name, index in zip(names, number, strict=True)])
    frame.insert(1, "sample_id", -1 if shared else positions[place])
    frame.insert(2, "node_type", node_type)
    frame.insert(3, "index", number)
    return frame


def _block_edges(store: GraphStore, positions: IntArray, batch: Batch) -> Iterator[pd.DataFrame]:
    """Yield the edges of each type of a block of samples."""
    names = store.samples["sample_id"].to_numpy()[positions]
    for edge_type in store.schema.edge_types:
        edges = batch[edge_type]
        if not edges.edge_index.shape[1]:
            continue
        owner = batch[edge_type[0]].batch[edges.edge_index[0]].numpy()
        columns: dict[str, Any] = {
            end: _node_ids(store, batch, edge_type, place, edges.edge_index[place].numpy(), owner, names)
            for place, end in enumerate(("source", "target"))
        }
        columns |= {"sample_id": positions[owner], "edge_type": edge_name(edge_type), "relation": edge_type[1]}
        if "edge_weight" in edges:
            columns["weight"] = edges.edge_weight.numpy().astype(np.float64)
        yield pd.DataFrame(columns)


def _node_ids(
    store: GraphStore,
    batch: Batch,
    edge_type: EdgeType,
    place: int,
    rows: IntArray,
    owner: IntArray,
    names: npt.NDArray[Any],
) -> list[str]:
    node_type = edge_type[2 * place]
    nodes = batch[node_type]
    if node_type in store.schema.entity_types:
        return [f"{node_type}/{number}" for number in nodes.entity.numpy()[rows]]
    local = rows - nodes.ptr.numpy()[owner]
    return [f"{name}/{node_type}/{number}" for name, number in zip(names[owner], local, strict=True)]
