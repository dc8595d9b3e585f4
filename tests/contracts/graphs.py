"""Small batches with every node and edge type, some samples without a picture, for the contract tests."""

from collections.abc import Sequence

import torch
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.build import build
from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.nn.fusion import Decision, Rows

MATCH, BACK = ("text_span", "may_match", "image_region"), ("image_region", "rev_may_match", "text_span")
BELONGS, REV_BELONGS = ("text_span", "belongs_to", "sample"), ("sample", "rev_belongs_to", "text_span")
SCHEMA = GraphSchema(
    channels_by_node_type={"text_span": 6, "image_region": 4, "sample": 1},
    modality_by_node_type={"text_span": "text", "image_region": "image", "sample": "sample"},
    edge_types=(MATCH, BACK, BELONGS, REV_BELONGS),
)
TARGETS = {
    "classification": TargetSchema(kind="classification", columns=("mood",), classes=("a", "b", "c"), class_counts=(13, 13, 13)),
    "multilabel": TargetSchema(kind="multilabel", columns=("p", "q"), classes=("p", "q"), class_counts=(20, 20), known_counts=(39, 39)),
    "regression": TargetSchema(kind="regression", columns=("u", "v"), mean=(0.5, -0.5), std=(1.0, 2.0)),
}


def decision(kind: str = "classification") -> Decision:
    """Return what a network has to decide for a kind of target."""
    task, target = build("tasks", {"name": kind}, "task"), TARGETS[kind]
    return Decision(target=target, num_logits=task.out_channels(target), criterion=task.criterion(target))


def graph(spans: int, regions: int, seed: int = 0) -> HeteroData:
    """Return one sample: every span may match every region and belongs to the sample node."""
    draw = torch.Generator().manual_seed(seed)
    data = HeteroData()
    for name, count in (("text_span", spans), ("image_region", regions), ("sample", 1)):
        data[name].x = torch.randn(count, SCHEMA.channels_by_node_type[name], generator=draw)
    pairs = torch.cartesian_prod(torch.arange(spans), torch.arange(regions)).reshape(-1, 2).T.contiguous()
    owners = torch.stack([torch.arange(spans), torch.zeros(spans, dtype=torch.long)])
    for forward, backward, index in ((MATCH, BACK, pairs), (BELONGS, REV_BELONGS, owners)):
        data[forward].edge_index = index
        data[backward].edge_index = index.flip(0)
    return data


def labelled_rows(kind: str, sizes: Sequence[tuple[int, int]], rows: int = 40) -> Rows:
    """Return rows of a split, in two batches, whose target is one of three classes, two labels or two values; one row has none."""
    draw = torch.Generator().manual_seed(1)

    def batches() -> list[Batch]:
        return [targeted(whole, part) for whole, part in zip(parts, y.split(rows // 2), strict=True)]

    def targeted(whole: Batch, part: torch.Tensor) -> Batch:
        whole.y = part
        return whole

    parts = []
    for start in (0, rows // 2):
        numbers = range(start, start + rows // 2)
        parts.append(Batch.from_data_list([graph(*sizes[number % len(sizes)], seed=number) for number in numbers]))
    if kind == "classification":
        y = (torch.arange(rows) % 3).where(torch.arange(rows) > 0, torch.tensor(-1))
    else:
        y = torch.randn(rows, 2, generator=draw)
        y = (y > 0).float() if kind == "multilabel" else y
        y[0] = torch.nan
    return batches


def batch(*sizes: tuple[int, int]) -> Batch:
    """Return a batch of samples of (spans, regions)."""
    return Batch.from_data_list([graph(*size, seed=number) for number, size in enumerate(sizes)])


def without_edges(whole: Batch, edge_type: tuple[str, str, str], keep: torch.Tensor) -> Batch:
    """Return the batch in which the edges that are not kept never were."""
    less = whole.clone()
    less[edge_type].edge_index = whole[edge_type].edge_index[:, keep]
    return less


def without_nodes(whole: Batch, node_type: str, keep: torch.Tensor) -> Batch:
    """Return the batch in which the nodes that are not kept, and their edges, never were."""
    less = whole.clone()
    less[node_type].x = whole[node_type].x[keep]
    less[node_type].batch = whole[node_type].batch[keep]
    new_number = keep.cumsum(0) - 1
    for edge_type in whole.edge_types:
        source, destination = whole[edge_type].edge_index
        if edge_type[0] == node_type:
            stays = keep[source]
            source, destination = new_number[source[stays]], destination[stays]
        if edge_type[2] == node_type:
            stays = keep[destination]
            source, destination = source[stays], new_number[destination[stays]]
        less[edge_type].edge_index = torch.stack([source, destination])
    return less
