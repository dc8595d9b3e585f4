"""Dropout drops by chance in training only, and keeps the mean."""

import pytest
import torch
from torch import Tensor

from graphfuse.core.compiled import Kernels, Loops, has_compiler, use_kernels
from graphfuse.nn.dropout import Dropout

needs_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")


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


def dropped_and_gradient(x: Tensor, kernels: Kernels) -> tuple[Tensor, Tensor]:
    torch.manual_seed(2)
    x = x.clone().requires_grad_()
    with use_kernels(kernels):
        out = Dropout(0.3)(x.t())
    out.mul(torch.arange(float(out.numel())).view_as(out)).sum().backward()
    assert x.grad is not None
    return out.detach(), x.grad


@needs_compiler
@pytest.mark.parametrize("threads", [1, 3])
def test_compiled_dropout_and_its_gradient_are_those_of_pytorch_to_the_bit(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(301, 17)
    x[5, 3], x[7, :] = torch.inf, torch.nan
    expected = dropped_and_gradient(x, "torch")
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    found = dropped_and_gradient(x, "compiled")
    assert all(torch.equal(one.nan_to_num(7), other.nan_to_num(7)) for one, other in zip(found, expected, strict=True))
    with use_kernels("compiled"):
        assert Dropout(0.3)(torch.ones(0, 4)).shape == (0, 4)


@needs_compiler
def test_numbers_that_the_loop_does_not_serve_are_dropped_by_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loops, "__init__", lambda *_, **__: pytest.fail("compiled"))
    Dropout(0.3)(torch.ones(9))
    with use_kernels("compiled"):
        assert Dropout(0.3)(torch.ones(9, dtype=torch.float64)).dtype == torch.float64
