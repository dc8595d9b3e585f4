"""Batches of words and regions without edges, for the models that look at none."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.nn.fusion import Decision
from graphfuse.nn.losses import CrossEntropy

WIDTHS = {"word": 5, "region": 3, "author": 4}
MODALITIES = {"word": "text", "region": "image", "author": "user"}
DECISION = Decision(
    target=TargetSchema(kind="classification", columns=("label",), classes=("no", "yes"), class_counts=(1, 1)),
    num_logits=2,
    criterion=CrossEntropy(),
)


def schema(*names: str) -> GraphSchema:
    """Return the schema of samples with these node types."""
    return GraphSchema(
        channels_by_node_type={name: WIDTHS[name] for name in names},
        modality_by_node_type={name: MODALITIES[name] for name in names},
        edge_types=(),
    )


def batch_of(names: Sequence[str], sizes: Sequence[Sequence[int]], seed: int = 0) -> Batch:
    """Return one sample per entry of `sizes`, which has a number of units per name."""
    draw = torch.Generator().manual_seed(seed)
    samples = []
    for counts in sizes:
        data = HeteroData()
        for name, count in zip(names, counts, strict=True):
            data[name].x = torch.randn(count, WIDTHS[name], generator=draw)
        samples.append(data)
    return Batch.from_data_list(samples)


def random(*shape: int, seed: int = 0) -> Tensor:
    """Return normal values, the same for the same seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
