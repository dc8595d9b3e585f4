"""Samples <-> networkx, with types, features and weights kept."""

from collections.abc import Mapping
from typing import Any

import networkx as nx
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.errors import InputError, suggest
from graphfuse.core.schema import EdgeType, GraphSchema, edge_name


def to_networkx(sample: HeteroData) -> nx.MultiDiGraph:
    """Return a sample as a directed graph of named nodes.

    Nodes are called `<type>/<number>` and have `node_type`, `x` (a list of numbers) and, where shared, `entity`. Edges have
    the relation as key, and `relation`, `number` (their place in `edge_index`) and, where weighted, `edge_weight`. The graph
    itself has `y`, `position` and `weighted_edge_types`.

    Args:
        sample: One sample of a store (`store.sample(i)`), not a batch.

    Raises:
        InputError: If it is a batch.
    """
    if isinstance(sample, Batch):
        raise InputError(f"One sample becomes one graph (got a batch of {sample.num_graphs}). Take one: batch.get_example(0)")
    weighted = [edge_name(edge_type) for edge_type in sample.edge_types if "edge_weight" in sample[edge_type]]
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(
        weighted_edge_types=weighted, **{key: value.tolist() for key, value in sample._global_store.items()}
    )
    for node_type in sample.node_types:
        columns = {key: value.tolist() for key, value in sample[node_type].items()}
        for number in range(sample[node_type].num_nodes):
            graph.add_node(f"{node_type}/{number}", node_type=node_type, **{key: column[number] for key, column in columns.items()})
    for edge_type in sample.edge_types:
        source_type, relation, destination_type = edge_type
        weights = sample[edge_type].get("edge_weight")
        for number, (source, destination) in enumerate(sample[edge_type].edge_index.t().tolist()):
            attributes = {"relation": relation, "number": number} | ({} if weights is None else {"edge_weight": float(weights[number])})
            key = graph.new_edge_key(f"{source_type}/{source}", f"{destination_type}/{destination}")
            graph.add_edge(f"{source_type}/{source}", f"{destination_type}/{destination}", key=f"{relation}/{key}", **attributes)
    return graph


def from_networkx(graph: nx.MultiDiGraph, schema: GraphSchema) -> HeteroData:
    """Return the sample that a graph describes; the inverse of `to_networkx`, and it takes graphs made by hand.

    Nodes need `node_type` and `x`, edges need `relation`; nodes of one type keep their order, and types that do not occur are empty.

    Args:
        graph: A directed graph whose nodes may have any name.
        schema: Node types with their channels, and edge types.

    Raises:
        InputError: If a node or edge type is not in the schema, an attribute is missing, or features have another width.
    """
    nodes: dict[str, list[Mapping[str, Any]]] = {node_type: [] for node_type in schema.node_types}
    place = {}
    for name, attributes in graph.nodes(data=True):
        node_type = _attribute(attributes, "node_type", f"Node '{str(name)[:40]}'")
        if node_type not in nodes:
            raise InputError(
                f"Node '{str(name)[:40]}' must have a type of the schema (got '{str(node_type)[:40]}'). {suggest(str(node_type), nodes)}"
            )
        place[name] = (node_type, len(nodes[node_type]))
        nodes[node_type].append(attributes)

    sample = HeteroData()
    for node_type, rows in nodes.items():
        sample[node_type].x = _features(node_type, rows, schema.channels_by_node_type[node_type])
        if node_type in schema.entity_types:
            sample[node_type].entity = torch.tensor(
                [_attribute(row, "entity", f"A node of '{node_type}'") for row in rows], dtype=torch.int64
            )
    weighted = set(graph.graph.get("weighted_edge_types", ()))
    for edge_type, edges in _edges_by_type(graph, place, schema).items():
        pairs = [(source, destination) for source, destination, _ in edges]
        sample[edge_type].edge_index = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).t().contiguous()
        if edge_name(edge_type) in weighted or any("edge_weight" in attributes for _, _, attributes in edges):
            sample[edge_type].edge_weight = torch.tensor([float(attributes.get("edge_weight", 1.0)) for _, _, attributes in edges])
    for key in ("y", "position"):
        if key in graph.graph:
            sample[key] = torch.tensor(graph.graph[key])
    return sample


def _edges_by_type(
    graph: nx.MultiDiGraph, place: Mapping[Any, tuple[str, int]], schema: GraphSchema
) -> dict[EdgeType, list[tuple[int, int, Mapping[str, Any]]]]:
    """Return local ends and attributes of the edges, in the order they had, else by destination."""
    edges: dict[EdgeType, list[tuple[int, int, Mapping[str, Any]]]] = {edge_type: [] for edge_type in schema.edge_types}
    for source, destination, attributes in graph.edges(data=True):
        (source_type, i), (destination_type, j) = place[source], place[destination]
        edge_type = (source_type, _attribute(attributes, "relation", "An edge"), destination_type)
        if edge_type not in edges:
            known = [edge_name(known) for known in edges]
            raise InputError(
                f"An edge must have a type of the schema (got '{edge_name(edge_type)[:80]}'). {suggest(edge_name(edge_type), known)}"
            )
        edges[edge_type].append((i, j, attributes))
    return {edge_type: sorted(found, key=lambda edge: (edge[2].get("number", 0), edge[1], edge[0])) for edge_type, found in edges.items()}


def _features(node_type: str, rows: list[Mapping[str, Any]], channels: int) -> Tensor:
    values = [list(_attribute(row, "x", f"A node of '{node_type}'")) for row in rows]
    wrong = next((len(value) for value in values if len(value) != channels), None)
    if wrong is not None:
        raise InputError(f"Nodes of '{node_type}' must have {channels} features (got {wrong}). Encode them as the store's were.")
    return torch.tensor(values, dtype=torch.float32).reshape(-1, channels)


def _attribute(attributes: Mapping[str, Any], name: str, owner: str) -> Any:
    if name not in attributes:
        raise InputError(f"{owner} must have '{name}' (has {', '.join(sorted(map(str, attributes))) or 'nothing'}).")
    return attributes[name]
