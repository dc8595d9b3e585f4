"""Modality dropout: whole modalities go missing during training, so that the network does without them."""

from collections.abc import Mapping

import torch
from torch_geometric.data import Batch

from graphfuse.core.draws import uniform
from graphfuse.core.errors import ConfigError, suggest
from graphfuse.core.schema import GraphSchema
from graphfuse.nn.fusion import NodeWeights


def check_modalities(schema: GraphSchema, chances: Mapping[str, float]) -> None:
    """Check that every modality is one of the store's.

    Raises:
        ConfigError: With every modality that is not.
    """
    known = set(schema.modality_by_node_type.values())
    unknown = [name for name in chances if name not in known]
    if unknown:
        raise ConfigError([f"train.modality_dropout.{name}: is not a modality of this store. {suggest(name, known)}" for name in unknown])


def modality_weights(batch: Batch, schema: GraphSchema, chances: Mapping[str, float], seed: int, epoch: int) -> NodeWeights | None:
    """Return node weights in which, sample by sample, all nodes of a modality are there (1) or removed (0).

    The draw depends on (seed, epoch, modality, position in the store) only, so that a resumed run repeats it.
    After "ModDrop: adaptive multi-modal gesture recognition" (Neverova et al., TPAMI 2016, arXiv:1501.00102).

    Args:
        batch: A schema-complete batch.
        schema: Modality of each node type.
        chances: Chance in [0, 1] per modality.
        seed: Seed of the run.
        epoch: Epoch, from 1.
    """
    if not chances:
        return None
    modalities = sorted(set(schema.modality_by_node_type.values()))
    positions = batch.position.numpy()
    weights = {}
    for node_type, modality in schema.modality_by_node_type.items():
        if modality in chances:
            kept = torch.from_numpy(uniform(seed, epoch, modalities.index(modality), positions) >= chances[modality])
            weights[node_type] = kept.float()[batch[node_type].batch]
    return weights
