"""One sample of a store as plain values, for people and scripts."""

import json
from typing import Any

import pandas as pd

from graphfuse.core.schema import edge_name
from graphfuse.report.choose import positions_of
from graphfuse.store.graph_store import GraphStore


def describe_sample(store: GraphStore, sample_id: str) -> dict[str, Any]:
    """Return a sample's row, what can be read of its nodes by type, and its edges by name as pairs of node numbers.

    Raises:
        InputError: If there is no such sample; the nearest id is offered.
    """
    position = int(positions_of(store, (sample_id,))[0])
    graph = store.sample(position)
    return {
        "sample": _records(store.samples.iloc[[position]])[0],
        "nodes": {name: _records(store.units(name, position)) for name in store.schema.node_types},
        "edges": {edge_name(kind): graph[kind].edge_index.t().tolist() for kind in store.schema.edge_types},
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as JSON values; what is missing is null."""
    return list(json.loads(frame.to_json(orient="records", force_ascii=False)))
