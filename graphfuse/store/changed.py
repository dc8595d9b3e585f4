"""A store seen through a change: parts removed, edges rewired, features replaced, nothing written."""

from collections.abc import Callable, Collection, Mapping
from copy import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.tables import IntArray
from graphfuse.store.graph_store import GraphStore

Change = Callable[[Batch], Batch]
"""A function of a batch (of its `position`, not of its order or company) that returns another with the same samples."""


class ChangedStore(GraphStore):
    """A store whose samples pass through a change on their way out.

    Args:
        path: The store's folder.
        change: What happens to every batch.
        description: The change as plain JSON; runs keep it, so that they are resumed only with the same one.
    """

    def __init__(self, path: Path, change: Change, description: Mapping[str, Any]) -> None:
        super().__init__(path)
        self._change = change
        self.change = description

    def sample(self, i: int) -> HeteroData:
        """Return the changed sample at a position, as a graph of its own."""
        batch, alone = self.batch([i]), HeteroData()
        for key in (*batch.node_types, *batch.edge_types):
            alone[key].update({name: value for name, value in batch[key].items() if name not in ("batch", "ptr", "num_nodes")})
        for name in ("y", "position"):
            if name in batch:
                alone[name] = batch[name]
        return alone

    def _batch(self, positions: IntArray) -> Batch:
        return self._change(super()._batch(positions))


def loose_copy(batch: Batch) -> Batch:
    """Return a batch whose columns can be set anew while the first keeps its own; it cannot be taken apart into samples."""
    loose = copy(batch)
    loose.__dict__["_slice_dict"] = loose.__dict__["_inc_dict"] = None  # of the batch before
    return loose


def without_modalities(batch: Batch, modality_by_node_type: Mapping[str, str], modalities: Collection[str]) -> Batch:
    """Return the batch in which all nodes of some modalities, and their edges, never were."""
    gone = [node_type for node_type, modality in modality_by_node_type.items() if modality in modalities]
    return keep_nodes(batch, {name: torch.zeros(batch[name].num_nodes, dtype=torch.bool) for name in gone})


def keep_nodes(batch: Batch, kept: Mapping[str, Tensor]) -> Batch:
    """Return the batch with only some of its nodes, and the edges between nodes that are left.

    Args:
        batch: A schema-complete batch.
        kept: Mask per node type [num_nodes]; of a type left out, all nodes stay.
    """
    less = loose_copy(batch)
    number = {name: torch.cumsum(mask, dim=0) - 1 for name, mask in kept.items()}
    for name, mask in kept.items():
        store, counts = less[name], torch.zeros(batch.num_graphs, dtype=torch.long)
        counts = counts.index_add(0, store.batch[mask], torch.ones(int(mask.sum()), dtype=torch.long))
        for key in ("x", "batch", "entity"):
            if key in store:
                store[key] = store[key][mask]
        store.ptr = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
        store.num_nodes = int(mask.sum())
    for edge_type in batch.edge_types:
        edges = less[edge_type]
        stays = torch.ones(edges.edge_index.size(1), dtype=torch.bool)
        ends = edges.edge_index
        for end, name in enumerate((edge_type[0], edge_type[2])):
            if name in kept:
                stays &= kept[name][ends[end]]
        new = [number[name][end] if name in kept else end for end, name in zip(ends[:, stays], (edge_type[0], edge_type[2]), strict=True)]
        edges.edge_index = torch.stack(new)
        if "edge_weight" in edges:
            edges.edge_weight = edges.edge_weight[stays]
    return less
