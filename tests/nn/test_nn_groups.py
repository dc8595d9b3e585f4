"""Rows taken and added up by group, with the gradients of the plain formulas."""

import pytest
import torch

from graphfuse.nn.groups import Groups, Ways, add_up, largest, send, take, total

INDEX = torch.tensor([3, 0, 3, 1, 0, 3])
"""Group 2 is empty."""


def groups() -> Groups:
    return Groups(INDEX, 4)


def values(rows: int, channels: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def test_rows_are_ordered_group_after_group_each_in_its_order() -> None:
    assert groups().order.tolist() == [1, 4, 3, 0, 2, 5]
    assert groups().offsets.tolist() == [0, 2, 3, 3, 6]


def test_taking_and_adding_up_are_each_others_gradient() -> None:
    assert torch.autograd.gradcheck(lambda x: take(x, groups()), values(4))
    assert torch.autograd.gradcheck(lambda x, w: total(x, groups(), w), (values(6), values(6, 1).detach().squeeze(1).requires_grad_()))
    expected = torch.zeros(4, 3, dtype=torch.float64).index_add(0, INDEX, values(6))
    torch.testing.assert_close(total(values(6), groups()), expected)


@pytest.mark.parametrize("weighted", [True, False])
def test_sending_is_taking_and_adding_up(weighted: bool) -> None:
    source, destination = Groups(torch.tensor([1, 0, 0, 2, 1, 1]), 3), groups()
    weight = values(6, 1, seed=1).detach().squeeze(1).requires_grad_() if weighted else None
    torch.testing.assert_close(send(values(3), Ways(source, destination), weight), total(take(values(3), source), destination, weight))
    inputs = (values(3), weight) if weighted else (values(3),)
    assert torch.autograd.gradcheck(lambda x, w=None: send(x, Ways(source, destination), w), inputs)


def test_the_largest_of_an_empty_group_is_0() -> None:
    x = torch.tensor([[1.0], [-2.0], [5.0], [-7.0], [-3.0], [4.0]])
    assert largest(x, groups()).flatten().tolist() == [-2.0, -7.0, 0.0, 5.0]


def test_groups_that_stand_in_order_need_no_sorting() -> None:
    ordered = Groups(INDEX.sort().values, 4, ordered=True)
    x = values(6).detach()
    torch.testing.assert_close(add_up(x, ordered), torch.zeros(4, 3, dtype=torch.float64).index_add(0, ordered.index, x))


def test_no_rows_at_all_are_zeros() -> None:
    none = Groups(torch.zeros(0, dtype=torch.int64), 2)
    assert total(torch.zeros(0, 3), none).tolist() == [[0.0] * 3] * 2
    assert take(torch.zeros(2, 3), none).shape == (0, 3)


@pytest.mark.parametrize("num_groups", [2**16, 2**16 + 1])
def test_many_groups_are_ordered_as_few_are(num_groups: int) -> None:
    index = torch.randint(num_groups, (500,), generator=torch.Generator().manual_seed(0)).repeat(2)
    index[0] = num_groups - 1
    assert torch.equal(Groups(index, num_groups).order, torch.argsort(index, stable=True))
