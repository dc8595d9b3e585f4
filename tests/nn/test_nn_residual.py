"""What a node knew and received is joined alike by PyTorch and by compiled loops."""

import pytest
import torch
from torch import Tensor, nn

from graphfuse.core.compiled import Kernels, Loops, has_compiler, use_kernels
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.residual import residual
from graphfuse.nn.typed import TypedTable

SIZES = {"post": 150, "nobody": 0, "user": 3}
CHANNELS = 20
needs_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")


def made_norms(dtype: torch.dtype = torch.float32) -> nn.ModuleDict:
    draw = torch.Generator().manual_seed(0)
    norms = nn.ModuleDict({name: nn.LayerNorm(CHANNELS, dtype=dtype) for name in SIZES})
    with torch.no_grad():
        for parameter in norms.parameters():
            parameter.copy_(torch.randn(CHANNELS, generator=draw))
    return norms


def made_tables(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    before, received = (torch.randn(sum(SIZES.values()), CHANNELS, generator=draw, dtype=dtype) for _ in range(2))
    return before, received


def joined(kernels: Kernels, dropout: Dropout, tables: tuple[Tensor, Tensor], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Return the result, and the gradients of both tables and of all parameters."""
    torch.manual_seed(3)
    norms, (before, received) = made_norms(dtype), (each.clone().requires_grad_() for each in tables)
    with use_kernels(kernels):
        # `received` may be overwritten, which autograd refuses of a leaf
        out = residual(TypedTable(before, SIZES), TypedTable(received * 1, SIZES), norms, dropout)
        out.table.mul(torch.linspace(-1, 2, out.table.numel(), dtype=dtype).view_as(out.table)).sum().backward()
    assert list(out.sizes) == list(SIZES)
    gradients = [each.grad for each in (before, received, *norms.parameters())]
    return [out.table.detach(), *(each for each in gradients if each is not None)]


def test_it_is_the_norm_of_the_sum_and_a_type_has_its_own() -> None:
    (before, received), norms = made_tables(), made_norms()
    out = residual(TypedTable(before, SIZES), TypedTable(received.clone(), SIZES), norms, Dropout(0.5).eval())
    sums = torch.split(before + received.clamp(min=0), list(SIZES.values()))
    for (name, norm), part in zip(norms.items(), sums, strict=True):
        torch.testing.assert_close(out[name], norm(part))


@needs_compiler
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_compiled_loops_agree_with_pytorch(training: bool, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    called, call = [], Loops.__call__
    monkeypatch.setattr(Loops, "__call__", lambda loops, name, *rest: called.append(name) or call(loops, name, *rest))
    dropout = Dropout(0.3).train(training)
    expected = joined("torch", dropout, made_tables())
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    found = joined("compiled", dropout, made_tables())
    assert called == ["forward", "backward"]
    assert len(found) == len(expected) == 3 + 2 * len(SIZES)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    # what was dropped is the same, and so is what no gradient reaches
    assert torch.equal(found[2] == 0, expected[2] == 0)
    again = joined("compiled", dropout, made_tables())
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True))


@needs_compiler
def test_what_is_no_number_stays_in_its_row() -> None:
    before, received = made_tables()
    received[7, 2], before[9, 1] = torch.nan, torch.inf
    for kernels in ("torch", "compiled"):
        found = joined(kernels, Dropout(0.0), (before, received))[0]
        assert found.isfinite().all(dim=1).logical_not().nonzero().flatten().tolist() == [7, 9]


@needs_compiler
def test_numbers_that_loops_do_not_serve_go_the_way_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loops, "__init__", lambda *_, **__: pytest.fail("compiled"))
    joined("torch", Dropout(0.3), made_tables())
    assert joined("compiled", Dropout(0.3), made_tables(torch.float64), torch.float64)[0].dtype == torch.float64
