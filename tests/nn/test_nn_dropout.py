"""Dropout drops by chance in training only, and keeps the mean."""

import pytest
import torch

from graphfuse.nn.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_about_a_share_of_values_is_dropped_and_the_mean_stays(p: float) -> None:
    torch.manual_seed(0)
    out = Dropout(p)(torch.ones(1000, 100))
    assert (out == 0).float().mean().item() == pytest.approx(p, abs=0.01)
    assert out.mean().item() == pytest.approx(1, abs=0.01)
    assert len(out.unique()) == 2


def test_nothing_is_dropped_outside_training_or_at_chance_0() -> None:
    x = torch.randn(5, 7)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_what_is_dropped_has_no_gradient_and_depends_on_torchs_seed_only() -> None:
    x = torch.randn(13, 3, requires_grad=True)
    torch.manual_seed(1)
    out = Dropout(0.5)(x)
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad == 0, out == 0)
    torch.manual_seed(1)
    assert torch.equal(Dropout(0.5)(x), out)
