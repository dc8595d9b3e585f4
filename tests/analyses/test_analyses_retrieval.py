import numpy as np
import pytest
import torch
from toy_fusion import batch_of, network_of, sample

from graphfuse.analyses.retrieval import Retrieval
from graphfuse.nn.fusion import FusionModule, FusionOutput
from graphfuse.nn.pooling import pool

METRICS = ["recall_at_1", "recall_at_5", "recall_at_10", "mean_average_precision"]


class Angles(FusionModule):
    """A feature is an angle; views are the points at it."""

    out_channels = 2
    names = ("text_span", "image_region")

    def forward(self, batch, edge_weight_dict=None, node_weight_dict=None):
        means = {name: part.mean for name, part in pool(batch, self.names, node_weight_dict).items()}
        views = {name: torch.cat([mean.cos(), mean.sin()], dim=1) for name, mean in means.items()}
        return FusionOutput(embedding=torch.cat(list(means.values()), dim=1), views=views)


class NoViews(FusionModule):
    """The same, but only an embedding: the sum of both points."""

    out_channels = 2

    def forward(self, batch, edge_weight_dict=None, node_weight_dict=None):
        parts = pool(batch, Angles.names, node_weight_dict).values()
        return FusionOutput(embedding=sum(part.has * torch.cat([part.mean.cos(), part.mean.sin()], dim=1) for part in parts))


def posts():
    """Text 0.0 finds picture 0.1; text 1.0 is nearer to 1.2 than to its own 1.5; text 2.0 is nearer to 1.5 than to 1.2; one post lacks a picture."""
    return [
        batch_of(sample(3, [0.0], [0.1]), sample(5, [1.0], [1.5])),
        batch_of(sample(4, [1.5], []), sample(8, [1.8, 2.2], [1.2])),
    ]


def frame(body, analysis=None):
    return (analysis or Retrieval()).scores(network_of(body), posts()).frame


def test_each_sample_has_the_rank_of_its_own_partner_in_both_directions():
    rows = frame(Angles())
    rows = rows[rows["level"] == "modality"].set_index(["query", "sample_id"])
    assert rows.loc["text_span", "rank"].to_dict() == {"3": 1, "5": 2, "8": 2}
    assert rows.loc["image_region", "rank"].to_dict() == {"3": 1, "5": 2, "8": 2}
    assert rows["score"].tolist() == pytest.approx(1 / rows["rank"].to_numpy())
    assert set(rows["count"]) == {3}


def test_the_whole_set_has_recall_and_mean_average_precision_beside_chance():
    rows = frame(Angles())
    rows = rows[(rows["level"] == "model") & (rows["query"] == "text_span")].set_index("element")
    assert rows.index.tolist() == METRICS
    assert (rows["sample_id"] == "").all() and (rows["partner"] == "image_region").all()
    assert rows["score"].tolist() == pytest.approx([1 / 3, 1, 1, (1 + 1 / 2 + 1 / 2) / 3])
    assert rows["chance"].tolist() == pytest.approx([1 / 3, 1, 1, (1 + 1 / 2 + 1 / 3) / 3])
    assert ((rows["low"] <= rows["score"]) & (rows["score"] <= rows["high"])).all()


def test_without_views_the_embeddings_of_one_modality_at_a_time_are_compared():
    own, other = frame(Angles()), frame(NoViews())
    np.testing.assert_allclose(own["score"], other["score"])
    assert other["query"].unique().tolist() == ["text", "image"]


def test_depths_can_be_chosen():
    rows = frame(Angles(), Retrieval(k=(2,)))
    assert rows[rows["level"] == "model"]["element"].unique().tolist() == ["recall_at_2", "mean_average_precision"]
    with pytest.raises(ValueError, match="k must be one or more whole numbers from 1"):
        Retrieval(k=(0,))


def test_where_no_post_has_both_the_table_is_empty():
    table = Retrieval().scores(network_of(Angles()), [batch_of(sample(0, [1.0], []), sample(1, [2.0], []))])
    assert len(table.frame) == 0
    assert len(Retrieval().scores(network_of(Angles()), []).frame) == 0
