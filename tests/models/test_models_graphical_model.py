"""Inference held against sums over all states, the tree against its formula, values against the textbook."""

from itertools import product

import numpy as np
import pytest
import torch
from toy_late import SCHEMA, TARGETS, decision, fusion, said, says

from graphfuse.core.errors import ConfigError
from graphfuse.models._tree_bayes import TreeBayes, conditional_information, confidence_knots, maximum_spanning_tree, soft_states
from graphfuse.models.graphical_model import ErrorModel, GraphicalModelModel


def made_tree(experts=4, questions=2, outcomes=3, states=3, rows=300):
    """Return a fitted tree, the rows it was fitted on, and which of their experts are there."""
    draw = torch.Generator().manual_seed(0)
    y = torch.nn.functional.one_hot(torch.randint(0, outcomes, (rows, questions), generator=draw), outcomes).float()
    y[:5] = 0
    shares = torch.rand(rows, questions, experts, states, generator=draw)
    shares[:, :, 2] = shares[:, :, 0]  # two experts that say the same
    shares = (3 * shares).softmax(dim=-1)
    has = (torch.rand(rows, experts, generator=draw) > 0.2).float()
    tree = TreeBayes(1.0)
    tree.fit(shares, has, y)
    return tree, shares, has, y


def test_inference_is_the_sum_over_all_states_of_all_experts() -> None:
    tree, shares, has, _ = made_tree()
    found = tree(shares[:6], has[:6]).exp()
    parent = tree.parent.tolist()
    for row, question, outcome in product(range(6), range(2), range(3)):
        total = 0.0
        for states in product(range(3), repeat=4):
            chance = tree.outcome[question, outcome].item()
            for expert, state in enumerate(states):
                before = states[parent[expert]] if parent[expert] >= 0 else 0
                chance *= tree.table[expert, question, outcome, before, state].item()
                chance *= shares[row, question, expert, state].item() if has[row, expert] else 1
            total += chance
        assert found[row, question, outcome].item() == pytest.approx(total, rel=1e-4)


def test_an_absent_expert_is_summed_out() -> None:
    tree, shares, _, _ = made_tree()
    some = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    torch.testing.assert_close(
        tree(shares[:1], some).exp(), tree(shares[:1].where(some[:, None, :, None] > 0, torch.tensor(0.5)), some).exp()
    )
    nobody = tree(shares[:1], torch.zeros(1, 4))
    torch.testing.assert_close(nobody[0].exp(), tree.outcome)


def test_tables_are_probabilities_and_follow_their_counts() -> None:
    tree, shares, has, y = made_tree()
    torch.testing.assert_close(tree.table.sum(dim=-1), torch.ones(tree.table.shape[:-1]))
    first = tree.order[0].item()
    counts = torch.einsum("nqy,nqs->qys", y, shares[:, :, first] * has[:, None, first, None])
    torch.testing.assert_close(tree.table[first, :, :, 0], (counts + 1) / (counts.sum(dim=-1, keepdim=True) + 3))


def test_experts_that_say_the_same_are_joined_and_counted_once() -> None:
    tree, *_ = made_tree()
    assert tree.parent[2].item() == 0
    rows = 400
    y = torch.arange(rows) % 2
    right = torch.rand(rows, generator=torch.Generator().manual_seed(0)) < 0.8
    said_class = torch.where(right, y, 1 - y)
    hard = torch.nn.functional.one_hot(said_class, 2).float()[:, None, None]
    alone, twice = TreeBayes(0.01), TreeBayes(0.01)
    outcome = torch.nn.functional.one_hot(y, 2).float()[:, None]
    alone.fit(hard, torch.ones(rows, 1), outcome)
    twice.fit(hard.expand(-1, -1, 2, -1), torch.ones(rows, 2), outcome)
    once = alone(hard[:4], torch.ones(4, 1)).softmax(dim=-1)
    torch.testing.assert_close(twice(hard[:4].expand(-1, -1, 2, -1), torch.ones(4, 2)).softmax(dim=-1), once, atol=1e-3, rtol=0)


def test_conditional_information_is_its_formula() -> None:
    counts = torch.rand(1, 1, 1, 2, 3, 3, generator=torch.Generator().manual_seed(0)).double()
    joint = (counts / counts.sum())[0, 0, 0].numpy()
    expected = 0.0
    for y, a, b in product(range(2), range(3), range(3)):
        given = joint[y] / joint[y].sum()
        expected += joint[y, a, b] * np.log(given[a, b] / (given[a].sum() * given[:, b].sum()))
    assert conditional_information(counts).item() == pytest.approx(expected)


