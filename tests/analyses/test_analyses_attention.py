from dataclasses import replace

import pytest
import torch
from toy_fusion import NoGraph, SoftMatch, SumOfProducts, batch_of, network_of, sample, two_posts

from graphfuse.analyses.attention import Attention

MATCH_NAME = "text_span__resembles__image_region"


def test_every_edge_has_the_networks_own_score_once_with_its_twin():
    frame = Attention().scores(network_of(SumOfProducts()), [two_posts()]).frame
    edges = frame[frame["level"] == "edge"]
    assert edges["sample_id"].tolist() == ["7", "7", "7", "9"]
    assert edges["score"].tolist() == pytest.approx([6.0, 1.0, 2.0, 2.0])


def test_a_kind_has_its_mean_its_share_of_edges_and_its_share_of_top_edges():
    frame = Attention(top=1).scores(network_of(SumOfProducts()), [two_posts()]).frame
    kind = frame[frame["level"] == "edge_type"].set_index("element").loc[MATCH_NAME]
    assert kind["score"] == pytest.approx((3.5 + 2) / 2)  # samples weigh alike, whatever their number of edges
    assert kind["edge_share"] == pytest.approx((2 / 3 + 1) / 2)
    assert kind["top_share"] == 1
    assert kind["count"] == 3


def test_blind_scores_take_as_many_top_edges_of_a_kind_as_it_has():
    """Posts of very different sizes, all edges scored alike: places are shared, and the share of top edges is that of edges."""
    posts = (
        sample(
            number, [1.0] * size, [1.0] * size, match=[(i, i) for i in range(size)], order=[(i, j) for i in range(size) for j in range(i)]
        )
        for number, size in enumerate((2, 3, 6))
    )
    batch = batch_of(*posts)
    frame = Attention(top=2).scores(network_of(AllAlike()), [batch]).frame
    kinds = frame[frame["level"] == "edge_type"]
    assert len(kinds) > 1
    assert kinds["top_share"].tolist() == pytest.approx(kinds["edge_share"].tolist())


class AllAlike(SumOfProducts):
    """Gives every edge the same score."""

    def forward(self, batch, edge_weight_dict=None, node_weight_dict=None):
        output = super().forward(batch, edge_weight_dict, node_weight_dict)
        return replace(output, edge_scores={kind: torch.ones_like(score) for kind, score in output.edge_scores.items()})


def test_a_network_without_edge_scores_gives_an_empty_table():
    frame = Attention().scores(network_of(NoGraph()), [two_posts()]).frame
    assert len(frame) == 0
    assert list(frame.columns[:3]) == ["analysis", "level", "sample_id"]


def test_attention_that_covers_one_kind_leaves_the_others_at_zero():
    frame = Attention().scores(network_of(SoftMatch()), [two_posts()]).frame
    kinds = frame[frame["level"] == "edge_type"].set_index("element")["score"]
    assert kinds["text_span__precedes__text_span"] == 0
    assert kinds[MATCH_NAME] == pytest.approx((0.5 + 1) / 2)


def test_posts_without_edges_are_no_trouble():
    frame = Attention().scores(network_of(SumOfProducts()), [batch_of(sample(0, [1.0], []))]).frame
    assert (frame["level"] == "edge_type").all() and (frame["count"] == 0).all()
