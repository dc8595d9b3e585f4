"""What a network makes of each modality alone: one vector per sample and modality, to be compared across modalities."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.nn.fusion import FusionNetwork, FusionOutput, NodeWeights
from graphfuse.nn.pooling import informative_types
from graphfuse.nn.readout import presence


@dataclass(frozen=True, kw_only=True)
class View:
    """What a network makes of one modality."""

    vector: Tensor
    """Means nothing where the sample lacks the modality.  [batch_size, channels]"""
    has: Tensor
    """Whether the sample has the modality.  [batch_size], bool"""


def types_by_modality(schema: GraphSchema) -> dict[str, tuple[str, ...]]:
    """Return the informative node types of each modality, in the schema's order."""
    found: dict[str, tuple[str, ...]] = {}
    for node_type in informative_types(schema):
        modality = schema.modality_by_node_type[node_type]
        found[modality] = (*found.get(modality, ()), node_type)
    return found


def has_any(batch: Batch, node_types: Collection[str], node_weight_dict: NodeWeights | None = None) -> Tensor:
    """Return which samples have a node (of weight above 0) of one of these types: [batch_size], bool."""
    weights = node_weight_dict or {}
    return torch.stack([presence(batch, name, weights.get(name)) > 0 for name in node_types]).any(dim=0)


def modality_views(
    network: FusionNetwork, batch: Batch, node_weight_dict: NodeWeights | None = None, output: FusionOutput | None = None
) -> dict[str, View]:
    """Return a view per modality: the model's own where it gives some, else its embedding of the modality alone.

    Args:
        network: With its schema.
        batch: A schema-complete batch.
        node_weight_dict: What is there of the batch; the rest counts as absent.
        output: What the network gave for them, if that is known already.
    """
    assert network.schema is not None, "a network that was built for a store has its schema"
    by_modality = types_by_modality(network.schema)
    output = output or network(batch, None, node_weight_dict)
    if output.views:
        # a model may tell node types of one modality apart
        types = {name: by_modality.get(name, (name,)) for name in output.views}
        return {name: View(vector=vector, has=has_any(batch, types[name], node_weight_dict)) for name, vector in output.views.items()}
    views = {}
    for modality, node_types in by_modality.items():
        others = [name for other, names in by_modality.items() if other != modality for name in names]
        alone = network(batch, None, without_types(batch, others, node_weight_dict))
        views[modality] = View(vector=alone.embedding, has=has_any(batch, node_types, node_weight_dict))
    return views


def view_pairs(views: dict[str, View]) -> list[tuple[str, str]]:
    """Return every two modalities that can be compared: whose vectors have one width."""
    return [(one, other) for one, other in combinations(views, 2) if views[one].vector.size(1) == views[other].vector.size(1)]


def without_types(batch: Batch, node_types: Collection[str], node_weight_dict: NodeWeights | None = None) -> NodeWeights:
    """Return node weights under which no sample has nodes of these types."""
    gone = {name: torch.zeros(batch[name].num_nodes, device=batch[name].x.device) for name in node_types}
    return {**(node_weight_dict or {}), **gone}
