"""A training step with means per relation, beside `HeteroConv` of `SAGEConv` with the same weights."""

from collections.abc import Iterator

import torch
from clock import race
from kernels import by_kernels
from made import WORK, made_store
from networks import HIDDEN, Network, OurNetwork, matrix_products
from rows import Row
from steps import found_equal, made_steps
from torch_geometric.nn import HeteroConv, SAGEConv

from graphfuse.core.schema import GraphSchema
from graphfuse.nn import RelationalMean

GOALS = {64: 3, 256: 2.5}


def rows(quick: bool) -> Iterator[Row]:
    """Yield rows per batch size: the same function, and the same by compiled loops."""
    store = made_store(WORK / "steps", 4_096, "float16")
    for size, goal in GOALS.items():
        steps = made_steps(store, networks, size)
        found = race({**steps.racing, "limits": matrix_products(steps.ours, steps.batches[0])}, seconds=1 if quick else 20)
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
                equal=found_equal(bool(loops)),
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
