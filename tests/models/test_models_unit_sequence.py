"""A sequence is what its units say in their order; a unit that is not there has no place in it."""

import pytest
import torch
from early_rows import DECISION, SCHEMA, train_rows
from torch_geometric.data import Batch, HeteroData

from graphfuse.models.unit_sequence import Convolutions, Recurrence, UnitSequenceFusion, UnitSequenceModel

every_kind = pytest.mark.parametrize("kind", ["cnn", "gru"])


def network(kind: str) -> UnitSequenceFusion:
    torch.manual_seed(0)
    return UnitSequenceModel(kind=kind, hidden_channels=8).module(SCHEMA, DECISION).eval()


def sample(*spans: torch.Tensor, regions: int = 2) -> Batch:
    data = HeteroData()
    data["text_span"].x = torch.stack(spans) if spans else torch.zeros(0, 6)
    data["image_region"].x = torch.arange(5.0).expand(regions, 5)
    data["author"].x, data["sample"].x = torch.zeros(0, 4), torch.ones(1, 1)
    return Batch.from_data_list([data])


@every_kind
def test_the_order_of_units_matters(kind: str) -> None:
    one, two = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    body = network(kind)
    assert not torch.allclose(body(sample(one, two, one)).embedding, body(sample(one, one, two)).embedding)


@every_kind
def test_a_removed_unit_lets_its_neighbours_meet(kind: str) -> None:
    one, two, three = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    body = network(kind)
    removed = body(sample(one, two, three), None, {"text_span": torch.tensor([1.0, 0.0, 1.0])}).embedding
    torch.testing.assert_close(removed, body(sample(one, three)).embedding)


@every_kind
def test_a_long_companion_changes_nothing(kind: str) -> None:
    body = network(kind)
    short, long = sample(torch.ones(6)).to_data_list()[0], sample(*torch.randn(20, 6)).to_data_list()[0]
    together = body(Batch.from_data_list([short, long])).embedding
    torch.testing.assert_close(together[:1], body(sample(torch.ones(6))).embedding)


def test_units_of_all_modalities_stand_in_one_sequence_in_node_order() -> None:
    body = network("cnn")
    (batch,) = train_rows(5, absent=0.3)()
    weights = {name: torch.rand(batch[name].num_nodes) for name in body.node_types}
    x, weight = body._sequences(batch, weights)
    for row, units in enumerate(batch.to_data_list()):
        alone = [body.project[name](units[name].x) + body.type_embedding[name] for name in body.node_types]
        expected = torch.cat(alone)
        torch.testing.assert_close(x[row, : len(expected)], expected)
        assert (x[row, len(expected) :] == 0).all()
        of_sample = [weights[name][batch[name].batch == row] for name in body.node_types]
        torch.testing.assert_close(weight[row, : len(expected)], torch.cat(of_sample))


def test_convolutions_equal_those_of_the_sequence_without_padding() -> None:
    torch.manual_seed(0)
    encoder = Convolutions(4, 3, 0.0)
    x = torch.randn(1, 5, 4)
    padded, there = torch.cat([x, torch.zeros(1, 4, 4)], dim=1), torch.arange(9).unsqueeze(0) < 5
    torch.testing.assert_close(encoder(padded, there)[:, :5], encoder(x, there[:, :5]))
    assert (encoder(padded, there)[:, 5:] == 0).all()


def test_recurrence_equals_that_of_the_sequence_without_padding() -> None:
    torch.manual_seed(0)
    encoder = Recurrence(4, 2, 0.0).eval()
    x = torch.randn(1, 5, 4)
    padded, there = torch.cat([x, torch.zeros(1, 4, 4)], dim=1), torch.arange(9).unsqueeze(0) < 5
    torch.testing.assert_close(encoder(padded, there)[:, :5], encoder.join(encoder.gru(x)[0]))


@every_kind
def test_a_sample_without_units_is_a_learned_vector(kind: str) -> None:
    body = network(kind)
    torch.testing.assert_close(body(sample(regions=0)).embedding[0], body.out(body.nothing))


@every_kind
def test_less_weight_is_less_of_a_unit(kind: str) -> None:
    body = network(kind)
    whole = sample(torch.ones(6), 2 * torch.ones(6), regions=0)
    nearly = body(whole, None, {"text_span": torch.full((2,), 1e-6)}).embedding
    torch.testing.assert_close(nearly, body(sample(regions=0)).embedding, rtol=1e-3, atol=1e-4)
