"""Losses that make modalities agree: contrast between the views of one sample, and agreement of two decisions."""

import torch
from torch import Tensor
from torch.nn import functional

from graphfuse.core.schema import TargetKind


def info_nce(first: Tensor, second: Tensor, temperature: float = 0.1, keep: Tensor | None = None) -> Tensor:
    """Return how badly each row finds its partner among all others, in both directions.

    InfoNCE from "Representation Learning with Contrastive Predictive Coding" (van den Oord et al., 2018, arXiv:1807.03748), symmetric and
    on cosines as in "Learning Transferable Visual Models From Natural Language Supervision" (Radford et al., ICML 2021, arXiv:2103.00020).

    Args:
        first: One modality's vectors.  [n, channels]
        second: The other's; row i is the partner of row i.  [n, channels]
        temperature: Above 0; the lower, the more the hardest of the others count.
        keep: Rows that take part, as partners of others too; None means all.  [n]

    Returns:
        Mean of the two cross entropies, 0 or more, about log n where nothing is found; 0 without rows.  []
    """
    if keep is not None:
        first, second = first[keep], second[keep]
    if not len(first):
        return first.new_zeros(())
    # 1. Cosine of every row with every partner.  [n, n]
    likeness = functional.normalize(first, dim=-1) @ functional.normalize(second, dim=-1).T / temperature
    # 2. The own partner is the right class, seen from each side.
    own = torch.arange(len(first), device=first.device)
    return (functional.cross_entropy(likeness, own) + functional.cross_entropy(likeness.T, own)) / 2


def disagreement(logits: Tensor, reference: Tensor, kind: TargetKind, keep: Tensor | None = None) -> Tensor:
    """Return how far decisions are from those of a reference.

    Classes: Kullback-Leibler divergence KL(reference || logits). Labels: the same for each label, mean over labels. Values: the squared
    difference, mean over values.

    Args:
        logits: The decisions that should come nearer.  [n, num_logits]
        reference: The decisions that they should come nearer to; no gradient flows into them.  [n, num_logits]
        kind: What the logits mean; one logit alone is a label.
        keep: Rows that take part; None means all.  [n]

    Returns:
        Mean over rows, 0 or more; 0 without rows.  []
    """
    reference = reference.detach()
    if kind == "regression":
        rows = (logits - reference).square().mean(dim=-1)
    elif kind == "multilabel" or logits.size(-1) == 1:
        chance = reference.sigmoid()
        # cross entropy less entropy, both from logits, so that sure decisions stay finite
        cross = functional.binary_cross_entropy_with_logits(logits, chance, reduction="none")
        rows = (cross - functional.binary_cross_entropy_with_logits(reference, chance, reduction="none")).mean(dim=-1)
    else:
        log_chance = reference.log_softmax(dim=-1)
        rows = (log_chance.exp() * (log_chance - logits.log_softmax(dim=-1))).sum(dim=-1)
    if keep is None:
        return rows.mean() if len(rows) else rows.sum()
    return (rows * keep).sum() / keep.sum().clamp(min=1)
