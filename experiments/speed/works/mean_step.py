"""A training step with means per relation, beside `HeteroConv` of `SAGEConv` with the same weights."""

from collections.abc import Iterator
from functools import partial

import torch
from clock import race
from device import moved
from kernels import COMPILES, by_kernels
from made import WORK, made_store
from networks import FEW, HIDDEN, Network, OurNetwork, Step, check_same, exact, matrix_products
from rows import Row
from torch_geometric.nn import HeteroConv, SAGEConv

from graphfuse.core.compiled import use_kernels
from graphfuse.core.schema import GraphSchema
from graphfuse.nn import RelationalMean

GOALS = {64: 3, 256: 2.5}
BATCHES = 8
"""Different batches that the rounds go through."""


def rows(quick: bool) -> Iterator[Row]:
    """Yield rows per batch size: the same function, and the same by compiled loops."""
    store = made_store(WORK / "steps", 4_096, "float16")
    for size, goal in GOALS.items():
        draw = torch.Generator().manual_seed(size)
        batches = [moved(store.batch(torch.randperm(len(store), generator=draw)[:size].numpy())) for _ in range(BATCHES)]
        ours, theirs = networks(store.schema)
        check_same(*exact(ours, theirs, batches[0]))
        steps = {"ours": Step(ours), "peers": Step(theirs)}
        if COMPILES:
            with use_kernels("compiled"):
                check_same(ours, theirs, store.batch(list(range(FEW))))
            steps["compiled"] = Step(networks(store.schema)[0], "compiled")
        racing = {name: partial(_turn, step, batches) for name, step in steps.items()}
        found = race({**racing, "limits": matrix_products(ours, batches[0])}, seconds=1 if quick else 20)
        for ours_took, loops, floor in by_kernels(found, 1.2, 1.5):
            yield Row(
                work=f"training step, mean per relation{loops}, batch of {size}",
                ours=ours_took,
                peer="`HeteroConv(SAGEConv)`, same weights",
                peers=found["peers"],
                limit="its matrix products",
                limits=found["limits"],
                goal=goal,
                goal_limit=2,
                floor=floor,
                equal=f"logits and gradients of {FEW} samples to 1e-5" if loops else "logits and gradients to 1e-5, computed in float64",
            )


def networks(schema: GraphSchema) -> tuple[Network, Network]:
    """Return our network and PyG's, with the same weights."""
    torch.manual_seed(0)
    theirs = Network(schema, lambda: HeteroConv({kind: SAGEConv((HIDDEN, HIDDEN), HIDDEN) for kind in schema.edge_types}, aggr="sum"))
    ours = OurNetwork(schema, lambda: RelationalMean(HIDDEN, HIDDEN, schema.node_types, schema.edge_types, product=False))
    ours.project.load_state_dict(theirs.project.state_dict())
    ours.head.load_state_dict(theirs.head.state_dict())
    for mine, stock in zip(ours.layers, theirs.layers, strict=True):
        mine.load_hetero_sage({kind: stock.convs[kind] for kind in schema.edge_types})
    return ours, theirs


def _turn(step: Step, batches: list, number: int) -> object:
    return step(batches[number % BATCHES])
