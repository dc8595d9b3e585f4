"""What a batch is made of, before PyG's objects hold it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of one batch; lists stand in the order of the schema."""

    node_counts: Tensor
    """[num_node_types, batch_size]"""
    node_pointers: Sequence[Tensor]
    """Per node type the first node of each sample in the batch, and the end.  [batch_size + 1]"""
    owners: Sequence[Tensor]
    """Per node type the sample of each node.  [num_nodes]"""
    nodes: Sequence[Tensor]
    """Per node type features [num_nodes, channels], or rows of the entity table [num_nodes]."""
    edge_counts: Tensor
    """[num_edge_types, batch_size]"""
    edges: Sequence[Tensor]
    """Per edge type source and destination in the batch.  [2, num_edges]"""
    weights: Mapping[int, Tensor]
    """Per weighted edge type (its number in the schema).  [num_edges]"""
    y: Tensor | None
