"""Two pieces of every training step, beside what PyTorch offers: sums by group, and dropout."""

from collections.abc import Iterator

import torch
from clock import race
from device import DEVICE, moved
from made import WORK, made_store
from rows import Row
from torch import Tensor, nn

from graphfuse.nn.dropout import Dropout
from graphfuse.nn.groups import Ways, send
from graphfuse.nn.plan import EdgePlan

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
    yield _dropout(seconds)


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


def _dropout(seconds: float) -> Row:
    x = torch.ones(WIDE, device=DEVICE, requires_grad=True)
    ours, theirs = Dropout(CHANCE), nn.Dropout(CHANCE)
    torch.manual_seed(0)
    for layer in (ours, theirs):
        out = layer(x)
        assert sorted(out.unique().tolist()) == [0, torch.tensor(1 / (1 - CHANCE)).item()]
        assert abs((out == 0).float().mean().item() - CHANCE) < 0.005

    def turn(layer: nn.Module) -> Tensor:
        return torch.autograd.grad(layer(x).sum(), x)[0]

    found = race({"ours": lambda _: turn(ours), "peers": lambda _: turn(theirs)}, seconds=seconds)
    return Row(
        work=f"dropout of {WIDE[0] * WIDE[1]:,} values, with gradient",
        peer="`torch.nn.Dropout`",
        goal=3,
        floor=1.5,
        equal="the two values that come out, and the share of zeros to 0.005",
        **found,
    )
