"""A training step with means per relation, beside `HeteroConv` of `SAGEConv` with the same weights."""

from collections.abc import Iterator

import torch
from clock import race
from device import moved
from made import WORK, made_store
from networks import HIDDEN, Network, OurNetwork, Step, check_same, exact, matrix_products
from rows import Row
from torch_geometric.nn import HeteroConv, SAGEConv

from graphfuse.core.schema import GraphSchema
from graphfuse.nn import RelationalMean

GOALS = {64: 3, 256: 2.5}
BATCHES = 8
"""Different batches that the rounds go through."""


def rows(quick: bool) -> Iterator[Row]:
    """Yield a row per batch size."""
    store = made_store(WORK / "steps", 4_096, "float16")
    for size, goal in GOALS.items():
        draw = torch.Generator().manual_seed(size)
        batches = [moved(store.batch(torch.randperm(len(store), generator=draw)[:size].numpy())) for _ in range(BATCHES)]
        ours, theirs = networks(store.schema)
        check_same(*exact(ours, theirs, batches[0]))
        products = matrix_products(ours, batches[0])
        step, stock = Step(ours), Step(theirs)
        found = race(
            {
                "ours": lambda number, step=step, batches=batches: step(batches[number % BATCHES]),
                "peers": lambda number, stock=stock, batches=batches: stock(batches[number % BATCHES]),
                "limits": products,
            },
            seconds=1 if quick else 20,
        )
        yield Row(
            work=f"training step, mean per relation, batch of {size}",
            peer="`HeteroConv(SAGEConv)`, same weights",
            limit="its matrix products",
            goal=goal,
            goal_limit=2,
            floor=1.2,
            equal="logits and gradients to 1e-5, computed in float64",
            **found,
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
