"""Two networks of one function: in PyG's own layers and in ours; only the layer differs."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any
from unittest.mock import patch

import torch
from device import DEVICE, moved, placed
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import global_mean_pool

from graphfuse.core.schema import EdgeType, GraphSchema
from graphfuse.nn.groups import Groups
from graphfuse.nn.memory import keep_freed_memory
from graphfuse.nn.typed import project
from graphfuse.nn.weights import weighted_mean

HIDDEN = 64
LAYERS = 2
CLASSES = 2
Plan = Callable[[Mapping[str, Tensor], Mapping[EdgeType, Tensor]], Mapping[EdgeType, Tensor]]


Pool = Callable[[Tensor, Tensor, int], Tensor]


def mean_of_samples(x: Tensor, sample: Tensor, num_samples: int) -> Tensor:
    """Return means by sample, as our readouts do."""
    return weighted_mean(x, Groups(sample, num_samples, ordered=True))


class Network(nn.Module):
    """A projection per node type, rounds of message passing, a mean per type, a head.

    Args:
        schema: Node types and edge types.
        layer: Makes a layer (x_dict, edge_index_dict) -> x_dict.
        plan: Makes of x_dict and edge_index_dict what the layers take as edge_index_dict.
        pool: Means of rows by sample: (x, sample of each row, number of samples) -> [number of samples, HIDDEN].
    """

    def __init__(
        self, schema: GraphSchema, layer: Callable[[], nn.Module], plan: Plan = lambda _, index: index, pool: Pool = global_mean_pool
    ) -> None:
        super().__init__()
        self.plan, self.pool = plan, pool
        self.project = nn.ModuleDict({name: nn.Linear(channels, HIDDEN) for name, channels in schema.channels_by_node_type.items()})
        self.layers = nn.ModuleList(layer() for _ in range(LAYERS))
        self.head = nn.Linear(HIDDEN, CLASSES)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits, [batch_size, CLASSES]."""
        x_dict: Mapping[str, Tensor] = {name: self.project[name](batch[name].x) for name in self.project}
        edge_index_dict = self.plan(x_dict, batch.edge_index_dict)
        for layer in self.layers:
            x_dict = {name: x.relu() for name, x in layer(x_dict, edge_index_dict).items()}
        pooled = [self.pool(x, batch[name].batch, batch.num_graphs) for name, x in x_dict.items()]
        return self.head(torch.stack(pooled).sum(dim=0))


class Step:
    """One training step: forward, backward, fused AdamW."""

    def __init__(self, network: Network) -> None:
        keep_freed_memory()  # as `graphfuse train` does; it serves the peer's steps as well
        self.network = placed(network)
        self._optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

    def __call__(self, batch: Batch) -> Tensor:
        """Take the step and return the loss."""
        self._optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.network(batch), batch.y)
        loss.backward()
        self._optimizer.step()
        return loss.detach()


def check_same(ours: Network, theirs: Network, batch: Batch, tolerance: float = 1e-5) -> None:
    """Fail unless two networks give the same logits, and the same gradients to what they share (the projections)."""
    found = []
    for network in (ours, theirs):
        network.zero_grad()
        logits = network(batch)
        logits.square().sum().backward()
        found.append([logits.detach(), *(parameter.grad for parameter in network.project.parameters())])
        network.zero_grad()
    for mine, other in zip(*found, strict=True):
        scale = float(other.abs().max().clamp(min=1e-12))
        torch.testing.assert_close(mine / scale, other / scale, rtol=0, atol=tolerance)


def exact(ours: Network, theirs: Network, batch: Batch) -> tuple[Network, Network, Batch]:
    """Return copies in float64, in which nothing lies as near to a bend as rounding reaches."""
    batch = batch.clone()
    for name in batch.node_types:
        batch[name].x = batch[name].x.double()
    return placed(deepcopy(ours).double()), placed(deepcopy(theirs).double()), moved(batch)


def matrix_products(ours: Network, batch: Batch) -> Callable[[int], object]:
    """Return a function that does the matrix products of one training step of our network, and nothing else.

    Every linear map stands for three products: its output, the gradient of its weight, and that of its input (but for the first
    maps, whose inputs are data). Ours has fewer of them than PyG's layers, which project both ends of every relation.
    """
    maps: list[tuple[int, Tensor, bool]] = []  # rows, matrix, whether the gradient of the input is needed

    def note(module: nn.Linear, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        maps.append((inputs[0].size(0), module.weight, inputs[0].requires_grad))

    def note_many(x: Tensor, sizes: Sequence[int], weights: Sequence[Tensor], *rest: Any) -> Tensor:
        maps.extend((size, weight, x.requires_grad) for size, weight in zip(sizes, weights, strict=True) if weight is not None)
        return project(x, sizes, weights, *rest)

    handles = [module.register_forward_hook(note) for module in ours.modules() if isinstance(module, nn.Linear)]
    with patch("graphfuse.nn.typed.project", note_many), patch("graphfuse.nn.relational.project", note_many):
        placed(ours)(batch)
    for handle in handles:
        handle.remove()
    work = []
    for rows, matrix, needed in maps:
        x, weight = torch.randn(rows, matrix.size(1), device=DEVICE), torch.randn_like(matrix)
        out = torch.randn(rows, matrix.size(0), device=DEVICE)
        work.append((x, weight, out, torch.randn_like(out), torch.empty_like(weight), torch.empty_like(x), needed))

    def multiply(_: int) -> None:
        for x, weight, out, gradient, of_weight, of_x, needed in work:
            torch.mm(x, weight.t(), out=out)
            torch.mm(gradient.t(), x, out=of_weight)
            if needed:
                torch.mm(gradient, weight, out=of_x)

    return multiply
