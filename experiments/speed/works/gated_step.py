"""A training step with gated means per relation, our default kind of means, beside the same written with PyG's `MessagePassing`."""

from collections.abc import Iterator, Mapping

import torch
from clock import race
from kernels import by_kernels
from made import WORK, made_store
from networks import HIDDEN, Network, OurNetwork
from rows import Row
from steps import found_equal, made_steps
from torch import Tensor, nn
from torch_geometric.nn import HeteroConv, MessagePassing

from graphfuse.core.schema import EdgeType, GraphSchema
from graphfuse.nn import RelationalMean


class GatedConv(MessagePassing):
    """Mean of `gate * (value + product)`, where `product = relu(mix(key * query))` and `gate = sigmoid(score(product))`.

    Args:
        mix: Of all relations.
        score: Of all relations.
    """

    def __init__(self, mix: nn.Linear, score: nn.Linear) -> None:
        super().__init__(aggr="mean")
        self.value, self.key, self.query = (nn.Linear(HIDDEN, HIDDEN, bias=False) for _ in range(3))
        self.mix, self.score = mix, score

    def forward(self, x: Tensor | tuple[Tensor, Tensor], edge_index: Tensor) -> Tensor:
        """Return what each destination receives; x is a pair unless both ends are of one type."""
        x = (x, x) if isinstance(x, Tensor) else x
        ends = {"value": (self.value(x[0]), None), "key": (self.key(x[0]), None), "query": (None, self.query(x[1]))}
        return self.propagate(edge_index, size=(x[0].size(0), x[1].size(0)), **ends)

    def message(self, value_j: Tensor, key_j: Tensor, query_i: Tensor) -> Tensor:
        """Return messages, [num_edges, HIDDEN]."""
        product = self.mix(key_j * query_i).relu()
        return self.score(product).sigmoid() * (value_j + product)


class GatedLayer(nn.Module):
    """`GatedConv` per relation, summed, and what nodes know themselves."""

    def __init__(self, schema: GraphSchema) -> None:
        super().__init__()
        self.mix, self.score = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, 1)
        self.hetero = HeteroConv({kind: GatedConv(self.mix, self.score) for kind in schema.edge_types}, aggr="sum")
        self.root = nn.ModuleDict({name: nn.Linear(HIDDEN, HIDDEN) for name in schema.node_types})

    def forward(self, x_dict: Mapping[str, Tensor], edge_index_dict: Mapping[EdgeType, Tensor]) -> dict[str, Tensor]:
        """Return new features of each type."""
        received = self.hetero(x_dict, edge_index_dict)
        return {name: received[name] + self.root[name](x_dict[name]) for name in self.root}


def rows(quick: bool) -> Iterator[Row]:
    """Yield rows per batch size: the same function, and the same by compiled loops."""
    store = made_store(WORK / "steps", 4_096, "float16")
    for size in (64,) if quick else (64, 256):
        steps = made_steps(store, networks, size)
        found = race(steps.racing, seconds=1 if quick else 20)
        for ours_took, loops, floor in by_kernels(found, 0.7, 0.9):
            yield Row(
                work=f"training step, gated mean per relation{loops}, batch of {size}",
                ours=ours_took,
                peer="`HeteroConv` of a layer written for it, same weights",
                peers=found["peers"],
                goal=1,
                floor=floor,
                equal=found_equal(bool(loops)),
            )


def networks(schema: GraphSchema) -> tuple[Network, Network]:
    """Return our network and the other, with the same weights."""
    torch.manual_seed(0)
    theirs = Network(schema, lambda: GatedLayer(schema))
    ours = OurNetwork(schema, lambda: RelationalMean(HIDDEN, HIDDEN, schema.node_types, schema.edge_types))
    ours.project.load_state_dict(theirs.project.state_dict())
    ours.head.load_state_dict(theirs.head.state_dict())
    for mine, stock in zip(ours.layers, theirs.layers, strict=True):
        mine.mix.load_state_dict(stock.mix.state_dict())
        mine.gate.load_state_dict(stock.score.state_dict())
        mine.root.load_state_dict(stock.root.state_dict())
        _load_ends(mine, stock.hetero.convs, schema.edge_types)
    return ours, theirs


@torch.no_grad()
def _load_ends(layer: RelationalMean, convs: Mapping[EdgeType, GatedConv], edge_types: tuple[EdgeType, ...]) -> None:
    """Take over values and keys of sources, relation after relation, and queries of destinations."""
    for own, end, names in ((layer.source, 0, ("value", "key")), (layer.destination, 2, ("query",))):
        for node_type, linear in own.items():
            ends_here = [convs[kind] for kind in edge_types if kind[end] == node_type]
            linear.weight.copy_(torch.cat([getattr(conv, name).weight for conv in ends_here for name in names]))
