"""A training step with attention, beside `HeteroConv` of `GATv2Conv` with the same weights, and beside `HGTConv`."""

from collections.abc import Iterator

import torch
from clock import race
from kernels import by_kernels
from made import WORK, made_store
from networks import HIDDEN, Network, OurNetwork, Step, matrix_products
from rows import Row
from steps import found_equal, made_steps, turns
from torch import nn
from torch_geometric.nn import GATv2Conv, HeteroConv, HGTConv

from graphfuse.core.schema import GraphSchema
from graphfuse.nn import RelationalAttention

HEADS = 4
SIZES = (64, 256)


def rows(quick: bool) -> Iterator[Row]:
    """Yield rows per batch size: the same function, the same by compiled loops, and the layer that people take instead."""
    store = made_store(WORK / "steps", 4_096, "float16")
    for size in SIZES:
        steps = made_steps(store, networks, size)
        others = {"hgt": turns(Step(hgt(store.schema)), steps.batches), "limits": matrix_products(steps.ours, steps.batches[0])}
        found = race({**steps.racing, **others}, seconds=1 if quick else 30, fewest=3 if quick else 5)
        limit = {"limits": found["limits"], "limit": "its matrix products", "goal_limit": 3.0}
        for ours_took, loops, floor in by_kernels(found, 0.7, 1.2):
            yield Row(
                work=f"training step, attention per relation{loops}, batch of {size}",
                ours=ours_took,
                peer="`HeteroConv(GATv2Conv)`, same weights",
                peers=found["peers"],
                goal=2.5,
                floor=floor,
                equal=found_equal(bool(loops)),
                **limit,
            )
            yield Row(
                work=f"training step, attention per relation{loops}, batch of {size}",
                ours=ours_took,
                peer="`HGTConv` (another function: attention over all relations)",
                peers=found["hgt"],
                goal=8,
                floor=2 * floor,
                equal="nothing: another function of the same graphs, width, heads and layers",
                **limit,
            )


def networks(schema: GraphSchema) -> tuple[Network, Network]:
    """Return our network and PyG's, with the same weights."""
    torch.manual_seed(0)
    width = HIDDEN // HEADS

    def stock() -> nn.Module:
        convs = {kind: GATv2Conv((HIDDEN, HIDDEN), width, heads=HEADS, add_self_loops=False, bias=False) for kind in schema.edge_types}
        return HeteroConv(convs, aggr="sum")

    def fused() -> nn.Module:
        types = schema.node_types, schema.edge_types
        return RelationalAttention(HIDDEN, HIDDEN, *types, heads=HEADS, product=False, across_relations=False, root=False)

    theirs, ours = Network(schema, stock), OurNetwork(schema, fused)
    ours.project.load_state_dict(theirs.project.state_dict())
    ours.head.load_state_dict(theirs.head.state_dict())
    for mine, other in zip(ours.layers, theirs.layers, strict=True):
        mine.load_hetero_gatv2({kind: other.convs[kind] for kind in schema.edge_types})
    return ours, theirs


def hgt(schema: GraphSchema) -> Network:
    """Return the same network of PyG's heterogeneous graph transformer."""
    return Network(schema, lambda: HGTConv(HIDDEN, HIDDEN, (list(schema.node_types), list(schema.edge_types)), heads=HEADS))