def test_the_tree_has_the_largest_weight_of_all_trees() -> None:
    weight = torch.rand(4, 4, generator=torch.Generator().manual_seed(2))
    weight = weight + weight.T
    order, parent = maximum_spanning_tree(weight)
    found = sum(weight[node, parent[node]].item() for node in order[1:])
    best = 0.0
    for parents in product(range(4), repeat=3):
        edges = {frozenset((node + 1, before)) for node, before in enumerate(parents)}
        reached = {0}
        for _ in range(3):
            reached |= {end for edge in edges if edge & reached for end in edge}
        if len(edges) == 3 and len(reached) == 4:
            best = max(best, sum(weight[tuple(sorted(edge))].item() for edge in edges))
    assert found == pytest.approx(best)
    assert all(order.index(parent[node]) < order.index(node) for node in order[1:])


def test_a_confidence_between_two_levels_counts_for_both() -> None:
    knots = torch.tensor([0.6, 0.8, 0.9]).expand(1, 1, 3)
    probability = torch.tensor([[0.75, 0.25], [0.1, 0.9], [0.45, 0.55], [0.99, 0.01]])[:, None, None]
    expected = [[0.25, 0.75, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0]]
    torch.testing.assert_close(soft_states(probability, knots)[:, 0, 0], torch.tensor(expected, dtype=torch.float32))


def test_levels_are_filled_equally_and_absent_experts_do_not_count() -> None:
    confidence = torch.linspace(0.5, 1, 101)
    probability = torch.stack([confidence, 1 - confidence], dim=-1)[:, None, None]
    torch.testing.assert_close(confidence_knots(probability, torch.ones(101, 1), 2)[0, 0], torch.tensor([0.625, 0.875]))
    upper = (confidence >= 0.8).float()[:, None]
    torch.testing.assert_close(confidence_knots(probability, upper, 1)[0, 0], torch.tensor([0.9]))


@pytest.mark.parametrize("target", ["classes", "labels"])
def test_an_expert_that_lies_is_read_backwards(target, monkeypatch) -> None:
    fused = fusion("graphical_model", target)
    if target == "classes":
        y = torch.arange(90) % 3
        lie = 4.0 * torch.nn.functional.one_hot((y + 1) % 3, 3)
    else:
        y = (torch.randn(90, 2, generator=torch.Generator().manual_seed(0)) > 0).float()
        lie = 4 - 8 * y
    logits = torch.stack([lie, torch.zeros_like(lie)], dim=1)
    says(fused, monkeypatch, logits, y)
    decided = fused.combine(said(logits))
    assert torch.equal(decided.argmax(dim=1), y) if target == "classes" else torch.equal((decided > 0).float(), y)


def test_values_are_weighted_by_the_inverse_covariance_of_errors() -> None:
    covariance = np.array([[[1.0, 0.6, 0.0], [0.6, 2.0, 0.1], [0.0, 0.1, 0.5]]])
    errors = ErrorModel()
    errors.set_fitted(bias=torch.tensor([[0.1], [-0.2], [0.0]]), covariance=torch.tensor(covariance))
    values = torch.tensor([[[1.0], [2.0], [4.0]]])
    for has in ([1, 1, 1], [1, 1, 0], [0, 1, 1], [0, 0, 1]):
        there = np.flatnonzero(has)
        inverse = np.linalg.inv(covariance[0][np.ix_(there, there)])
        corrected = np.array([0.9, 2.2, 4.0])[there]
        expected = inverse.sum(axis=0) @ corrected / inverse.sum()
        assert errors(values, torch.tensor([has], dtype=torch.float32)).item() == pytest.approx(expected, rel=1e-5)


def test_the_covariance_of_errors_is_that_of_the_rows_with_both() -> None:
    draw = torch.Generator().manual_seed(0)
    error = torch.randn(2000, 2, 1, generator=draw)
    error[:, 1] = 0.8 * error[:, 0] + 0.6 * error[:, 1] + 1
    has = (torch.rand(2000, 2, generator=draw) > 0.3).float()
    error[0, 0, 0] = torch.nan
    errors = ErrorModel()
    errors.fit(error, has, 1.0)
    both = (has.prod(dim=1) > 0) & ~error[:, 0, 0].isnan()
    np.testing.assert_allclose(errors.covariance[0], np.cov(error[both, :, 0].T), atol=0.05)
    torch.testing.assert_close(errors.bias[:, 0], torch.tensor([0.0, 1.0]), atol=0.05, rtol=0)


def test_values_follow_the_better_expert(monkeypatch) -> None:
    fused, draw = fusion("graphical_model", "values"), torch.Generator().manual_seed(0)
    truth = torch.randn(200, 2, generator=draw)
    values = truth[:, None] + torch.randn(200, 2, 2, generator=draw) * torch.tensor([1.0, 0.1])[:, None]
    says(fused, monkeypatch, values, truth * torch.tensor(TARGETS["values"].std) + torch.tensor(TARGETS["values"].mean))
    assert (fused.combine(said(values)) - truth).square().mean() < 0.02


def test_too_many_classes_are_refused_before_memory_ends() -> None:
    with pytest.raises(ConfigError, match="stacking"):
        GraphicalModelModel(levels=300).module(SCHEMA, decision("classes"))
