"""Two losses that can be added to any model: modalities of one sample find each other, and the network can do without each of them."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.core.draws import uniform
from graphfuse.core.settings import TrainSettings
from graphfuse.nn.contrast import disagreement, info_nce
from graphfuse.nn.fusion import FusionNetwork, FusionOutput, NodeWeights
from graphfuse.nn.views import has_any, modality_views, types_by_modality, view_pairs

STREAM = 1 << 20
"""Of the draw of modalities; streams from 0 belong to modality dropout."""


def with_agreement(
    output: FusionOutput,
    network: FusionNetwork,
    batch: Batch,
    node_weight_dict: NodeWeights | None,
    settings: TrainSettings,
    seed: int,
    epoch: int,
) -> FusionOutput:
    """Return the output with the penalties that `train.contrast` and `train.consistency` ask for; both off changes nothing.

    Args:
        output: What the network gave for the batch.
        network: In training mode, with its schema.
        batch: A schema-complete batch of a store.
        node_weight_dict: What was left of the batch after modality dropout.
        settings: Weights of the two losses.
        seed: Seed of the run.
        epoch: Epoch, from 1.
    """
    penalties: dict[str, Tensor] = {}
    if settings.contrast:
        penalties["contrast"] = settings.contrast * contrast(output, network, batch, node_weight_dict, settings.contrast_temperature)
    if settings.consistency:
        penalties["consistency"] = settings.consistency * consistency(output, network, batch, node_weight_dict, seed, epoch)
    return replace(output, penalties={**output.penalties, **penalties}) if penalties else output


def contrast(
    output: FusionOutput, network: FusionNetwork, batch: Batch, node_weight_dict: NodeWeights | None, temperature: float
) -> Tensor:
    """Return InfoNCE, mean over pairs of modalities; samples that lack one of a pair are left out of it.

    Compared are the views that the model gives and learns, else its embeddings of one modality at a time. Where these are decided without
    gradients (experts of late methods, which learn from the task alone; kernels), it is a number that nothing learns from.
    """
    learned = any(vector.requires_grad for vector in output.views.values())
    views = modality_views(network, batch, node_weight_dict, output if learned else replace(output, views={}))
    terms = [
        info_nce(views[one].vector, views[other].vector, temperature, views[one].has & views[other].has) for one, other in view_pairs(views)
    ]
    return torch.stack(terms).mean() if terms else output.embedding.new_zeros(())


def consistency(
    output: FusionOutput, network: FusionNetwork, batch: Batch, node_weight_dict: NodeWeights | None, seed: int, epoch: int
) -> Tensor:
    """Return how far the prediction without one modality is from that of all, which is the teacher.

    Each sample that has two or more modalities loses one of them, drawn anew in every epoch. The teacher learns nothing from it, as in
    "Distilling the Knowledge in a Neural Network" (Hinton et al., 2015, arXiv:1503.02531). Where decisions are combined by what is no
    function of parameters (a vote), those of the experts that are left are held against the combined one.
    """
    assert network.schema is not None, "a network that was built for a store has its schema"
    assert output.logits is not None, "a FusionNetwork gives logits"
    by_modality = types_by_modality(network.schema)
    has = {modality: has_any(batch, names, node_weight_dict) for modality, names in by_modality.items()}
    lost = drawn_modality(torch.stack(list(has.values())), seed, epoch, batch)
    weights = _without(batch, by_modality, lost, node_weight_dict)
    without = network(batch, None, weights)
    kind = network.target.kind if network.target else "classification"
    if without.logits.requires_grad or not without.experts:
        return disagreement(without.logits, output.logits, kind, lost >= 0)
    terms = []
    for name, logits in without.experts.items():
        node_types = [found for found in by_modality.get(name, (name,)) if found in batch.node_types]
        left = has_any(batch, node_types, weights) if node_types else torch.ones_like(lost, dtype=torch.bool)
        terms.append(disagreement(logits, output.logits, kind, left & (lost >= 0)))
    return torch.stack(terms).mean()


def drawn_modality(has: Tensor, seed: int, epoch: int, batch: Batch) -> Tensor:
    """Return the number of one modality that each sample has, -1 where it has fewer than two.

    The draw depends on (seed, epoch, position in the store) and on what the sample has only, so that a resumed run repeats it.

    Args:
        has: Whether each sample has each modality.  [num_modalities, batch_size], bool
        seed: Seed of the run.
        epoch: Epoch, from 1.
        batch: Whose `position` says which samples they are.

    Returns:
        [batch_size], int64
    """
    count = has.sum(dim=0)
    chance = torch.from_numpy(uniform(seed, epoch, STREAM, np.asarray(batch.position)))
    place = (chance * count).long()  # among those that are there, from 0
    number = (has.long().cumsum(dim=0) <= place).sum(dim=0)
    return torch.where(count >= 2, number, -1)


def _without(batch: Batch, by_modality: Mapping[str, tuple[str, ...]], lost: Tensor, node_weight_dict: NodeWeights | None) -> NodeWeights:
    """Return node weights under which each sample lacks the modality that it lost."""
    weights = dict(node_weight_dict or {})
    for number, node_types in enumerate(by_modality.values()):
        for name in node_types:
            stays = (lost != number).to(batch[name].x.dtype)[batch[name].batch]
            weights[name] = weights[name] * stays if name in weights else stays
    return weights
