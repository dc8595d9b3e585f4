"""Rows of text, picture and author with something in common, some of which lack a modality, for early fusion."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.core.sockets import FusionModel
from graphfuse.nn.fusion import Decision, FusionModule, FusionNetwork, Rows, training_loss
from graphfuse.nn.losses import CrossEntropy
from graphfuse.nn.pooling import pooled_rows

TYPES = ("text_span", "image_region", "author")
SCHEMA = GraphSchema(
    channels_by_node_type={"text_span": 6, "image_region": 5, "author": 4, "sample": 1},
    modality_by_node_type={"text_span": "text", "image_region": "image", "author": "user", "sample": "sample"},
    edge_types=(),
)
DECISION = Decision(
    target=TargetSchema(kind="classification", columns=("label",), classes=("no", "yes"), class_counts=(1, 1)),
    num_logits=2,
    criterion=CrossEntropy(),
)


def train_rows(count: int = 200, absent: float = 0.0, gone: Sequence[str] = (), seed: int = 0) -> Rows:
    """Return rows whose modalities hold the same two variables under noise; the first variable decides the label.

    Args:
        count: Number of rows.
        absent: Chance that a row lacks a modality.
        gone: Node types that no row has.
        seed: Another seed draws other rows with the same relations.
    """
    relations = torch.Generator().manual_seed(7)
    loadings = {name: torch.randn(2, SCHEMA.channels_by_node_type[name], generator=relations) * 2 for name in TYPES}
    draw = torch.Generator().manual_seed(seed)
    samples = [_sample(loadings, draw, absent, gone) for _ in range(count)]
    batch = Batch.from_data_list(samples)
    return lambda: [batch]


def _sample(loadings: dict[str, Tensor], draw: torch.Generator, absent: float, gone: Sequence[str]) -> HeteroData:
    common, data = torch.randn(2, generator=draw), HeteroData()
    for name, loading in loadings.items():
        units = int(torch.randint(1, 4, (), generator=draw))
        lacks = float(torch.rand((), generator=draw)) < absent or name in gone
        noise = torch.randn(units, loading.size(1), generator=draw)
        data[name].x = (3 + common @ loading + 0.5 * noise)[: 0 if lacks else units]
    data["sample"].x = torch.ones(1, 1)
    data.y = (common[0] > 0).long()
    return data


def fitted(model: FusionModel, rows: Rows, seed: int = 0) -> FusionModule:
    """Return the network of a model that has learned from rows all that it does not learn by gradients."""
    torch.manual_seed(seed)
    module = model.module(SCHEMA, DECISION)
    module.fit_train(rows)
    return module.eval()


def trained(model: FusionModel, rows: Rows, steps: int = 60, rate: float = 1e-2) -> FusionNetwork:
    """Return a network after some steps on all rows at once."""
    network = FusionNetwork(fitted(model, rows), DECISION.num_logits).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    (batch,) = rows()
    for _ in range(steps):
        loss = training_loss(network(batch), batch.y, DECISION.criterion)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def accuracy(network: FusionNetwork, rows: Rows) -> float:
    (batch,) = rows()
    return float((network(batch).logits.argmax(1) == batch.y).float().mean())


def standardised(rows: Rows) -> dict[str, Tensor]:
    """Return the means of rows that have everything, standardised by hand in float64.  [num_rows, channels] each."""
    pooled, _ = pooled_rows(rows, TYPES)
    double = {name: part.mean.double() for name, part in pooled.items()}
    return {name: (x - x.mean(0)) / x.std(0, correction=0) for name, x in double.items()}


def cosines(one: Tensor, other: Tensor) -> Tensor:
    """Return the cosine of each column with its namesake, without sign."""
    one, other = one.double() - one.double().mean(0), other.double() - other.double().mean(0)
    return torch.nn.functional.cosine_similarity(one, other, dim=0).abs()
