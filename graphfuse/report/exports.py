"""Stores, samples and analyses in the formats of other tools: GraphML, GEXF, JSON, CSV, PyG, networkx."""

import io
import re
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import torch
from torch_geometric.data import HeteroData

from graphfuse.core.errors import ConfigError, InputError, IntegrityError, suggest
from graphfuse.core.files import read_json, write_bytes, write_json
from graphfuse.core.folders import STORES, what_is
from graphfuse.core.schema import GraphSchema, edge_name
from graphfuse.report.choose import positions_of
from graphfuse.report.tables import GraphTables, analysis_tables, read_scores, store_tables
from graphfuse.report.words import clean
from graphfuse.store.arrays import map_arrays, write_arrays
from graphfuse.store.graph_store import GraphStore, open_store

FORMATS = ("graphml", "gexf", "json", "csv", "pyg", "networkx-json")
FORMULA = re.compile(r"^[=+\-@\t\r\n＝＋－＠]")
"""Text that a spreadsheet would run."""


def export(source: Path, form: str, out: Path, *, sample_id: str | None = None, show_users: bool = False) -> dict[str, Any]:
    """Write a store or an analysis, or one sample of it, and return how many nodes, edges and rows were written.

    Of a store, `csv` writes a folder with `nodes.csv` and `edges.csv`, and `pyg` a folder that `read_pyg` reads; everything else is one
    file. In CSV, text that a spreadsheet would run as a formula has a leading apostrophe. Features are written by `pyg` only.

    Args:
        source: A store, or a folder that `analyse` wrote.
        form: One of `FORMATS`.
        out: File or folder to write.
        sample_id: One sample; None means all.
        show_users: Keep user ids; else users are numbered in the order they appear.

    Raises:
        ConfigError: If the format is unknown.
        InputError: If the source is neither a store nor an analysis, or the sample is not in it.
    """
    sample_id = None if sample_id is None else str(sample_id)  # a program may have it as a number
    if form not in FORMATS:
        raise ConfigError(f"--format: '{form[:40]}' is not a format. {suggest(form, FORMATS)}")
    if what_is(source) not in STORES:
        return _export_analysis(source, form, out, sample_id)
    _check_out(out, folder=form in ("csv", "pyg"))
    store = open_store(source)
    positions = positions_of(store, (sample_id,)) if sample_id is not None else np.arange(len(store), dtype=np.int64)
    if form == "pyg":
        return _write_pyg(store, positions, out)
    return _write(store_tables(store, positions, show_users=show_users), form, out)


def read_pyg(folder: Path) -> HeteroData:
    """Return what `export --format pyg` wrote: all samples as one `HeteroData` with `batch` and `ptr` per node type.

    Nothing in the folder is run: arrays are safetensors, names are JSON.

    Raises:
        IntegrityError: If a file is missing or damaged.
    """
    names, arrays = read_json(folder / "graph.json"), map_arrays(folder / "graph.safetensors")
    data = HeteroData()
    try:
        schema = GraphSchema.from_json(names["schema"])
        for key, value in arrays.items():
            where, _, attribute = key.rpartition("|")
            tensor = torch.from_numpy(np.array(value))
            if not where:
                data[attribute] = tensor
            elif where in schema.node_types:
                data[where][attribute] = tensor
            else:
                source, relation, destination = where.split("__")
                data[source, relation, destination][attribute] = tensor
        data.sample_id = list(names["sample_ids"])
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{folder} must be as export --format pyg writes it ({str(error)[:80]}). Export again.") from error
    return data


def _check_out(out: Path, *, folder: bool) -> None:
    """Check that what is to be written is not there as something else.

    Raises:
        InputError: If it is.
    """
    if folder and out.is_file():
        raise InputError(f"--out must be a folder here (got the file '{out}'). Name a new one.")
    if not folder and out.is_dir():
        raise InputError(f"--out must be a file to write (got the folder '{out}'). Name it, such as {out / 'export'}.")


