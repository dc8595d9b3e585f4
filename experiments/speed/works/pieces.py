"""Pieces of every training step, beside what PyTorch offers: sums by group, dropout, and the end of a round of message passing."""

from collections.abc import Iterator

import torch
from clock import race
from device import DEVICE, moved, placed
from kernels import COMPILES, by_kernels
from made import WORK, made_store
from rows import Row
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.compiled import Kernels, use_kernels
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.groups import Ways, send
from graphfuse.nn.plan import EdgePlan
from graphfuse.nn.residual import residual
from graphfuse.nn.typed import TypedTable

CHANNELS = 64
WIDE = (944, 512)
"""Regions of a batch of 64, and their features."""
CHANCE = 0.25


def rows(quick: bool) -> Iterator[Row]:
    """Yield a row per piece, forward and gradient."""
    seconds = 1 if quick else 8
    store = made_store(WORK / "steps", 4_096, "float16")
    batch = moved(store.batch(range(256)))
    plan = EdgePlan(batch.edge_types, {name: batch[name].num_nodes for name in batch.node_types}, batch.edge_index_dict)
    yield _sums(Ways(plan.source, plan.node), seconds)
    yield from _dropout(seconds)
    yield from _residual(batch, seconds)


def _sums(ways: Ways, seconds: float) -> Row:
    source, destination = ways.source, ways.destination
    x = torch.randn(source.num_groups, CHANNELS, generator=torch.Generator(DEVICE).manual_seed(0), device=DEVICE, requires_grad=True)

    def stock() -> Tensor:
        sent = x.index_select(0, source.index)
        return sent.new_zeros(destination.num_groups, CHANNELS).index_add(0, destination.index, sent)

    def gradient(out: Tensor) -> Tensor:
        return torch.autograd.grad(out.square().sum(), x)[0]

    ours, theirs = send(x, ways), stock()
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradient(ours), gradient(theirs))
    found = race({"ours": lambda _: gradient(send(x, ways)), "peers": lambda _: gradient(stock())}, seconds=seconds)
    edges = source.index.numel()
    return Row(
        work=f"rows sent along {edges:,} edges and added up, {CHANNELS} channels, with gradient",
        peer="`index_select` and `index_add`",
        goal=2,
        floor=1.2,
        equal="sums and gradients",
        **found,
    )


def _dropout(seconds: float) -> Iterator[Row]:
    x = torch.ones(WIDE, device=DEVICE, requires_grad=True)
    ours, theirs = Dropout(CHANCE), nn.Dropout(CHANCE)
    torch.manual_seed(0)

    def dropped(layer: nn.Module, kernels: Kernels) -> tuple[Tensor, Tensor]:
        with use_kernels(kernels):
            out = layer(x)
        return out, torch.autograd.grad(out.sum(), x)[0]

    racing = {"ours": lambda _: dropped(ours, "torch"), "peers": lambda _: dropped(theirs, "torch")}
    if COMPILES:
        racing["compiled"] = lambda _: dropped(ours, "compiled")
    for contestant in racing.values():
        for values in contestant(0):
            assert sorted(values.unique().tolist()) == [0, torch.tensor(1 / (1 - CHANCE)).item()]
            assert abs((values == 0).float().mean().item() - CHANCE) < 0.005
    for took, loops, floor in by_kernels(found := race(racing, seconds=seconds), 1.5, 2):
        yield Row(
            work=f"dropout of {WIDE[0] * WIDE[1]:,} values, with gradient{loops}",
            ours=took,
            peer="`torch.nn.Dropout`",
            peers=found["peers"],
            goal=3,
            floor=floor,
            equal="the two values that come out, and the share of zeros to 0.005",
        )


def _residual(batch: Batch, seconds: float) -> Iterator[Row]:
    """Yield rows of what ends a round of message passing in our models: `norm(before + dropout(relu(received)))`, a norm per type."""
    sizes = {name: batch[name].num_nodes for name in batch.node_types}
    draw = torch.Generator(DEVICE).manual_seed(0)
    before, received = (
        torch.randn(sum(sizes.values()), CHANNELS, generator=draw, device=DEVICE, requires_grad=True) for _ in ("before", "received")
    )
    norms = placed(nn.ModuleDict({name: nn.LayerNorm(CHANNELS) for name in sizes}))
    ours, theirs = Dropout(CHANCE), nn.Dropout(CHANCE)

    def stock() -> Tensor:
        parts = zip(norms.values(), *(torch.split(table, list(sizes.values())) for table in (before, received)), strict=True)
        return torch.cat([norm(knew + theirs(heard.relu())) for norm, knew, heard in parts])

    def joined(kernels: Kernels) -> Tensor:
        with use_kernels(kernels):
            return residual(TypedTable(before, sizes), TypedTable(received * 1, sizes), norms, ours).table

    def gradients(out: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(out.square().sum(), [before, received, *norms.parameters()])

    racing = {"ours": lambda _: gradients(joined("torch")), "peers": lambda _: gradients(stock())}
    if COMPILES:
        racing["compiled"] = lambda _: gradients(joined("compiled"))
    for layer in (ours, theirs):
        layer.eval()
    for contestant in racing.values():
        for mine, other in zip(contestant(0), racing["peers"](0), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)
    for layer in (ours, theirs):
        layer.train()
    for took, loops, floor in by_kernels(found := race(racing, seconds=seconds), 0.7, 1):
        yield Row(
            work=f"end of a round for {before.size(0):,} nodes: rectifier, dropout, residual, norm by type, with gradient{loops}",
            ours=took,
            peer="the same type by type, `torch.nn`",
            peers=found["peers"],
            goal=1,
            floor=floor,
            equal="gradients without dropout",
        )
