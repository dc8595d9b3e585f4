"""Weights start at 1, and grow where features tell."""

import pytest
import torch
from early_rows import SCHEMA, fitted, train_rows, trained

from graphfuse.models.feature_weighting import FeatureGate, FeatureWeightingModel, SqueezeGate


@pytest.mark.parametrize("gate", ["sigmoid", "softmax", "squeeze"])
def test_all_weights_start_at_one(gate: str) -> None:
    rows = train_rows(20)
    (batch,) = rows()
    network = fitted(FeatureWeightingModel(gate=gate, num_layers=0), rows)
    features = torch.cat([part.mean for part in network.inputs(batch).values()], dim=1)
    torch.testing.assert_close(network(batch).embedding[:, :-3], features)


def test_weights_are_those_of_the_formula() -> None:
    own, shared = FeatureGate(3, shared=False), FeatureGate(3, shared=True)
    for gate in (own, shared):
        gate.score.data = torch.tensor([0.0, 1.0, -1.0])
    nothing = torch.zeros(1, 3)
    torch.testing.assert_close(own(nothing, nothing), torch.tensor([[1.0, 2 / (1 + 2.718281828**-1), 2 / (1 + 2.718281828)]]))
    expected = torch.tensor([1.0, 2.718281828, 1 / 2.718281828])
    torch.testing.assert_close(shared(nothing, nothing), (3 * expected / expected.sum()).unsqueeze(0))


def test_a_squeezed_weight_depends_on_the_other_modalities_of_the_sample() -> None:
    torch.manual_seed(0)
    gate = SqueezeGate(4, 2, 3)
    torch.nn.init.normal_(gate.excite.weight)
    x = torch.randn(1, 4)
    other = x.clone()
    other[0, 3] += 1
    assert (gate(x, torch.ones(1, 2)) - gate(other, torch.ones(1, 2)))[0, 0].abs() > 1e-4


@pytest.mark.parametrize("gate", ["sigmoid", "softmax"])
def test_telling_features_get_more_weight_than_noise(gate: str) -> None:
    (batch,) = train_rows(300)()
    draw = torch.Generator().manual_seed(0)
    for name in ("image_region", "author"):
        batch[name].x = torch.randn(batch[name].x.shape, generator=draw)
    network = trained(FeatureWeightingModel(gate=gate, num_layers=0, input_dropout=0.0), lambda: [batch], steps=150).body
    weight = network.gate(torch.zeros(1, 15), torch.ones(1, 3)).squeeze(0)
    telling = SCHEMA.channels_by_node_type["text_span"]
    assert weight[:telling].mean() > weight[telling:].mean() + 0.1
