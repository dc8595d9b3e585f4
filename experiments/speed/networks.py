"""Networks of one function: as one writes it with PyG, and as we do."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any
from unittest.mock import patch

import torch
from device import DEVICE, moved, placed
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import global_mean_pool

from graphfuse.core.compiled import Kernels, use_kernels
from graphfuse.core.schema import GraphSchema
from graphfuse.nn.memory import keep_freed_memory
from graphfuse.nn.plan import EdgePlan
from graphfuse.nn.readout import sample_means
from graphfuse.nn.typed import TypedTable, project

HIDDEN = 64
LAYERS = 2
CLASSES = 2
FEW = 8
"""Samples whose gradients are compared in float32: among the values of many, some lie so near the bend of a rectifier that rounding puts
them on its other side, in any of the networks, and gradients then differ by up to 1e-4."""


class Network(nn.Module):
    """A projection per node type, rounds of message passing, a mean per type, a head; as one writes it with PyG.

    Args:
        schema: Node types and edge types.
        layer: Makes a layer (x_dict, edge_index_dict) -> x_dict.
    """

    def __init__(self, schema: GraphSchema, layer: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.edge_types = schema.edge_types
        self.project = nn.ModuleDict({name: nn.Linear(channels, HIDDEN) for name, channels in schema.channels_by_node_type.items()})
        self.layers = nn.ModuleList(layer() for _ in range(LAYERS))
        self.head = nn.Linear(HIDDEN, CLASSES)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits, [batch_size, CLASSES]."""
        return self.head(self.pooled({name: self.project[name](batch[name].x) for name in self.project}, batch))

    def pooled(self, x_dict: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return one vector per sample, [batch_size, HIDDEN]."""
        for layer in self.layers:
            x_dict = {name: x.relu() for name, x in layer(x_dict, batch.edge_index_dict).items()}
        means = [global_mean_pool(x, batch[name].batch, batch.num_graphs) for name, x in x_dict.items()]
        return torch.stack(means).sum(dim=0)


class OurNetwork(Network):
    """The same function as our models compute it: the ways of edges found once, the nodes of all types in one table."""

    def pooled(self, x_dict: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return one vector per sample, [batch_size, HIDDEN]."""
        plan, x = EdgePlan.of(self.edge_types, x_dict, batch.edge_index_dict), TypedTable.of(x_dict)
        for layer in self.layers:
            x = x.changed(layer(x, plan).table.relu_())
        means = sample_means(x, batch)
        return means.table.view(len(means), batch.num_graphs, HIDDEN).sum(dim=0)


class Step:
    """One training step: forward, backward, fused AdamW.

    Args:
        network: What learns.
        kernels: What `train.kernels` says.
    """

    def __init__(self, network: Network, kernels: Kernels = "torch") -> None:
        keep_freed_memory()  # as `graphfuse train` does; it serves the peer's steps as well
        self.network = placed(network)
        self._kernels = kernels
        self._optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

    def __call__(self, batch: Batch) -> Tensor:
        """Take the step and return the loss."""
        with use_kernels(self._kernels):
            return self._taken(batch)

    def _taken(self, batch: Batch) -> Tensor:
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
