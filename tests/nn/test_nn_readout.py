"""What a readout refuses, and means of samples by compiled loops."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.compiled import Loops, has_compiler, use_kernels
from graphfuse.core.errors import ConfigError
from graphfuse.nn.readout import AttentionReadout, sample_means

CHANNELS = 20
needs_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")


def made_batch() -> Batch:
    """Return a batch of five samples, some without nodes of a type, and one type that nobody has."""
    samples = []
    for posts, users in ((3, 1), (0, 2), (5, 0), (0, 0), (1, 1)):
        sample = HeteroData()
        for name, count in {"post": posts, "nobody": 0, "user": users}.items():
            sample[name].x = torch.randn(count, CHANNELS)
        samples.append(sample)
    return Batch.from_data_list(samples)


def means_and_gradients(batch: Batch, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    x_dict = {name: batch[name].x.to(dtype, copy=True).requires_grad_() for name in batch.node_types}
    means = sample_means(x_dict, batch)
    draw = torch.Generator().manual_seed(1)
    means.table.mul(torch.randn(means.table.shape, generator=draw)).sum().backward()
    return [means.table.detach(), *(x.grad for x in x_dict.values() if x.grad is not None)]


def test_a_width_that_heads_cannot_share_is_refused_before_training() -> None:
    assert AttentionReadout(6, heads=3).heads == 3
    with pytest.raises(ConfigError, match=r"hidden_channels: must be a multiple of 4.*got 6"):
        AttentionReadout(6)


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_compiled_means_and_gradients_are_those_of_pytorch_to_the_bit(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, called = made_batch(), []
    plain = means_and_gradients(batch)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    call = Loops.__call__
    monkeypatch.setattr(Loops, "__call__", lambda loops, name, *rest: called.append(name) or call(loops, name, *rest))
    with use_kernels("compiled"):
        compiled = means_and_gradients(batch)
    assert called == ["forward", "backward"]
    assert len(compiled) == len(plain) == 4
    assert all(torch.equal(one, other) for one, other in zip(compiled, plain, strict=True))


@needs_compiler
def test_numbers_that_loops_do_not_serve_go_the_way_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loops, "__init__", lambda *_, **__: pytest.fail("compiled"))
    batch = made_batch()
    means_and_gradients(batch)
    weights = {"post": torch.full((batch["post"].num_nodes,), 0.5)}
    with use_kernels("compiled"):
        means_and_gradients(batch, torch.float64)
        half = sample_means({"post": batch["post"].x}, batch, weights)
    torch.testing.assert_close(half.table, sample_means({"post": batch["post"].x}, batch).table)


@needs_compiler
@pytest.mark.parametrize("wrong", [[0, 3, 3, 8, 8, 10], [1, 3, 3, 8, 8, 9], [0, 3, 2, 8, 8, 9]])
def test_pointers_that_do_not_lead_from_the_first_node_to_the_last_are_refused(wrong: list[int]) -> None:
    batch = made_batch()
    batch["post"].ptr = torch.tensor(wrong)
    with use_kernels("compiled"), pytest.raises(IndexError, match=r"must ascend from 0 to the number of nodes .*got \[9, 0, 4\]"):
        means_and_gradients(batch)
