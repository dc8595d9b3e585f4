"""InfoNCE and the agreement of decisions, against their definitions."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Categorical, kl_divergence

from graphfuse.nn.contrast import disagreement, info_nce


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def info_nce_by_hand(first: np.ndarray, second: np.ndarray, temperature: float) -> float:
    """Return minus the mean log share of the own partner, seen from each side."""
    total = 0.0
    for one, other in ((first, second), (second, first)):
        for row in range(len(one)):
            cosines = [one[row] @ partner / np.linalg.norm(one[row]) / np.linalg.norm(partner) for partner in other]
            shares = np.exp(np.array(cosines) / temperature)
            total -= math.log(shares[row] / shares.sum())
    return total / len(first) / 2


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_info_nce_is_the_mean_log_share_of_the_own_partner_from_both_sides(temperature: float) -> None:
    first, second = random(7, 5), random(7, 5, seed=1)
    expected = info_nce_by_hand(first.double().numpy(), second.double().numpy(), temperature)
    assert info_nce(first, second, temperature).item() == pytest.approx(expected, rel=1e-5)


def test_rows_left_out_are_no_partners_either() -> None:
    first, second = random(7, 5), random(7, 5, seed=1)
    keep = torch.tensor([True, False, True, True, False, True, True])
    torch.testing.assert_close(info_nce(first, second, 0.1, keep), info_nce(first[keep], second[keep], 0.1))


def test_partners_that_are_found_cost_nothing_and_equal_ones_the_logarithm_of_their_number() -> None:
    assert info_nce(torch.eye(6), torch.eye(6), 0.01).item() == pytest.approx(0, abs=1e-6)
    assert info_nce(torch.ones(6, 3), torch.ones(6, 3), 0.1).item() == pytest.approx(math.log(6))


@pytest.mark.parametrize("rows", [0, 1])
def test_without_others_there_is_nothing_to_learn(rows: int) -> None:
    assert info_nce(random(rows, 4), random(rows, 4, seed=1)).item() == 0


def test_descending_it_brings_partners_together() -> None:
    first, second = random(8, 4).requires_grad_(), random(8, 4, seed=1)
    for _ in range(60):
        (slope,) = torch.autograd.grad(info_nce(first, second, 0.2), first)
        first = (first - 0.5 * slope).detach().requires_grad_()
    likeness = torch.nn.functional.normalize(first, dim=1) @ torch.nn.functional.normalize(second, dim=1).T
    assert torch.equal(likeness.argmax(dim=1), torch.arange(8))


def test_classes_disagree_by_their_divergence() -> None:
    logits, reference = random(6, 4), random(6, 4, seed=1)
    expected = kl_divergence(Categorical(logits=reference), Categorical(logits=logits))
    torch.testing.assert_close(disagreement(logits, reference, "classification"), expected.mean())


@pytest.mark.parametrize(("kind", "width"), [("multilabel", 4), ("classification", 1)])
def test_labels_disagree_by_the_mean_of_theirs(kind: str, width: int) -> None:
    logits, reference = random(6, width), random(6, width, seed=1)
    expected = kl_divergence(Bernoulli(logits=reference), Bernoulli(logits=logits))
    torch.testing.assert_close(disagreement(logits, reference, kind), expected.mean())


def test_values_disagree_by_their_squared_difference() -> None:
    logits, reference = random(6, 2), random(6, 2, seed=1)
    torch.testing.assert_close(disagreement(logits, reference, "regression"), torch.nn.functional.mse_loss(logits, reference))


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_only_the_rows_that_take_part_count(kind: str) -> None:
    logits, reference, keep = random(5, 3), random(5, 3, seed=1), torch.tensor([True, False, False, True, True])
    torch.testing.assert_close(disagreement(logits, reference, kind, keep), disagreement(logits[keep], reference[keep], kind))
    assert disagreement(logits, reference, kind, torch.zeros(5, dtype=torch.bool)).item() == 0
    assert disagreement(reference, reference, kind).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_the_reference_learns_nothing_and_sure_decisions_stay_finite(kind: str) -> None:
    logits, reference = (200 * random(5, 3)).requires_grad_(), (-200 * random(5, 3)).requires_grad_()
    loss = disagreement(logits, reference, kind)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert reference.grad is None
