"""A sample that goes to networkx and back is the same sample."""

import networkx as nx
import pytest
import torch
from store_toys import FULL, HOLES, SCHEMA, WORDS, toy_store

from graphfuse.core.errors import InputError
from graphfuse.store.graph_store import open_store
from graphfuse.store.networkx import from_networkx, to_networkx


@pytest.mark.parametrize("counts", [FULL, HOLES], ids=["full", "holes"])
@pytest.mark.parametrize("target", [True, False])
def test_round_trip_keeps_types_features_edges_weights_and_target(tmp_path, counts, target):
    store = open_store(toy_store(tmp_path, counts, target=target))

    for i in range(len(store)):
        sample = store.sample(i)
        back = from_networkx(to_networkx(sample), SCHEMA)
        assert back.node_types == sample.node_types
        assert back.edge_types == sample.edge_types
        for ours, theirs in zip(back.stores, sample.stores, strict=True):
            assert list(ours.keys()) == list(theirs.keys())
            for name in theirs:
                assert ours[name].dtype == theirs[name].dtype
                assert torch.equal(ours[name], theirs[name]), name


def test_graph_says_what_each_node_and_edge_is(tmp_path):
    graph = to_networkx(open_store(toy_store(tmp_path, FULL)).sample(2))

    assert isinstance(graph, nx.MultiDiGraph)
    assert graph.nodes["image_region/1"]["node_type"] == "image_region"
    relations = {attributes["relation"] for _, _, attributes in graph.edges(data=True)}
    assert relations == {"resembles", "rev_resembles", "wrote"}
    assert nx.number_weakly_connected_components(graph) >= 1


def test_two_edges_between_the_same_nodes_are_both_kept(tmp_path):
    sample = open_store(toy_store(tmp_path, FULL)).sample(0)
    sample[WORDS].edge_index = torch.tensor([[0, 0], [1, 1]])
    sample[WORDS].edge_weight = torch.tensor([0.25, 0.75])

    back = from_networkx(to_networkx(sample), SCHEMA)

    assert back[WORDS].edge_index.tolist() == [[0, 0], [1, 1]]
    assert back[WORDS].edge_weight.tolist() == [0.25, 0.75]


def test_graph_made_by_hand_becomes_a_sample():
    graph = nx.MultiDiGraph()
    graph.add_node("a word", node_type="text_span", x=[1, 2, 3])
    graph.add_node("a region", node_type="image_region", x=[0.5, 0.5])
    graph.add_edge("a word", "a region", relation="resembles")

    sample = from_networkx(graph, SCHEMA)

    assert sample[WORDS].edge_index.tolist() == [[0], [0]]
    assert sample["text_span"].x.tolist() == [[1, 2, 3]]
    assert sample["sample"].x.shape == (0, 1)


@pytest.mark.parametrize(
    ("node", "edge", "said"),
    [
        ({"x": [1, 2, 3]}, {}, r"Node 'word' must have 'node_type' \(has x\)"),
        ({"node_type": "text_spam", "x": [1]}, {}, "Did you mean 'text_span'"),
        ({"node_type": "text_span", "x": [1]}, {}, r"'text_span' must have 3 features \(got 1\)"),
        ({"node_type": "text_span"}, {}, "must have 'x'"),
        ({"node_type": "user", "x": [1] * 4}, {}, "must have 'entity'"),
        ({"node_type": "text_span", "x": [1, 2, 3]}, {}, r"An edge must have 'relation' \(has nothing\)"),
        ({"node_type": "text_span", "x": [1, 2, 3]}, {"relation": "likes"}, r"got 'text_span__likes__text_span'"),
    ],
)
def test_graph_that_does_not_fit_the_schema_says_why(node, edge, said):
    graph = nx.MultiDiGraph()
    graph.add_node("word", **node)
    graph.add_edge("word", "word", **edge)

    with pytest.raises(InputError, match=said):
        from_networkx(graph, SCHEMA)


def test_batch_is_not_a_sample(tmp_path):
    batch = open_store(toy_store(tmp_path, FULL)).batch([0, 1])

    with pytest.raises(InputError, match=r"got a batch of 2.*get_example"):
        to_networkx(batch)
    assert len(to_networkx(batch.get_example(1))) == 5
