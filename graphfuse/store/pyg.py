"""Columns -> PyG: the same content as `Batch.from_data_list`, every declared type included (contract 1)."""

import weakref
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData
from torch_geometric.data.storage import BaseStorage, EdgeStorage, NodeStorage

from graphfuse.core.ragged import exclusive_sums
from graphfuse.core.schema import EdgeType, GraphSchema
from graphfuse.core.tables import IntArray
from graphfuse.store.gathered import Columns

HETERO_BATCH = type(Batch(_base_cls=HeteroData))
"""PyG's `HeteroDataBatch`; PyG itself makes a metaclass per batch to find it."""

Entities = Mapping[str, npt.NDArray[Any]]
"""Features of the shared node types, [num_entities, channels] each."""


def to_batch(columns: Columns, positions: IntArray, schema: GraphSchema, entities: Entities) -> Batch:
    """Return a batch whose node and edge types are exactly those of the schema.

    Args:
        columns: What `gather` returned for these samples.
        positions: The samples' positions in the store.  [batch_size]
        schema: Node types and edge types.
        entities: Features of shared node types.
    """
    batch = type.__call__(HETERO_BATCH)
    types = zip(schema.node_types, _node_attributes(columns, schema, entities), columns.owners, columns.node_pointers, strict=True)
    for node_type, attributes, owners, pointers in types:
        attributes |= {"batch": owners, "ptr": pointers}
        _add(batch._node_store_dict, NodeStorage, batch, node_type, attributes)
    _fill(batch, columns, positions, schema)
    of_graph = list(batch._global_store.keys())
    batch._num_graphs = len(positions)
    batch.__dict__["_slice_dict"] = Bookkeeping(columns, schema, of_graph, increments=False)
    batch.__dict__["_inc_dict"] = Bookkeeping(columns, schema, of_graph, increments=True)
    return batch


def to_sample(columns: Columns, positions: IntArray, schema: GraphSchema, entities: Entities) -> HeteroData:
    """Return one sample, with the same attributes as a batch but `batch` and `ptr`, which batching adds."""
    sample = HeteroData()
    for node_type, attributes in zip(schema.node_types, _node_attributes(columns, schema, entities), strict=True):
        _add(sample._node_store_dict, NodeStorage, sample, node_type, attributes)
    _fill(sample, columns, positions, schema)
    return sample


class Bookkeeping(Mapping[Any, Any]):
    """PyG's slices or increments of a batch, made on first use.

    `get_example` and `to_data_list` need them; training does not, and they cost more than the batch itself.
    """

    def __init__(self, columns: Columns, schema: GraphSchema, graph_attributes: list[str], *, increments: bool) -> None:
        self._counts = columns.node_counts, columns.edge_counts
        self._weighted = tuple(columns.weights)
        self._schema = schema
        self._graph_attributes = graph_attributes
        self._increments = increments

    def __getitem__(self, key: object) -> Any:
        return self._value[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._value)

    def __len__(self) -> int:
        return len(self._value)

    @cached_property
    def _value(self) -> dict[Any, Any]:
        return self._all_increments() if self._increments else self._all_slices()

    def _all_slices(self) -> dict[Any, Any]:
        nodes, edges = (torch.from_numpy(exclusive_sums(counts.numpy())) for counts in self._counts)
        value: dict[Any, Any] = {name: torch.arange(self._counts[0].shape[1] + 1) for name in self._graph_attributes}
        for number, node_type in enumerate(self._schema.node_types):
            value[node_type] = dict.fromkeys(self._node_names(node_type), nodes[number])
        for number, edge_type in enumerate(self._schema.edge_types):
            value[edge_type] = dict.fromkeys(self._edge_names(number), edges[number])
        return value

    def _all_increments(self) -> dict[Any, Any]:
        size = self._counts[0].shape[1]
        none = torch.zeros(size, dtype=torch.int64)
        before = torch.from_numpy(exclusive_sums(self._counts[0].numpy())[:, :-1])
        value: dict[Any, Any] = dict.fromkeys(self._graph_attributes, none)
        for node_type in self._schema.node_types:
            value[node_type] = dict.fromkeys(self._node_names(node_type), none)
        kinds = {node_type: number for number, node_type in enumerate(self._schema.node_types)}
        for number, edge_type in enumerate(self._schema.edge_types):
            value[edge_type] = dict.fromkeys(self._edge_names(number), none)
            source, destination = before[kinds[edge_type[0]]], before[kinds[edge_type[2]]]
            value[edge_type]["edge_index"] = torch.stack([source, destination], dim=1).unsqueeze(-1)  # [batch_size, 2, 1]
        return value

    def _node_names(self, node_type: str) -> list[str]:
        return ["x", "entity"] if node_type in self._schema.entity_types else ["x"]

    def _edge_names(self, number: int) -> list[str]:
        return ["edge_index", "edge_weight"] if number in self._weighted else ["edge_index"]


def _node_attributes(columns: Columns, schema: GraphSchema, entities: Entities) -> Iterator[dict[str, Tensor]]:
    for node_type, column in zip(schema.node_types, columns.nodes, strict=True):
        if node_type in schema.entity_types:
            yield {"x": torch.from_numpy(entities[node_type].take(column.numpy(), axis=0, mode="clip")).float(), "entity": column}
        else:
            yield {"x": column}


def _fill(data: HeteroData, columns: Columns, positions: IntArray, schema: GraphSchema) -> None:
    """Set edges and what belongs to the sample as a whole."""
    for number, edge_type in enumerate(schema.edge_types):
        attributes = {"edge_index": columns.edges[number]}
        if number in columns.weights:
            attributes["edge_weight"] = columns.weights[number]
        _add(data._edge_store_dict, EdgeStorage, data, edge_type, attributes)
    if columns.y is not None:
        data.y = columns.y
    data.position = torch.from_numpy(positions)


def _add(
    stores: dict[Any, BaseStorage], kind: type[BaseStorage], data: HeteroData, key: str | EdgeType, attributes: dict[str, Tensor]
) -> None:
    """Set the attributes of one type; through PyG's public face this costs as much as the gather."""
    store = object.__new__(kind)  # not its initializer, which sets attributes one by one
    store.__dict__.update(_mapping=attributes, _parent=weakref.ref(data), _key=key)
    stores[key] = store
