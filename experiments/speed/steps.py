"""Training steps of our network and of another of the same function, ready to take turns."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from clock import Contestant
from device import moved
from kernels import COMPILES
from networks import FEW, Network, Step, check_same, exact
from torch_geometric.data import Batch

from graphfuse.core.compiled import use_kernels
from graphfuse.core.schema import GraphSchema
from graphfuse.store.graph_store import GraphStore

BATCHES = 8
"""Different batches that the rounds go through."""


@dataclass(frozen=True, kw_only=True)
class Steps:
    """What takes turns: `ours`, `peers`, and `compiled` where there is a compiler."""

    racing: dict[str, Contestant]
    ours: Network
    batches: list[Batch]


def made_steps(store: GraphStore, networks: Callable[[GraphSchema], tuple[Network, Network]], size: int) -> Steps:
    """Return the steps, after the networks were found equal.

    Args:
        store: Made graphs.
        networks: Makes our network and the other, with the same weights.
        size: Samples in a batch.
    """
    draw = torch.Generator().manual_seed(size)
    batches = [moved(store.batch(torch.randperm(len(store), generator=draw)[:size].numpy())) for _ in range(BATCHES)]
    ours, theirs = networks(store.schema)
    check_same(*exact(ours, theirs, batches[0]))
    steps = {"ours": Step(ours), "peers": Step(theirs)}
    if COMPILES:
        with use_kernels("compiled"):
            check_same(ours, theirs, store.batch(list(range(FEW))))
        steps["compiled"] = Step(networks(store.schema)[0], "compiled")
    return Steps(racing={name: turns(step, batches) for name, step in steps.items()}, ours=ours, batches=batches)


def turns(step: Step, batches: list[Batch]) -> Contestant:
    """Return what takes the step with one batch after the other."""
    return partial(_turn, step, batches)


def found_equal(compiled: bool) -> str:
    """Return what was found equal."""
    return f"logits and gradients of {FEW} samples to 1e-5" if compiled else "logits and gradients to 1e-5, computed in float64"


def _turn(step: Step, batches: list[Batch], number: int) -> object:
    return step(batches[number % BATCHES])
