"""Gather samples of a batch, with repetition, into a new batch: many masked copies, one forward pass."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.schema import EdgeType


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Samples of a batch, one behind the other, and where each of their edges came from."""

    batch: Batch
    edge_rows: dict[EdgeType, Tensor]
    """Edge of the original batch that each edge copies, [num_edges]."""
    edge_copy: dict[EdgeType, Tensor]
    """Copy (position in `index`) that each edge belongs to, [num_edges]."""


def take_samples(batch: Batch, index: Tensor) -> Copies:
    """Return the samples `index` of a batch, in that order; a sample may be taken many times.

    A vectorised ragged gather: nothing loops over samples, and the result is what batching the samples one by one gives.

    Args:
        batch: A schema-complete batch.
        index: Samples of the batch, int64 [num_copies].
    """
    taken = Batch(_base_cls=HeteroData)
    taken._num_graphs = index.numel()
    for key, value in batch._global_store.items():
        taken[key] = value[index] if isinstance(value, Tensor) else value
    starts: dict[str, tuple[Tensor, Tensor]] = {}
    for node_type in batch.node_types:
        starts[node_type] = _take_nodes(batch, taken, node_type, index)
    edge_rows, edge_copy = {}, {}
    for edge_type in batch.edge_types:
        rows, copy = _take_edges(batch, taken, edge_type, index, starts)
        edge_rows[edge_type], edge_copy[edge_type] = rows, copy
    return Copies(batch=taken, edge_rows=edge_rows, edge_copy=edge_copy)


def first_samples(batches: Iterable[Batch], limit: int) -> Iterator[Batch]:
    """Return the first `limit` samples of some batches, still in batches; 0 means all."""
    left = limit
    for batch in batches:
        if not limit:
            yield batch
        elif batch.num_graphs <= left:
            yield batch
            left -= batch.num_graphs
        else:
            yield take_samples(batch, torch.arange(left)).batch
            left = 0
        if limit and not left:
            return


def blocks(batch: Batch, index: Tensor, limit: int) -> list[Tensor]:
    """Return `index` in pieces whose copies hold at most about `limit` nodes and edges, so that memory stays bounded."""
    size = torch.zeros(batch.num_graphs, dtype=torch.int64)
    for node_type in batch.node_types:
        size += batch[node_type].ptr.diff()
    for edge_type in batch.edge_types:
        size += edge_sample(batch, edge_type).bincount(minlength=batch.num_graphs)
    piece = size[index].cumsum(0).sub(1).clamp(min=0) // limit
    sizes = torch.bincount(piece)
    return list(torch.split(torch.arange(index.numel()), sizes[sizes > 0].tolist()))


def edge_sample(batch: Batch, edge_type: EdgeType) -> Tensor:
    """Return the sample of each edge, [num_edges]."""
    sample: Tensor = batch[edge_type[0]].batch[batch[edge_type].edge_index[0]]
    return sample


def _take_nodes(batch: Batch, taken: Batch, node_type: str, index: Tensor) -> tuple[Tensor, Tensor]:
    """Copy the nodes of one type; return each copy's first node, before and after."""
    nodes = batch[node_type]
    counts = nodes.ptr.diff()[index]
    old_start = nodes.ptr[:-1][index]
    rows, copy = _ragged(old_start, counts)
    ptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    for key, value in nodes.items():
        if isinstance(value, Tensor) and key not in ("ptr", "batch"):
            taken[node_type][key] = value[rows]
    taken[node_type].num_nodes = rows.numel()
    taken[node_type].batch = copy
    taken[node_type].ptr = ptr
    return old_start, ptr[:-1]


def _take_edges(
    batch: Batch, taken: Batch, edge_type: EdgeType, index: Tensor, starts: dict[str, tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """Copy the edges of one type; return their original rows and their copies."""
    edges = batch[edge_type]
    sample = edge_sample(batch, edge_type)
    order = torch.sort(sample, stable=True).indices
    per_sample = sample.bincount(minlength=batch.num_graphs)
    first = per_sample.cumsum(0) - per_sample
    position, copy = _ragged(first[index], per_sample[index])
    rows = order[position]
    shift = torch.stack([(starts[end][1] - starts[end][0])[copy] for end in (edge_type[0], edge_type[2])])
    for key, value in edges.items():
        if key == "edge_index":
            taken[edge_type].edge_index = value[:, rows] + shift
        elif isinstance(value, Tensor):
            taken[edge_type][key] = value[rows]
    return rows, copy


def _ragged(start: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows start, start + 1, ... of each piece, one behind the other, and the piece of each row."""
    piece = torch.repeat_interleave(torch.arange(counts.numel()), counts)
    first = counts.cumsum(0) - counts
    return torch.arange(piece.numel()) - first[piece] + start[piece], piece
