"""Ranks of partners, against counting one by one and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import label_ranking_average_precision_score

from graphfuse.nn import retrieval
from graphfuse.nn.retrieval import chance_scores, partner_ranks, rank_scores, retrieval_metrics


def vectors(rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    one = torch.randn(rows, 6, generator=draw)
    return one, one + 1.5 * torch.randn(rows, 6, generator=draw)


def cosines(one: torch.Tensor, other: torch.Tensor) -> np.ndarray:
    one, other = one.double().numpy(), other.double().numpy()
    return one @ other.T / np.linalg.norm(one, axis=1)[:, None] / np.linalg.norm(other, axis=1)


def test_a_rank_counts_the_partners_that_are_nearer() -> None:
    one, other = vectors(40)
    likeness = cosines(one, other)
    expected = [1 + sum(likeness[row, column] > likeness[row, row] for column in range(40)) for row in range(40)]
    assert partner_ranks(one, other).tolist() == expected
    assert len(set(expected)) > 3


def test_ranks_do_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = vectors(40)
    whole = partner_ranks(one, other)
    monkeypatch.setattr(retrieval, "BLOCK", 7)
    assert torch.equal(partner_ranks(one, other), whole)


def test_mean_average_precision_is_scikit_learns_and_recall_counts() -> None:
    one, other = vectors(60)
    found = retrieval_metrics(one, other, (1, 3))
    expected = label_ranking_average_precision_score(np.eye(60, dtype=int), cosines(one, other))
    assert found["mean_average_precision"] == pytest.approx(expected)
    nearest = np.argsort(-cosines(one, other), axis=1)
    assert found["recall_at_1"] == np.mean(nearest[:, 0] == np.arange(60))
    assert found["recall_at_3"] == np.mean([row in nearest[row, :3] for row in range(60)])


def test_equal_vectors_find_nothing() -> None:
    same = torch.ones(9, 4)
    assert partner_ranks(same, same).tolist() == [9] * 9
    assert partner_ranks(torch.zeros(0, 4), torch.zeros(0, 4)).tolist() == []
    assert retrieval_metrics(torch.zeros(0, 4), torch.zeros(0, 4)) == {}


def test_chance_is_what_a_random_order_reaches() -> None:
    draw = torch.Generator().manual_seed(0)
    ranks = torch.randint(1, 13, (40_000,), generator=draw)
    for name, expected in chance_scores(12, (1, 5, 20)).items():
        assert rank_scores(ranks, (1, 5, 20))[name].mean().item() == pytest.approx(expected, abs=0.01)
