"""What a network makes of each modality alone."""

import torch
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.schema import GraphSchema
from graphfuse.nn.fusion import FusionModule, FusionNetwork, FusionOutput
from graphfuse.nn.pooling import pool
from graphfuse.nn.views import View, modality_views, types_by_modality, view_pairs

SCHEMA = GraphSchema(
    channels_by_node_type={"text_span": 1, "title": 1, "image_region": 1, "sample": 1},
    modality_by_node_type={"text_span": "text", "title": "text", "image_region": "image", "sample": "sample"},
    edge_types=(),
)


class Sums(FusionModule):
    """Embedding = the mean of each type; views, where asked for, are its own."""

    out_channels = 3

    def __init__(self, views: bool = False) -> None:
        super().__init__()
        self.views = views

    def forward(self, batch, edge_weight_dict=None, node_weight_dict=None):
        pooled = pool(batch, ("text_span", "title", "image_region"), node_weight_dict)
        means = {name: part.mean for name, part in pooled.items()}
        views = {"text_span": means["text_span"], "image_region": means["image_region"]} if self.views else {}
        return FusionOutput(embedding=torch.cat(list(means.values()), dim=1), views=views)


def batch() -> Batch:
    samples = []
    for spans, titles, regions in (([1.0, 3.0], [5.0], [7.0]), ([2.0], [], []), ([], [4.0], [8.0, 10.0])):
        data = HeteroData()
        for name, values in (("text_span", spans), ("title", titles), ("image_region", regions), ("sample", [1.0])):
            data[name].x = torch.tensor(values).reshape(-1, 1)
        samples.append(data)
    return Batch.from_data_list(samples)


def test_a_modality_has_all_its_node_types_and_the_bare_sample_is_none() -> None:
    assert types_by_modality(SCHEMA) == {"text": ("text_span", "title"), "image": ("image_region",)}


def test_without_views_of_its_own_a_model_sees_one_modality_at_a_time() -> None:
    views = modality_views(FusionNetwork(Sums(), 2, schema=SCHEMA), batch())
    assert views["text"].vector.tolist() == [[2, 5, 0], [2, 0, 0], [0, 4, 0]]
    assert views["image"].vector.tolist() == [[0, 0, 7], [0, 0, 0], [0, 0, 9]]
    assert views["text"].has.tolist() == [True, True, True]
    assert views["image"].has.tolist() == [True, False, True]


def test_what_was_removed_before_stays_removed() -> None:
    weights = {"image_region": torch.tensor([0.0, 1.0, 0.0])}
    views = modality_views(FusionNetwork(Sums(), 2, schema=SCHEMA), batch(), weights)
    assert views["image"].vector[:, 2].tolist() == [0, 0, 8]
    assert views["image"].has.tolist() == [False, False, True]


def test_a_models_own_views_are_taken_as_they_are() -> None:
    network = FusionNetwork(Sums(views=True), 2, schema=SCHEMA)
    views = modality_views(network, batch())
    assert list(views) == ["text_span", "image_region"]
    assert views["text_span"].has.tolist() == [True, True, False]
    assert torch.equal(views["text_span"].vector, network(batch()).views["text_span"])


def test_only_vectors_of_one_width_are_compared() -> None:
    widths = {"text": 4, "image": 4, "user": 3}
    views = {name: View(vector=torch.zeros(2, width), has=torch.ones(2, dtype=torch.bool)) for name, width in widths.items()}
    assert view_pairs(views) == [("text", "image")]
