"""Weights mean the same in every sum, mean and softmax."""

import torch

from graphfuse.nn.groups import Groups
from graphfuse.nn.weights import weighted_mean, weighted_softmax

GROUPS = Groups(torch.tensor([0, 0, 0, 2, 2]), 3)


def test_softmax_without_weights_is_the_softmax_of_each_group() -> None:
    score = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    share = weighted_softmax(score, GROUPS)
    torch.testing.assert_close(share[:3], score[:3].softmax(dim=0))
    torch.testing.assert_close(share[3:], score[3:].softmax(dim=0))


def test_softmax_of_a_removed_element_renormalises_the_others_exactly() -> None:
    score = torch.tensor([[1000.0], [1.0], [2.0], [0.5], [0.1]])
    weight = torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0])
    share = weighted_softmax(score, GROUPS, weight)
    assert share[0] == 0
    torch.testing.assert_close(share[1:3], score[1:3].softmax(dim=0), rtol=0, atol=0)


def test_softmax_of_a_group_without_weight_is_zero_and_has_finite_gradients() -> None:
    score = torch.tensor([[300.0], [1.0], [2.0], [0.5], [0.1]], requires_grad=True)
    weight = torch.zeros(5, requires_grad=True)
    share = weighted_softmax(score, GROUPS, weight)
    assert (share == 0).all()
    share.sum().backward()
    assert score.grad is not None
    assert weight.grad is not None
    assert score.grad.isfinite().all()
    assert weight.grad.isfinite().all()


def test_an_element_of_weight_one_half_counts_half() -> None:
    values = torch.tensor([[2.0], [4.0], [6.0], [1.0], [3.0]])
    mean = weighted_mean(values, GROUPS, torch.tensor([1.0, 0.5, 0.0, 1.0, 1.0]))
    torch.testing.assert_close(mean, torch.tensor([[4.0 / 1.5], [0.0], [2.0]]))
