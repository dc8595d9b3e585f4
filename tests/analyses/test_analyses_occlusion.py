import pytest
import torch
from toy_fusion import MATCH, NEXT, REV_MATCH, NoGraph, SoftMatch, SumOfProducts, batch_of, network_of, sample, two_posts

import graphfuse.analyses._edge_scores
from graphfuse.analyses.fidelity import Fidelity
from graphfuse.analyses.occlusion import Occlusion
from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError
from graphfuse.nn.fusion import FusionNetwork

MATCH_NAME = "text_span__resembles__image_region"


def rows(frame, level, sample_id=None):
    frame = frame[frame["level"] == level]
    return frame[frame["sample_id"] == sample_id] if sample_id is not None else frame


def test_each_edge_is_worth_what_was_worked_out_by_hand():
    frame = Occlusion().scores(network_of(SumOfProducts()), [two_posts()]).frame
    found = {(r.sample_id, r.element, r.source, r.target): r.score for r in rows(frame, "edge").itertuples()}
    assert found == pytest.approx(
        {
            ("7", MATCH_NAME, 0, 0): 12.0,
            ("7", MATCH_NAME, 1, 1): -2.0,
            ("7", "text_span__precedes__text_span", 0, 1): 2.0,
            # the prediction is the other class: what spoke for it counts
            ("9", MATCH_NAME, 0, 0): 4.0,
        }
    )


def test_an_edge_without_its_twin_is_worth_half_here():
    frame = Occlusion(joint_reverse=False).scores(network_of(SumOfProducts()), [two_posts()]).frame
    edges = rows(frame, "edge", "9")
    assert edges["score"].tolist() == pytest.approx([2.0, 2.0])
    assert sorted(edges["element"]) == ["image_region__rev_resembles__text_span", MATCH_NAME]


def test_occlusion_equals_the_forward_of_a_batch_without_the_edge():
    torch.manual_seed(0)
    posts = [sample(i, torch.randn(3).tolist(), torch.randn(4).tolist(), match=[(0, 1), (1, 2), (2, 0), (2, 3)]) for i in range(5)]
    batch, network = batch_of(*posts), network_of(SoftMatch())
    frame = rows(Occlusion(measure="probability", block=40).scores(network, [batch]).frame, "edge")
    full = network(batch).logits.detach().softmax(1)
    for row in frame.itertuples():
        post = posts[int(row.sample_id)].clone()
        pairs = post[MATCH].edge_index
        gone = (pairs[0] == row.source) & (pairs[1] == row.target)
        post[MATCH].edge_index = pairs[:, ~gone]
        post[REV_MATCH].edge_index = pairs[:, ~gone].flip(0)
        without = network(batch_of(post)).logits.detach().softmax(1)[0]
        chosen = full[int(row.sample_id)].argmax()
        assert row.score == pytest.approx((full[int(row.sample_id)][chosen] - without[chosen]).item(), abs=1e-6)


def test_blocks_change_memory_and_not_scores():
    batch, network = two_posts(), network_of(SumOfProducts())
    small, large = (Occlusion(block=block).scores(network, [batch]).frame for block in (1, 10**6))
    assert small.equals(large)


def test_an_edge_kind_is_worth_its_edges_and_says_how_often_the_prediction_flips():
    frame = Occlusion().scores(network_of(SumOfProducts()), [two_posts()]).frame
    kind = rows(frame, "edge_type", "").set_index("element").loc[MATCH_NAME]
    assert kind["score"] == pytest.approx((10 + 4) / 2)
    assert kind["count"] == 3 and kind["samples"] == 2
    assert kind["low"] <= kind["score"] <= kind["high"]
    # post 7 is right and stays right on its `precedes` edge; post 9 is wrong, and right at log-odds of 0, from where on yes is predicted
    assert kind["flips"] == 0.5 and kind["metric_drop"] == -0.5


def test_removing_a_modality_removes_its_nodes_with_their_edges():
    frame = Occlusion().scores(network_of(SumOfProducts()), [two_posts()]).frame
    worth = rows(frame, "modality", "").set_index("element")
    assert worth.loc["text", "score"] == pytest.approx(8.0)
    assert worth.loc["image", "score"] == pytest.approx(7.0)
    assert worth.loc["text", "metric_drop"] == pytest.approx(-0.5)
    assert set(rows(frame, "node_type", "")["element"]) == {"text_span", "image_region"}


