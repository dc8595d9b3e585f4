"""The fused layers are the functions they claim to be, and carry a product where they say so."""

import pytest
import torch
from torch_geometric.nn import GATv2Conv, HeteroConv, MessagePassing, SAGEConv

from graphfuse.core.errors import ConfigError
from graphfuse.nn import relay
from graphfuse.nn.plan import EdgePlan
from graphfuse.nn.relational import RelationalAttention, RelationalMean

NODE_TYPES = ("a", "b")
EDGE_TYPES = (("a", "to", "b"), ("b", "back", "a"), ("a", "near", "a"))


def toy_graph() -> tuple[dict[str, torch.Tensor], dict[tuple[str, str, str], torch.Tensor]]:
    draw = torch.Generator().manual_seed(0)
    x_dict = {"a": torch.randn(5, 8, generator=draw), "b": torch.randn(4, 8, generator=draw)}
    sizes = {"a": 5, "b": 4}
    edges = {
        (s, r, d): torch.stack([torch.randint(sizes[s], (9,), generator=draw), torch.randint(sizes[d], (9,), generator=draw)])
        for s, r, d in EDGE_TYPES
    }
    return x_dict, edges


def test_relational_mean_equals_hetero_conv_of_sage() -> None:
    x_dict, edges = toy_graph()
    torch.manual_seed(0)
    stock = HeteroConv({edge_type: SAGEConv((8, 8), 6) for edge_type in EDGE_TYPES}, aggr="sum")
    ours = RelationalMean(8, 6, NODE_TYPES, EDGE_TYPES, product=False)
    ours.load_hetero_sage({edge_type: stock.convs[edge_type] for edge_type in EDGE_TYPES})
    expected = stock(x_dict, edges)
    for name, value in ours(x_dict, edges).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-5)


def test_relational_attention_without_product_equals_gatv2() -> None:
    x_dict, edges = toy_graph()
    torch.manual_seed(0)
    stock = GATv2Conv(8, 3, heads=2, add_self_loops=False, bias=False)
    ours = RelationalAttention(8, 6, ("a",), (("a", "near", "a"),), heads=2, product=False)
    with torch.no_grad():
        ours.source["a"].weight.copy_(stock.lin_l.weight)
        ours.destination["a"].weight.copy_(stock.lin_r.weight)
        ours.attention.copy_(stock.att)
        # the root term is ours; GATv2Conv has none
        ours.root["a"].weight.zero_()
        ours.root["a"].bias.zero_()
    edge_type = ("a", "near", "a")
    value = ours({"a": x_dict["a"]}, {edge_type: edges[edge_type]})["a"]
    torch.testing.assert_close(value, stock(x_dict["a"], edges[edge_type]), rtol=1e-5, atol=1e-5)


def test_only_the_product_sees_a_match() -> None:
    """An additive mean gives f(a) + g(b); the product term does not (a parallelogram shows it)."""
    edge_type = ("a", "to", "b")
    index = torch.tensor([[0], [0]])

    def received(layer: RelationalMean, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return layer({"a": left, "b": right}, {edge_type: index})["b"]

    draw = torch.Generator().manual_seed(1)
    l1, l2, r1, r2 = (torch.randn(1, 8, generator=draw) for _ in range(4))
    for product in (False, True):
        torch.manual_seed(0)
        layer = RelationalMean(8, 6, NODE_TYPES, (edge_type,), product=product)
        cross = received(layer, l1, r1) + received(layer, l2, r2) - received(layer, l1, r2) - received(layer, l2, r1)
        assert bool(cross.abs().max() > 1e-3) is product


@pytest.mark.parametrize("layer", [RelationalAttention, RelationalMean])
def test_layers_are_message_passing_and_take_weights(layer: type[RelationalAttention]) -> None:
    x_dict, edges = toy_graph()
    torch.manual_seed(0)
    conv = layer(8, 8, NODE_TYPES, EDGE_TYPES)
    assert isinstance(conv, MessagePassing)
    keep = torch.arange(9) % 2 == 0
    weights = {EDGE_TYPES[0]: keep.float()}
    fewer = edges | {EDGE_TYPES[0]: edges[EDGE_TYPES[0]][:, keep]}
    for name, value in conv(x_dict, edges, weights).items():
        torch.testing.assert_close(value, conv(x_dict, fewer)[name])
    _, scores = conv(x_dict, edges, return_edge_scores=True)
    assert {edge_type: score.shape for edge_type, score in scores.items()} == dict.fromkeys(EDGE_TYPES, (9,))


def test_attention_sums_to_one_over_all_relations_of_a_node() -> None:
    x_dict, edges = toy_graph()
    torch.manual_seed(0)
    _, scores = RelationalAttention(8, 8, NODE_TYPES, EDGE_TYPES)(x_dict, edges, return_edge_scores=True)
    total = torch.zeros(5)
    for edge_type in EDGE_TYPES[1:]:
        total.index_add_(0, edges[edge_type][1], scores[edge_type].detach())
    received = torch.cat([edges[edge_type][1] for edge_type in EDGE_TYPES[1:]]).unique()
    torch.testing.assert_close(total[received], torch.ones(len(received)))


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="heads must divide the hidden channels \\(got 3 heads for 8 channels\\)"):
        RelationalAttention(8, 8, NODE_TYPES, EDGE_TYPES, heads=3)


