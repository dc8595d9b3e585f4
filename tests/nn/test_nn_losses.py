import pytest
import torch
from torch.nn import functional

from graphfuse.nn.losses import BinaryCrossEntropy, CrossEntropy, FocalLoss, MeanSquaredError

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-3.0, 4.0, 0.0], [9.0, 0.0, 0.0]])
Y = torch.tensor([0, 2, 1, -1])


def test_cross_entropy_equals_torch_and_skips_unknown_rows():
    weight = torch.tensor([1.0, 5.0, 0.5])
    expected = functional.cross_entropy(LOGITS, Y, weight=weight, ignore_index=-1)
    torch.testing.assert_close(CrossEntropy(weight)(LOGITS, Y), expected)


def test_focal_loss_follows_the_paper():
    probability = LOGITS[:3].softmax(-1)[torch.arange(3), Y[:3]]
    expected = ((1 - probability) ** 2 * -probability.log()).mean()
    torch.testing.assert_close(FocalLoss(gamma=2.0)(LOGITS, Y), expected)


def test_focal_loss_without_gamma_is_cross_entropy():
    torch.testing.assert_close(FocalLoss(gamma=0.0)(LOGITS, Y), CrossEntropy()(LOGITS, Y))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_has_a_finite_gradient_where_a_row_is_exactly_right(gamma):
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    FocalLoss(gamma=gamma)(logits, torch.tensor([0, 0])).backward()
    assert torch.isfinite(logits.grad).all()


def test_binary_cross_entropy_equals_torch_on_known_cells():
    y = torch.tensor([[1.0, 0.0, float("nan")], [float("nan"), 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    known = ~y.isnan()
    expected = functional.binary_cross_entropy_with_logits(LOGITS[known], y[known])
    torch.testing.assert_close(BinaryCrossEntropy()(LOGITS, y), expected)


def test_binary_cross_entropy_weighs_positive_cells():
    y = torch.tensor([[1.0, 0.0]])
    logits = torch.tensor([[0.3, 0.7]])
    cells = functional.binary_cross_entropy_with_logits(logits, y, reduction="none")[0]
    expected = (3 * cells[0] + cells[1]) / 4
    torch.testing.assert_close(BinaryCrossEntropy(torch.tensor([3.0, 9.0]))(logits, y), expected)


def test_squared_error_is_of_standardised_values():
    loss = MeanSquaredError(mean=torch.tensor([10.0]), std=torch.tensor([2.0]))
    y = torch.tensor([[12.0], [float("nan")], [10.0]])
    assert loss(torch.tensor([[1.0], [99.0], [2.0]]), y) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (CrossEntropy(), torch.full((4,), -1)),
        (FocalLoss(), torch.full((4,), -1)),
        (BinaryCrossEntropy(), torch.full((4, 3), float("nan"))),
        (MeanSquaredError(torch.zeros(3), torch.ones(3)), torch.full((4, 3), float("nan"))),
    ],
)
def test_without_any_target_loss_and_gradient_are_zero(loss, y):
    logits = LOGITS.clone().requires_grad_()
    value = loss(logits, y)
    value.backward()
    assert value == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (CrossEntropy(torch.tensor([1.0, 5.0, 0.5])), Y),
        (FocalLoss(), Y),
        (BinaryCrossEntropy(), torch.tensor([[1.0, 0.0, float("nan")], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])),
        (MeanSquaredError(torch.zeros(3), torch.ones(3)), torch.tensor([[1.0, 2.0, float("nan")], [0.0] * 3, [1.0] * 3, [2.0] * 3])),
    ],
)
def test_a_row_of_weight_two_counts_as_two_rows_and_one_of_weight_nought_as_none(loss, y):
    weighted = loss(LOGITS, y, torch.tensor([2.0, 1.0, 0.0, 1.0]))
    torch.testing.assert_close(weighted, loss(LOGITS[[0, 0, 1, 3]], y[[0, 0, 1, 3]]))
    torch.testing.assert_close(loss(LOGITS, y, torch.full((4,), 0.25)), loss(LOGITS, y))