def test_several_batches_give_what_one_gives():
    posts = [sample(i, [1.0 + i], [2.0], match=[(0, 0)]) for i in range(4)]
    network = network_of(SumOfProducts())
    one = Occlusion().scores(network, [batch_of(*posts)]).frame
    two = Occlusion().scores(network, [batch_of(*posts[:1]), batch_of(*posts[1:])]).frame
    keys = ["level", "element", "sample_id", "source", "target"]
    assert one.sort_values(keys, ignore_index=True).equals(two.sort_values(keys, ignore_index=True))


def test_edges_are_removed_only_in_the_first_samples_asked_for():
    frame = Occlusion(edge_samples=1).scores(network_of(SumOfProducts()), [two_posts()]).frame
    assert set(rows(frame, "edge")["sample_id"]) == {"7"}
    assert set(rows(frame, "edge_type")["sample_id"]) == {"", "7", "9"}


def test_all_samples_of_all_batches_are_asked_for_with_0():
    posts = [sample(i, [1.0 + i], [2.0], match=[(0, 0)]) for i in range(4)]
    frame = (
        Occlusion(edge_samples=0, levels=("edge",)).scores(network_of(SumOfProducts()), [batch_of(*posts[:1]), batch_of(*posts[1:])]).frame
    )
    assert frame["sample_id"].tolist() == ["0", "1", "2", "3"]


