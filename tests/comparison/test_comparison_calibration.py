"""Calibration against its definition: what is said with confidence 0.8 should come true in 80 of 100 cases."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from graphfuse.comparison.calibration import NUM_BINS, Statements, calibrate, calibration_error, equal_mass, equal_width, state


def by_definition(confidence, true, edges):
    """Return the sum over bins of |B| / n |acc(B) - conf(B)|, with B between two edges, the upper one included."""
    total = 0.0
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(true[inside].mean() - confidence[inside].mean())
    return total


def said(confidence, true):
    return Statements(confidence=np.asarray(confidence, dtype=float), true=np.asarray(true, dtype=float))


def test_three_statements_by_hand():
    statements = said([0.95, 0.85, 0.55], [1, 0, 1])
    bins = equal_width(statements, 10)
    assert bins.tolist() == [9, 8, 5]
    assert calibration_error(statements, bins) == pytest.approx((0.05 + 0.85 + 0.45) / 3)


@pytest.mark.parametrize("num_bins", [5, 10, 15])
def test_the_error_is_that_of_the_definition(num_bins):
    rng = np.random.default_rng(0)
    confidence = rng.random(500)
    statements = said(confidence, rng.random(500) < confidence**2)
    found = calibration_error(statements, equal_width(statements, num_bins))
    assert found == pytest.approx(by_definition(confidence, statements.true, np.linspace(0, 1, num_bins + 1)))


def test_bins_hold_their_upper_end_and_the_first_also_nought():
    assert equal_width(said([0.0, 0.2, 0.2001, 1.0], [0, 0, 0, 1]), 5).tolist() == [0, 0, 1, 4]


def test_adaptive_bins_hold_as_many_each_and_equal_statements_share_one():
    rng = np.random.default_rng(0)
    confidence = rng.random(300) ** 4
    statements = said(confidence, rng.random(300) < 0.5)
    bins = equal_mass(statements, 10)
    assert np.bincount(bins).tolist() == [30] * 10
    ordered = np.sort(confidence)
    edges = [-1.0, *ordered[29::30]]
    assert calibration_error(statements, bins) == pytest.approx(by_definition(confidence, statements.true, edges))
    assert len(set(equal_mass(said([0.5] * 7 + [0.9], [1] * 8), 4)[:7].tolist())) == 1


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(1)
    confidence, true, order = rng.integers(0, 20, 200) / 20, rng.random(200) < 0.4, rng.permutation(200)
    for binned in (equal_width, equal_mass):
        first, second = said(confidence, true), said(confidence[order], true[order])
        assert calibration_error(first, binned(first, 15)) == pytest.approx(calibration_error(second, binned(second, 15)))


def test_of_a_class_the_most_probable_one_is_stated_and_unknown_rows_say_nothing():
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.4, 0.35, 0.25]]))
    statements = state(logits, torch.tensor([0, 1, -1]), "classification")
    assert statements.confidence == pytest.approx([0.7, 0.6])
    assert statements.true.tolist() == [1, 0]


def test_of_labels_each_known_cell_states_that_the_label_is_there():
    logits = torch.logit(torch.tensor([[0.9, 0.2], [0.3, 0.6]]))
    statements = state(logits, torch.tensor([[1.0, 0.0], [float("nan"), 1.0]]), "multilabel")
    assert statements.confidence == pytest.approx([0.9, 0.2, 0.6], abs=1e-6)
    assert statements.true.tolist() == [1, 0, 1]


def test_probabilities_that_come_true_have_hardly_an_error_and_sharper_ones_have():
    rng = np.random.default_rng(0)
    chance = torch.tensor(rng.random(20_000))
    y = torch.tensor(rng.random(20_000) < chance.numpy()).long()
    honest = torch.stack([torch.log1p(-chance), torch.log(chance)], dim=1)
    found, sharp = calibrate("honest", [honest], y, "classification"), calibrate("sharp", [3 * honest], y, "classification")
    assert found["ece"] < 0.02
    assert found["adaptive_ece"] < 0.02
    assert sharp["ece"] > 0.1
    assert all(abs(one["confidence"] - one["accuracy"]) < 0.05 for one in found["bins"])
    assert sum(one["count"] for one in found["bins"]) == 20_000


def test_seeds_give_an_interval_and_share_the_bins():
    rng = np.random.default_rng(0)
    logits = [torch.tensor(rng.normal(size=(50, 3))) for _ in range(3)]
    y = torch.tensor(rng.integers(0, 3, 50))
    found = calibrate("three", logits, y, "classification")
    assert found["low"] < found["ece"] < found["high"]
    assert found["ece"] == pytest.approx(np.mean([calibrate("one", [one], y, "classification")["ece"] for one in logits]))
    assert sum(one["count"] for one in found["bins"]) == 150
    assert len(found["bins"]) <= NUM_BINS
    confidences = [one["confidence"] for one in found["bins"]]
    assert confidences == sorted(confidences)
    assert calibrate("one", logits[:1], y, "classification")["low"] is None


def test_values_and_rows_without_target_state_nothing():
    assert calibrate("values", [torch.zeros(3, 1)], torch.zeros(3, 1), "regression") is None
    assert calibrate("unknown", [torch.zeros(3, 2)], torch.full((3,), -1), "classification") is None
    assert calibrate("failed", [], torch.zeros(3).long(), "classification") is None
