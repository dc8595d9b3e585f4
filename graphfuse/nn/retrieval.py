"""Does a vector of one modality find its partner of the other? Ranks, recall and mean average precision."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 1024
"""Rows compared with all partners at a time, which bounds memory."""
TIE = 1e-6
"""Cosines that differ by no more are equal; the last digits of a product depend on its shape."""


def partner_ranks(queries: Tensor, partners: Tensor) -> Tensor:
    """Return the rank of each query's own partner by cosine, from 1; ties count against it, so that equal vectors find nothing.

    Args:
        queries: [n, channels]
        partners: Row i is the partner of query i.  [n, channels]

    Returns:
        [n], int64
    """
    queries, partners = functional.normalize(queries, dim=-1), functional.normalize(partners, dim=-1)
    ranks = [torch.zeros(0, dtype=torch.long)]
    for start in range(0, len(queries), BLOCK):
        likeness = queries[start : start + BLOCK] @ partners.T  # [block, n]
        own = likeness.diagonal(start).unsqueeze(1)
        ranks.append((likeness >= own - TIE).sum(dim=1))
    return torch.cat(ranks)


def retrieval_metrics(queries: Tensor, partners: Tensor, k: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
    """Return how well queries find their own partners among all partners.

    Args:
        queries: [n, channels]
        partners: Row i is the partner of query i, its only relevant one.  [n, channels]
        k: How many of the nearest to look at.

    Returns:
        `recall_at_<k>`: share of queries whose partner is among the k nearest; `mean_average_precision`: with one relevant partner, the
        mean of 1 / rank. Empty without rows.
    """
    ranks = partner_ranks(queries, partners)
    return {name: float(value.mean()) for name, value in rank_scores(ranks, k).items()} if len(ranks) else {}


def rank_scores(ranks: Tensor, k: Sequence[int]) -> dict[str, Tensor]:
    """Return what each query adds to the metrics of its name, [n] each."""
    recall = {f"recall_at_{number}": (ranks <= number).double() for number in k}
    return recall | {"mean_average_precision": 1 / ranks.double()}


def chance_scores(count: int, k: Sequence[int]) -> dict[str, float]:
    """Return the metrics that are expected of a random order of `count` partners, 1 or more."""
    recall = {f"recall_at_{number}": min(number, count) / count for number in k}
    return recall | {"mean_average_precision": float((1 / torch.arange(1, count + 1, dtype=torch.double)).mean())}