def _export_analysis(folder: Path, form: str, out: Path, sample_id: str | None) -> dict[str, Any]:
    if not folder.is_dir():
        raise InputError(f"There must be a store or an analysis at {folder} (got nothing). Check the path.")
    if form == "pyg":
        raise ConfigError("--format: pyg writes features, which an analysis has none of. Export the store as pyg, or the analysis as json.")
    _check_out(out, folder=False)
    if form in ("graphml", "gexf", "networkx-json"):
        return _write(analysis_tables(folder, sample_id), form, out)
    scores = read_scores(folder)
    if sample_id is not None:
        scores = scores[scores["sample_id"] == sample_id].reset_index(drop=True)
        if not len(scores):
            raise InputError(f"A sample must be among the scored (got '{sample_id[:40]}'). Run analyse with --samples {sample_id[:40]}.")
    if form == "csv":
        _write_csv(out, scores)
    else:
        write_json(out, {"scores": _records(scores)})
    return {"rows": len(scores), "out": str(out)}


def _write(tables: GraphTables, form: str, out: Path) -> dict[str, Any]:
    if form == "csv":
        _write_csv(out / "nodes.csv", tables.nodes)
        _write_csv(out / "edges.csv", tables.edges)
    elif form == "json":
        write_json(out, {"nodes": _records(tables.nodes), "edges": _records(tables.edges)})
    elif form == "networkx-json":
        write_json(out, nx.node_link_data(_graph(tables), edges="edges"))
    else:
        write_bytes(out, _graphml(_graph(tables)) if form == "graphml" else _gexf(_graph(tables)))
    return {"nodes": len(tables.nodes), "edges": len(tables.edges), "out": str(out)}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as plain values; cells without a value are left out."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(key): _plain(value) for key, value in row.items() if value is not None} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return clean(value)
    return value if isinstance(value, bool | int) or (isinstance(value, float) and np.isfinite(value)) else str(value)


def _graph(tables: GraphTables) -> "nx.MultiDiGraph[str]":
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for row in _records(tables.nodes):
        graph.add_node(row.pop("id"), **row)
    for row in _records(tables.edges):
        graph.add_edge(row.pop("source"), row.pop("target"), **row)
    return graph


def _graphml(graph: "nx.MultiDiGraph[str]") -> bytes:
    buffer = io.BytesIO()
    nx.write_graphml_xml(graph, buffer)
    return buffer.getvalue()


def _gexf(graph: "nx.MultiDiGraph[str]") -> bytes:
    for _, attributes in graph.nodes(data=True):
        attributes["label"] = attributes.get("text") or f"{attributes['node_type']} {attributes['index']}"
    buffer = io.BytesIO()
    nx.write_gexf(graph, buffer)
    return re.sub(rb' lastmodifieddate="[^"]*"', b"", buffer.getvalue(), count=1)  # equal content, equal bytes


def _write_csv(path: Path, frame: pd.DataFrame) -> None:
    guarded = frame.copy()
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            guarded[name] = frame[name].map(_guard, na_action="ignore")
    write_bytes(path, guarded.to_csv(index=False, lineterminator="\n").encode("utf-8", "replace"))


def _guard(value: object) -> str:
    text = clean(str(value))
    return f"'{text}" if FORMULA.match(text) else text


def _write_pyg(store: GraphStore, positions: np.ndarray, out: Path) -> dict[str, Any]:
    batch = store.batch(positions)
    arrays = {f"|{key}": value.numpy() for key, value in batch._global_store.items() if isinstance(value, torch.Tensor)}
    for node_type in batch.node_types:
        arrays |= {f"{node_type}|{key}": value.numpy() for key, value in batch[node_type].items() if isinstance(value, torch.Tensor)}
    for edge_type in batch.edge_types:
        name = edge_name(edge_type)
        arrays |= {f"{name}|{key}": value.numpy() for key, value in batch[edge_type].items() if isinstance(value, torch.Tensor)}
    write_arrays(out / "graph.safetensors", arrays)
    sample_ids = store.samples["sample_id"].iloc[positions].tolist()
    write_json(out / "graph.json", {"schema": store.schema.to_json(), "target": store.target.to_json(), "sample_ids": sample_ids})
    nodes = sum(int(batch[node_type].num_nodes) for node_type in batch.node_types)
    edges = sum(batch[edge_type].edge_index.shape[1] for edge_type in batch.edge_types)
    return {"nodes": nodes, "edges": edges, "out": str(out)}
