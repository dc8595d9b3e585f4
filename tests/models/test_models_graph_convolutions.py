"""The models built from PyG's own layers are PyG's layers, as long as nothing weighs on an edge."""

import pytest
import torch
from torch_geometric.nn import GATv2Conv, HANConv, HeteroConv, RGCNConv, SAGEConv, TransformerConv

from graphfuse.core.build import build
from graphfuse.core.schema import EdgeType, GraphSchema, edge_name

A, B = 6, 4
TO, BACK, NEAR = ("a", "to", "b"), ("b", "back", "a"), ("a", "near", "a")
SCHEMA = GraphSchema(channels_by_node_type={"a": 8, "b": 8}, modality_by_node_type={"a": "text", "b": "image"}, edge_types=(TO, BACK, NEAR))
EVERY = pytest.mark.parametrize("name", ["rgcn", "gatv2", "han", "graph_transformer", "hetero_sage"])


def toy_graph() -> tuple[dict[str, torch.Tensor], dict[EdgeType, torch.Tensor]]:
    """Return features and edges; every node is reached by every relation that ends at its type."""
    draw = torch.Generator().manual_seed(0)
    x_dict = {"a": torch.randn(A, 8, generator=draw), "b": torch.randn(B, 8, generator=draw)}
    sizes = {"a": A, "b": B}
    edges = {
        (s, r, d): torch.stack([torch.randint(sizes[s], (3 * sizes[d],), generator=draw), torch.arange(sizes[d]).repeat(3)])
        for s, r, d in SCHEMA.edge_types
    }
    return x_dict, edges


def layer(name: str, **settings: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return build("models", {"name": name, "hidden_channels": 8, **settings}, "model").layer(SCHEMA).eval()


def assert_same(ours: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == expected.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "stock"),
    [
        ("gatv2", lambda: GATv2Conv((8, 8), 2, heads=4, add_self_loops=False)),
        ("graph_transformer", lambda: TransformerConv((8, 8), 2, heads=4)),
        ("hetero_sage", lambda: SAGEConv((8, 8), 8)),
    ],
)
def test_a_layer_per_relation_is_hetero_conv_of_it(name: str, stock: object) -> None:
    x_dict, edges = toy_graph()
    ours = layer(name)
    theirs = HeteroConv({edge_type: stock() for edge_type in SCHEMA.edge_types}, aggr="sum").eval()
    for edge_type in SCHEMA.edge_types:
        theirs.convs[edge_type].load_state_dict(ours.convs[edge_name(edge_type)].state_dict())
    ones = {edge_type: torch.ones(index.size(1)) for edge_type, index in edges.items()}
    expected = theirs(x_dict, edges)
    assert_same(ours(x_dict, edges), expected)
    assert_same(ours(x_dict, edges, ones), expected)


@pytest.mark.parametrize("num_bases", [None, 2])
def test_rgcn_is_the_one_of_the_graph_without_types(num_bases: int | None) -> None:
    x_dict, edges = toy_graph()
    ours = layer("rgcn", num_bases=num_bases)
    theirs = RGCNConv(8, 8, 3, num_bases=num_bases)
    theirs.load_state_dict(ours.state_dict())
    start = {"a": 0, "b": A}
    index = torch.cat([edges[e] + torch.tensor([[start[e[0]]], [start[e[2]]]]) for e in SCHEMA.edge_types], dim=1)
    relation = torch.repeat_interleave(torch.arange(3), torch.tensor([edges[e].size(1) for e in SCHEMA.edge_types]))
    expected = theirs(torch.cat([x_dict["a"], x_dict["b"]]), index, relation)
    assert_same(ours(x_dict, edges), {"a": expected[:A], "b": expected[A:]})


def test_rgcn_with_bases_has_fewer_numbers() -> None:
    count = [sum(value.numel() for value in layer("rgcn", num_bases=bases).parameters()) for bases in (None, 1)]
    assert count[0] - count[1] == 2 * 8 * 8 - 3


def test_han_gives_a_node_what_it_would_get_if_it_were_the_only_one_of_its_type() -> None:
    """HANConv weighs edge types by a mean over all nodes of a type; over one node, that is ours."""
    x_dict, edges = toy_graph()
    schema = ("target", "a", "b"), [("a", "to", "target"), ("b", "to", "target")]
    torch.manual_seed(0)
    theirs = HANConv(8, 8, schema, heads=4).eval()
    model = build("models", {"name": "han", "hidden_channels": 8}, "model")
    wide = GraphSchema(
        channels_by_node_type=dict.fromkeys(schema[0], 8),
        modality_by_node_type=dict.fromkeys(schema[0], "text"),
        edge_types=tuple(schema[1]),
    )
    ours = model.layer(wide).eval()
    ours.load_state_dict(theirs.state_dict())
    targets = torch.randn(A, 8)
    mine = {schema[1][0]: edges[NEAR], schema[1][1]: edges[BACK]}
    received, scores = ours({"target": targets, **x_dict}, mine, return_edge_scores=True)
    assert received.keys() == {"target"}
    for node in range(A):
        alone = {name: index[:, index[1] == node].clone() for name, index in mine.items()}
        for index in alone.values():
            index[1] = 0
        expected, _ = theirs({"target": targets[[node]], **x_dict}, alone, return_semantic_attention_weights=True)
        torch.testing.assert_close(received["target"][[node]], expected["target"], rtol=1e-5, atol=1e-6)
        total = sum(score[mine[name][1] == node].sum() for name, score in scores.items())
        torch.testing.assert_close(total, torch.tensor(1.0))


def test_han_leaves_out_an_edge_type_that_does_not_reach_a_node() -> None:
    x_dict, edges = toy_graph()
    han = layer("han")
    few = {**edges, NEAR: edges[NEAR][:, edges[NEAR][1] > 0]}
    _, scores = han(x_dict, few, return_edge_scores=True)
    torch.testing.assert_close(scores[BACK][edges[BACK][1] == 0].sum(), torch.tensor(1.0))
    assert scores[BACK][edges[BACK][1] == 1].sum() < 1


@pytest.mark.parametrize("name", ["gatv2", "graph_transformer"])
def test_attention_sums_to_one_over_the_neighbours_of_a_relation(name: str) -> None:
    x_dict, edges = toy_graph()
    _, scores = layer(name)(x_dict, edges, return_edge_scores=True)
    for edge_type, score in scores.items():
        total = torch.zeros(x_dict[edge_type[2]].size(0)).index_add(0, edges[edge_type][1], score)
        torch.testing.assert_close(total, torch.ones_like(total))


@EVERY
def test_an_edge_of_half_weight_counts_half(name: str) -> None:
    """Two edges of weight 1/2 between the same two nodes are one edge of weight 1."""
    x_dict, edges = toy_graph()
    twice = {**edges, TO: edges[TO].repeat(1, 2)}
    half = {TO: torch.full((twice[TO].size(1),), 0.5)}
    assert_same(layer(name)(x_dict, twice, half), layer(name)(x_dict, edges))


@EVERY
def test_a_relation_without_any_edge_is_no_error(name: str) -> None:
    x_dict, edges = toy_graph()
    none = {edge_type: index[:, :0] for edge_type, index in edges.items()}
    out = layer(name)(x_dict, none)
    assert all(value.isfinite().all() for value in out.values())