@pytest.mark.parametrize("layer", [RelationalAttention, RelationalMean])
@pytest.mark.parametrize("product", [True, False])
def test_a_node_type_without_relations_keeps_what_it_knows(layer: type[RelationalAttention], product: bool) -> None:
    x_dict, edges = toy_graph()
    alone = torch.randn(3, 8, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(0)
    conv = layer(8, 8, (*NODE_TYPES, "alone"), EDGE_TYPES, product=product)
    out = conv({**x_dict, "alone": alone}, edges)
    torch.testing.assert_close(out["alone"], conv.root["alone"](alone))
    assert out["a"].shape == (5, 8)


def test_relations_are_multiplied_at_the_end_with_fewer_nodes() -> None:
    counts = {"user": 2, "word": 6}
    kinds = (("user", "wrote", "word"), ("word", "rev_wrote", "user"))
    wrote = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 1, 2, 3, 4, 5]])
    plan = EdgePlan(kinds, counts, {kinds[0]: wrote, kinds[1]: wrote.flip(0)})
    assert plan.relay.sizes == [2, 2]


def test_where_matrices_are_multiplied_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x_dict, edges = toy_graph()
    weights = {EDGE_TYPES[0]: torch.rand(9, generator=torch.Generator().manual_seed(1))}
    torch.manual_seed(0)
    layer = RelationalMean(8, 6, NODE_TYPES, EDGE_TYPES, product=False)
    expected = [layer(x_dict, edges, weight) for weight in (weights, None)]
    # what a GPU does
    monkeypatch.setattr(relay, "_at_smaller_ends", lambda each, *rest: relay._at_sources(list(map(torch.from_numpy, each)), *rest))
    plan = EdgePlan(EDGE_TYPES, {"a": 5, "b": 4}, edges)
    assert plan.relay.sizes == [5, 4, 5]
    torch.testing.assert_close(plan.relay.share, EdgePlan(EDGE_TYPES, plan.num_nodes, edges).shares)
    for weight, out in zip((weights, None), expected, strict=True):
        for name, value in layer(x_dict, plan, weight).items():
            torch.testing.assert_close(value, out[name])


@pytest.mark.parametrize("seed", range(3))
def test_relational_mean_with_edge_weights_gives_every_gradient_of_the_plain_formula(seed: int) -> None:
    x_dict, edges = toy_graph()
    torch.manual_seed(seed)
    conv = RelationalMean(8, 4, NODE_TYPES, EDGE_TYPES, product=False).double()
    x_dict = {name: x.double().requires_grad_() for name, x in x_dict.items()}
    weights = {kind: torch.rand(9, dtype=torch.float64).requires_grad_() for kind in EDGE_TYPES}

    def plain() -> dict[str, torch.Tensor]:
        out = {name: conv.root[name](x) for name, x in x_dict.items()}
        sent = {name: iter(conv.source[name].weight.split(4)) for name in NODE_TYPES}
        for kind in EDGE_TYPES:
            source, _, destination = kind
            matrix = next(sent[source])
            begin, end = edges[kind]
            count = torch.zeros(out[destination].size(0), dtype=torch.float64).index_add(0, end, weights[kind])
            arrived = torch.zeros_like(x_dict[destination]).index_add(0, end, x_dict[source][begin] * weights[kind].unsqueeze(1))
            out[destination] = out[destination] + arrived / count.clamp(min=1e-12).unsqueeze(1) @ matrix.t()
        return out

    inputs = [*x_dict.values(), *weights.values(), *conv.parameters()]
    found, expected = (
        torch.autograd.grad(sum((value**2).sum() for value in result.values()), inputs, allow_unused=True)
        for result in (conv(x_dict, edges, weights), plain())
    )
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs)