def test_of_a_sample_with_very_many_edges_the_steepest_are_removed_and_the_others_counted():
    batch = batch_of(
        sample(0, [1.0, 3.0], [1.0, 0.0, -2.0], match=[(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]), sample(1, [1.0], [2.0], [(0, 0)])
    )
    network = network_of(SumOfProducts())
    every, some = (Occlusion(max_edges=max_edges).scores(network, [batch]).frame for max_edges in (0, 2))
    edges = rows(some, "edge", "0")
    assert list(zip(edges["source"], edges["target"], strict=True)) == [(1, 0), (1, 2)]
    assert edges["left_out"].tolist() == [4, 4] and rows(some, "edge", "1")["left_out"].tolist() == [0]
    exact = rows(every, "edge", "0").set_index(["source", "target"])["score"]
    assert edges["score"].tolist() == [exact[1, 0], exact[1, 2]]
    # kinds are removed with all their edges
    assert rows(some, "edge_type").equals(rows(every, "edge_type").set_axis(rows(some, "edge_type").index))


def test_no_more_copies_run_than_edges_may_be_removed(monkeypatch):
    copies = []
    real = graphfuse.analyses._edge_scores.take_samples
    monkeypatch.setattr(
        graphfuse.analyses._edge_scores, "take_samples", lambda batch, index: copies.append(len(index)) or real(batch, index)
    )
    crowd = batch_of(sample(0, [1.0] * 30, [1.0] * 30, match=[(i, j) for i in range(30) for j in range(30)]))
    Occlusion(max_edges=50).scores(network_of(SumOfProducts()), [crowd])
    Fidelity(max_edges=40).scores(network_of(SumOfProducts()), [crowd])
    assert sum(copies) == 50 + 40


def test_regression_counts_the_absolute_change():
    frame = Occlusion().scores(network_of(SumOfProducts(), kind="regression"), [two_posts()]).frame
    assert rows(frame, "edge", "7")["score"].tolist() == pytest.approx([12.0, 2.0, 2.0])


def test_regression_measures_its_error_in_the_targets_own_unit():
    network = network_of(SumOfProducts(), kind="regression", mean=(1.0,), std=(2.0,))
    frame = Occlusion().scores(network, [batch_of(sample(0, [1.0], [2.0], match=[(0, 0)], y=9.0))]).frame
    # predicts 2 x 4 + 1 = 9; without the edge 1
    assert rows(frame, "edge_type", "")["metric_drop"].max() == pytest.approx(8.0)


def test_multilabel_takes_the_mean_over_labels():
    network = network_of(SumOfProducts(), kind="multilabel", num_logits=2)
    with torch.no_grad():
        network.head.weight.copy_(torch.tensor([[1.0], [-3.0]]))
    frame = Occlusion().scores(network, [batch_of(sample(0, [1.0], [2.0], match=[(0, 0)]))]).frame
    assert rows(frame, "edge")["score"].tolist() == pytest.approx([(4 + 12) / 2])


def test_labels_are_predicted_from_the_tasks_threshold():
    unsure = batch_of(sample(0, [1.0], [1.0], match=[(0, 0)], y=1.0))  # log-odds 2, which is 0.88; 0.5 without the edge
    worth = {}
    for threshold in (0.3, 0.7, 0.9):
        network = network_of(SumOfProducts(), kind="multilabel", threshold=threshold)
        frame = Occlusion().scores(network, [unsure]).frame
        worth[threshold] = rows(frame, "edge_type", "").set_index("element").loc[MATCH_NAME, ["score", "flips", "metric_drop"]].tolist()
    assert worth[0.3] == pytest.approx([2.0, 0.0, 0.0])
    assert worth[0.7] == pytest.approx([2.0, 1.0, 1.0])
    # the label is not predicted, and the edge speaks against that
    assert worth[0.9] == pytest.approx([-2.0, 0.0, 0.0])


def test_a_network_without_edges_loses_nothing_by_their_removal():
    frame = Occlusion().scores(network_of(NoGraph()), [two_posts()]).frame
    assert (rows(frame, "edge")["score"] == 0).all()
    assert rows(frame, "modality", "").set_index("element").loc["text", "score"] == pytest.approx((3 + 2) / 2)


def test_posts_without_any_edge_are_no_trouble():
    frame = Occlusion().scores(network_of(SumOfProducts()), [batch_of(sample(0, [1.0], []), sample(1, [], []))]).frame
    assert len(rows(frame, "edge")) == 0
    assert (rows(frame, "edge_type", "")["count"] == 0).all()


def test_parallel_edges_are_one_element():
    frame = (
        Occlusion(levels=("edge",)).scores(network_of(SumOfProducts()), [batch_of(sample(0, [1.0], [2.0], match=[(0, 0), (0, 0)]))]).frame
    )
    assert frame["score"].tolist() == pytest.approx([8.0])


def test_an_unknown_edge_kind_is_refused_and_the_nearest_offered():
    with pytest.raises(
        ConfigError, match=r"'text_span__resemble__image_region' is not an edge kind .* Did you mean 'text_span__resembles__image"
    ):
        Occlusion(edge_kinds=("text_span__resemble__image_region",)).scores(network_of(SumOfProducts()), [two_posts()])


def test_only_the_chosen_edge_kinds_are_removed():
    frame = Occlusion(edge_kinds=("__".join(NEXT),), levels=("edge", "edge_type")).scores(network_of(SumOfProducts()), [two_posts()]).frame
    assert set(frame["element"]) == {"__".join(NEXT)}


def test_settings_are_checked_by_name():
    assert build("analyses", {"name": "occlusion", "levels": ["edge"]}, "analyses.0") == Occlusion(levels=("edge",))
    with pytest.raises(ConfigError, match=r"analyses\.0\.measur: is not a setting here. Did you mean 'measure'"):
        build("analyses", {"name": "occlusion", "measur": "probability"}, "analyses.0")


@pytest.mark.parametrize("model", ["relational_attention", "relational_mean", "hetero_sage", "hgt"])
def test_real_networks_lose_exactly_what_removing_the_edge_takes(model):
    torch.manual_seed(0)
    posts = [
        sample(i, torch.randn(3).tolist(), torch.randn(4).tolist(), match=[(0, 1), (1, 2), (2, 0), (2, 3)], order=[(0, 1)])
        for i in range(3)
    ]
    schema = network_of(SumOfProducts()).schema
    network = FusionNetwork(build("models", {"name": model, "hidden_channels": 8}, "model").module(schema, None), 3, schema=schema).eval()
    frame = rows(Occlusion(measure="probability", levels=("edge",)).scores(network, [batch_of(*posts)]).frame, "edge")
    with torch.no_grad():
        for row in frame[frame["element"] == MATCH_NAME].itertuples():
            post = posts[int(row.sample_id)]
            full = network(batch_of(post)).logits.softmax(1)[0]
            without = post.clone()
            pairs = post[MATCH].edge_index
            kept = pairs[:, ~((pairs[0] == row.source) & (pairs[1] == row.target))]
            without[MATCH].edge_index, without[REV_MATCH].edge_index = kept, kept.flip(0)
            left = network(batch_of(without)).logits.softmax(1)[0]
            assert row.score == pytest.approx((full - left)[full.argmax()].item(), abs=1e-5)
