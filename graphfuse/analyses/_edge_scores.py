"""Scores of every edge of a batch: what the network gave it, what its gradient says, what happens without it."""

import torch
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.analyses._copies import blocks, take_samples
from graphfuse.analyses._elements import Elements, rank_in_sample
from graphfuse.analyses._evidence import Measure, drop, evidence, flips, size_of
from graphfuse.core.schema import EdgeType
from graphfuse.nn.fusion import FusionNetwork


def attention_scores(network: FusionNetwork, batch: Batch, elements: Elements) -> Tensor:
    """Return the network's own weight of each element, mean over the edge and its twin, [num_elements]."""
    with torch.no_grad():
        return elements.mean(dict(network(batch).edge_scores))


def gradient_scores(network: FusionNetwork, batch: Batch, elements: Elements, measure: Measure = "log_odds") -> Tensor:
    """Return the evidence's slope by each element's weight, at weight 1: to first order, the drop without it, [num_elements]."""
    with torch.enable_grad():
        weights = {edge_type: torch.ones(element.numel(), requires_grad=True) for edge_type, element in elements.of_edge.items()}
        logits = network(batch, edge_weight_dict=weights).logits
        totals = evidence(logits, logits.detach(), network, measure).sum(dim=0)
        if not weights or not totals.requires_grad:  # no edges, or a network that does not look at them
            return torch.zeros(len(elements))
        slopes = [_slopes(total, weights, elements, keep=len(totals) > 1) for total in totals]
    return size_of(torch.stack(slopes, dim=1), network)


def _slopes(total: Tensor, weights: dict[EdgeType, Tensor], elements: Elements, *, keep: bool) -> Tensor:
    """Return the slope of one number by each element's weight, [num_elements]; `keep` what further numbers need to go back."""
    slopes = torch.autograd.grad(total, list(weights.values()), retain_graph=keep, allow_unused=True)
    return elements.sum({edge_type: slope for edge_type, slope in zip(weights, slopes, strict=True) if slope is not None})


def occlusion_scores(
    network: FusionNetwork, batch: Batch, elements: Elements, measure: Measure = "log_odds", block: int = 50_000, max_edges: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Return each element's drop of evidence when it alone is removed, and whether the prediction flips.

    Every element gets its own copy of its sample with this one weight at 0; copies run together in forward passes of
    at most about `block` nodes and edges. A sample with more than `max_edges` elements (0: any number) would take as many copies of
    all its edges: those with the steepest slopes are removed, and of the others the drop is the slope, which it is to first order.

    Returns:
        Drop, flip (0 or 1; 0 where it was not removed) and whether it was removed, each [num_elements].
    """
    removed = torch.ones(len(elements), dtype=torch.bool)
    lost, flipped = torch.zeros(len(elements)), torch.zeros(len(elements))
    if max_edges and bool((elements.sample.bincount() > max_edges).any()):
        lost = gradient_scores(network, batch, elements, measure)
        removed = rank_in_sample(elements.sample, lost.abs()) < max_edges
    chosen = removed.nonzero().squeeze(1)
    with torch.no_grad():
        full = network(batch).logits
        for part in blocks(batch, elements.sample[chosen], block) if len(chosen) else []:
            piece = chosen[part]
            sample = elements.sample[piece]
            copies = take_samples(batch, sample)
            weights = {
                edge_type: (element[copies.edge_rows[edge_type]] != piece[copies.edge_copy[edge_type]]).float()
                for edge_type, element in elements.of_edge.items()
            }
            masked = network(copies.batch, edge_weight_dict=weights).logits
            lost[piece] = drop(full[sample], masked, network, measure)
            flipped[piece] = flips(full[sample], masked, network)
    return lost, flipped, removed


def no_edge_scores(network: FusionNetwork, batch: Batch) -> bool:
    """Return whether a network gives its edges no scores of its own."""
    with torch.no_grad():
        return not network(batch).edge_scores
