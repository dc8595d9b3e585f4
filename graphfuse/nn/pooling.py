"""One vector per sample and node type: what methods without a graph start from."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.nn.fusion import NodeWeights, Rows
from graphfuse.nn.inputs import input_projections
from graphfuse.nn.readout import presence, samples_of
from graphfuse.nn.weights import weighted_mean


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """The mean of each sample's units of one type."""

    mean: Tensor
    """0 where there are none.  [batch_size, channels]"""
    has: Tensor
    """1 where there are units, 0 where there are none; between them where node weights are.  [batch_size, 1]"""


def informative_types(schema: GraphSchema) -> tuple[str, ...]:
    """Return the node types whose features can tell samples apart: all but a bare sample node (one constant channel)."""
    bare = [name for name, modality in schema.modality_by_node_type.items() if modality == "sample"]
    told = tuple(name for name, channels in schema.channels_by_node_type.items() if name not in bare or channels > 1)
    return told or schema.node_types


def pool(batch: Batch, node_types: tuple[str, ...], node_weight_dict: NodeWeights | None = None) -> dict[str, Pooled]:
    """Average each sample's units type by type; a unit of weight w counts as w of a unit."""
    weights = node_weight_dict or {}
    result = {}
    for name in node_types:
        store, weight = batch[name], weights.get(name)
        mean = weighted_mean(store.x, samples_of(batch, name), weight)
        result[name] = Pooled(mean=mean, has=presence(batch, name, weight).unsqueeze(-1))
    return result


def pooled_rows(rows: Rows, node_types: tuple[str, ...]) -> tuple[dict[str, Pooled], Tensor]:
    """Return the means of all rows of a split, and their targets `y`, for methods that fit on everything at once."""
    parts: dict[str, list[Pooled]] = {name: [] for name in node_types}
    targets = []
    with torch.no_grad():
        for batch in rows():
            for name, part in pool(batch, node_types).items():
                parts[name].append(part)
            targets.append(batch.y)
    joined = {
        name: Pooled(mean=torch.cat([part.mean for part in found]), has=torch.cat([part.has for part in found]))
        for name, found in parts.items()
    }
    return joined, torch.cat(targets)


def row_weights(rows: Rows) -> Tensor | None:
    """Return how much each row of a split counts in training, None where all count the same.  [num_rows]."""
    found = [batch.sample_weight for batch in rows() if "sample_weight" in batch]
    return torch.cat(found) if found else None


class PooledInputs(nn.Module):
    """Mean per node type -> projection to one width; an absent type is a learned token."""

    def __init__(self, schema: GraphSchema, hidden_channels: int, input_dropout: float) -> None:
        super().__init__()
        self.node_types = informative_types(schema)
        channels: Mapping[str, int] = {name: schema.channels_by_node_type[name] for name in self.node_types}
        self.project = input_projections(channels, hidden_channels, input_dropout)
        self.absent = nn.ParameterDict({name: nn.Parameter(torch.zeros(hidden_channels)) for name in self.node_types})

    def forward(self, batch: Batch, node_weight_dict: NodeWeights | None = None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return per node type its vector [batch_size, hidden_channels] and whether it is there [batch_size, 1]."""
        vectors, present = {}, {}
        for name, part in pool(batch, self.node_types, node_weight_dict).items():
            vectors[name] = part.has * self.project[name](part.mean) + (1 - part.has) * self.absent[name]
            present[name] = part.has
        return vectors, present
