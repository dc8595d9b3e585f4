"""Models that learn which edges count: gates that can be read, priced and closed."""

import pytest
import torch
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import EdgeType, GraphSchema, TargetSchema
from graphfuse.nn.fusion import Decision, FusionModule

MATCH, BACK = ("text_span", "may_match", "image_region"), ("image_region", "rev_may_match", "text_span")
NEXT, OWNS = ("text_span", "precedes", "text_span"), ("text_span", "belongs_to", "sample")
TYPES = {"text_span": "text", "image_region": "image", "sample": "sample"}
DECISION = Decision(target=TargetSchema(kind="classification", classes=("a", "b")), num_logits=2, criterion=torch.nn.CrossEntropyLoss())


def schema(*edge_types: EdgeType) -> GraphSchema:
    return GraphSchema(channels_by_node_type=dict.fromkeys(TYPES, 4), modality_by_node_type=TYPES, edge_types=edge_types)


def body(name: str, *edge_types: EdgeType, **settings: object) -> FusionModule:
    torch.manual_seed(0)
    model = build("models", {"name": name, "hidden_channels": 8, **settings}, "model")
    return model.module(schema(*(edge_types or (MATCH, BACK, NEXT, OWNS))), DECISION).eval()


def sample() -> Batch:
    """Return one sample of 3 spans and 4 regions; the reverse edges lie in another order than the edges they reverse."""
    draw, data = torch.Generator().manual_seed(0), HeteroData()
    for name, count in (("text_span", 3), ("image_region", 4), ("sample", 1)):
        data[name].x = torch.randn(count, 4, generator=draw)
    pairs = torch.cartesian_prod(torch.arange(3), torch.arange(4)).T.contiguous()
    data[MATCH].edge_index, data[BACK].edge_index = pairs, pairs.flip(0).flip(1)
    data[NEXT].edge_index = torch.tensor([[0, 1], [1, 2]])
    data[OWNS].edge_index = torch.tensor([[0, 1, 2], [0, 0, 0]])
    return Batch.from_data_list([data])


@pytest.mark.parametrize(("name", "price"), [("gated_edges", "open gates"), ("learned_structure", "kept edges")])
def test_gates_are_priced_only_where_asked_for(name: str, price: str) -> None:
    assert body(name, sparsity=0.0)(sample()).penalties == {}
    single, double = (body(name, sparsity=sparsity)(sample()).penalties[price] for sparsity in (0.1, 0.2))
    assert 0 < single < 0.1
    torch.testing.assert_close(2 * single, double)


@pytest.mark.parametrize("name", ["gated_edges", "learned_structure"])
def test_a_price_closes_gates(name: str) -> None:
    network, batch = body(name, sparsity=1.0, dropout=0.0, input_dropout=0.0), sample()
    before = network(batch).edge_scores[MATCH].mean()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    for _ in range(30):
        optimizer.zero_grad()
        sum(network.train()(batch).penalties.values()).backward()
        optimizer.step()
    assert network.eval()(batch).edge_scores[MATCH].mean() < 0.2 * before


@pytest.mark.parametrize("name", ["gated_edges", "learned_structure"])
def test_an_edge_that_is_not_there_costs_nothing(name: str) -> None:
    network, batch = body(name, sparsity=1.0, num_layers=1), sample()
    keep = torch.arange(12) % 3 > 0
    less = batch.clone()
    less[MATCH].edge_index = batch[MATCH].edge_index[:, keep]
    (weighted,) = network(batch, {MATCH: keep.float()}).penalties.values()
    (removed,) = network(less).penalties.values()
    torch.testing.assert_close(weighted, removed)


def test_the_score_of_an_edge_is_the_product_of_both_gates() -> None:
    network, batch = body("gated_edges", num_layers=1), sample()
    before = network(batch).edge_scores[MATCH]
    assert ((before > 0) & (before < network.kind_gates[MATCH])).all()
    with torch.no_grad():
        network.layers[0].kind.fill_(0)
    assert network.kind_gates[MATCH] == pytest.approx(0.5)
    torch.testing.assert_close(network(batch).edge_scores[MATCH], before * 0.5 / torch.tensor(3.0).sigmoid())


def test_every_kind_starts_open_and_can_be_closed() -> None:
    """With all kinds closed, the sample node knows only itself."""
    network, batch = body("gated_edges", readout="sample"), sample()
    assert list(network.kind_gates) == [MATCH, BACK, NEXT, OWNS]
    assert all(gate > 0.95 for gate in network.kind_gates.values())
    moved = batch.clone()
    moved["text_span"].x = moved["text_span"].x.flip(1)
    assert not torch.allclose(network(moved).embedding, network(batch).embedding)
    with torch.no_grad():
        for layer in network.layers:
            layer.kind.fill_(-200)
    torch.testing.assert_close(network(moved).embedding, network(batch).embedding)


def test_an_edge_and_its_reverse_are_one_candidate() -> None:
    scores = body("learned_structure")(sample()).edge_scores
    assert list(scores) == [MATCH, BACK]
    torch.testing.assert_close(scores[BACK].flip(0), scores[MATCH])
    assert scores[MATCH].unique().numel() > 1


def test_candidates_are_matches_or_else_what_joins_two_modalities_of_content() -> None:
    tells = ("image_region", "tells", "text_span")
    assert body("learned_structure", MATCH, tells, NEXT, OWNS).candidates == (MATCH,)
    assert body("learned_structure", tells, NEXT, OWNS).candidates == (tells,)
    with pytest.raises(ConfigError, match="candidate"):
        body("learned_structure", NEXT, OWNS)


def test_structure_is_drawn_in_training_and_fixed_afterwards() -> None:
    network, batch = body("learned_structure", dropout=0.0, input_dropout=0.0), sample()
    fixed = [network(batch) for _ in range(2)]
    assert torch.equal(fixed[0].embedding, fixed[1].embedding)
    drawn = [network.train()(batch).edge_scores[MATCH] for _ in range(2)]
    assert not torch.equal(drawn[0], drawn[1])
    torch.manual_seed(5)
    first = network(batch).edge_scores[MATCH]
    torch.manual_seed(5)
    assert torch.equal(network(batch).edge_scores[MATCH], first)


def test_a_dropped_candidate_is_a_removed_edge() -> None:
    network, batch = body("learned_structure"), sample()
    gate = network.gate["__".join(MATCH)]
    with torch.no_grad():
        ends = [network.project[name](batch[name].x) for name in ("text_span", "image_region")]
        # a gate is 0 below -log(11), where the stretched sigmoid meets the lower bound
        gate.score.bias.sub_(gate(*ends, batch[MATCH].edge_index).median() + torch.tensor(11.0).log())
    kept = {name: score > 0 for name, score in network(batch).edge_scores.items()}
    assert 0 < kept[MATCH].sum() < 12
    less = batch.clone()
    for name, keep in kept.items():
        less[name].edge_index = batch[name].edge_index[:, keep]
    torch.testing.assert_close(network(less).embedding, network(batch).embedding, rtol=1e-5, atol=1e-6)
