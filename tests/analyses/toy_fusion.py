"""Toy networks whose answer can be worked out by hand, and batches for them."""

import torch
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.nn.fusion import FusionModule, FusionNetwork, FusionOutput

MATCH = ("text_span", "resembles", "image_region")
REV_MATCH = ("image_region", "rev_resembles", "text_span")
NEXT = ("text_span", "precedes", "text_span")


def sample(position, text, image, match=(), order=(), y=0.0):
    """One graph: features of spans and regions (one channel), (span, region) pairs with their reverse edges, and (span, span) pairs."""
    data = HeteroData()
    data["text_span"].x = torch.tensor(text).reshape(-1, 1)
    data["image_region"].x = torch.tensor(image).reshape(-1, 1)
    pairs = torch.tensor(list(match), dtype=torch.int64).reshape(-1, 2).T
    data[MATCH].edge_index = pairs
    data[REV_MATCH].edge_index = pairs.flip(0)
    data[NEXT].edge_index = torch.tensor(list(order), dtype=torch.int64).reshape(-1, 2).T
    data.y = torch.tensor([y])
    data.position = torch.tensor([position])
    return data


def batch_of(*samples):
    return Batch.from_data_list(list(samples))


def effective(batch, edge_type, edge_weights, node_weights):
    source, target = batch[edge_type].edge_index
    weight = (edge_weights or {}).get(edge_type, torch.ones(source.numel()))
    for name, end in ((edge_type[0], source), (edge_type[2], target)):
        if name in (node_weights or {}):
            weight = weight * node_weights[name][end]
    return weight


class SumOfProducts(FusionModule):
    """Logit = sum over edges of weight x source x destination: the effect of every edge is known."""

    out_channels = 1

    def forward(self, batch, edge_weight_dict=None, node_weight_dict=None):
        total = torch.zeros(batch.num_graphs)
        scores = {}
        for edge_type in batch.edge_types:
            source, target = batch[edge_type].edge_index
            product = (batch[edge_type[0]].x[source] * batch[edge_type[2]].x[target]).squeeze(1)
            weighted = effective(batch, edge_type, edge_weight_dict, node_weight_dict) * product
            total = total.index_add(0, batch[edge_type[0]].batch[source], weighted)
            scores[edge_type] = product.abs()
        return FusionOutput(embedding=total.unsqueeze(1), edge_scores=scores)


class SoftMatch(FusionModule):
    """Attention over a sample's match edges, which renormalises when one is removed; forward edges only."""

    out_channels = 2

    def forward(self, batch, edge_weight_dict=None, node_weight_dict=None):
        source, target = batch[MATCH].edge_index
        weight = effective(batch, MATCH, edge_weight_dict, node_weight_dict)
        product = (batch["text_span"].x[source] * batch["image_region"].x[target]).squeeze(1)
        owner = batch["text_span"].batch[source]
        mass = weight * product.exp()
        norm = torch.zeros(batch.num_graphs).index_add(0, owner, mass)
        share = mass / norm[owner].clamp(min=1e-12)
        value = torch.zeros(batch.num_graphs).index_add(0, owner, share * product)
        return FusionOutput(embedding=torch.stack([value, -value.square()], dim=1), edge_scores={MATCH: share})


class NoGraph(FusionModule):
    """The sum of span features; no edges, no edge scores."""

    out_channels = 1

    def forward(self, batch, edge_weight_dict=None, node_weight_dict=None):
        x = batch["text_span"].x.squeeze(1)
        if node_weight_dict and "text_span" in node_weight_dict:
            x = x * node_weight_dict["text_span"]
        return FusionOutput(embedding=torch.zeros(batch.num_graphs, 1).index_add(0, batch["text_span"].batch, x[:, None]), edge_scores={})


def network_of(body, kind="classification", num_logits=None, mean=(), std=(), threshold=0.5):
    """A network whose head passes the embedding on unchanged."""
    size = num_logits or body.out_channels
    schema = GraphSchema(
        channels_by_node_type={"text_span": 1, "image_region": 1},
        modality_by_node_type={"text_span": "text", "image_region": "image"},
        edge_types=(MATCH, REV_MATCH, NEXT),
    )
    network = FusionNetwork(body, size, schema=schema, target=TargetSchema(kind=kind, mean=mean, std=std), threshold=threshold)
    with torch.no_grad():
        network.head.weight.copy_(torch.eye(size, body.out_channels))
        network.head.bias.zero_()
    return network.eval()


def two_posts():
    """Post 7: logit 2(2*3) + 2(1*-1) + 2*1 = 12; post 9: logit 2(-2*1) = -4. Match edges count twice, with their twins."""
    return batch_of(
        sample(7, [2.0, 1.0], [3.0, -1.0, 0.5], match=[(0, 0), (1, 1)], order=[(0, 1)], y=1.0),
        sample(9, [-2.0], [1.0], match=[(0, 0)], y=1.0),
    )
