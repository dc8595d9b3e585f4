"""What early fusion methods share: features that compare, absence that is told, and settings that all work."""

import pytest
import torch
from early_rows import SCHEMA, TYPES, accuracy, fitted, standardised, train_rows, trained

from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import GraphSchema
from graphfuse.core.sockets import FusionModel
from graphfuse.models._early import FittedMap, StandardInputs

SETTINGS = [
    {"name": "pca", "num_layers": 0},
    {"name": "pca", "num_components": 1000},
    {"name": "cca", "first": "image_region", "second": "author"},
    {"name": "gcca", "method": "multiset"},
    {"name": "gcca", "method": "gma"},
    {"name": "deep_cca", "reconstruction": 0.5, "encoder_layers": 0},
    {"name": "autoencoder", "hide": 1.0},
    {"name": "feature_weighting", "gate": "softmax"},
    {"name": "feature_weighting", "gate": "squeeze", "num_layers": 0},
    {"name": "unit_sequence", "kind": "gru"},
    {"name": "unit_sequence", "kind": "gru", "num_layers": 1},
]
EVERY_NAME = ("pca", "cca", "gcca", "deep_cca", "autoencoder", "feature_weighting", "unit_sequence")
every_setting = pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))


def model_of(settings: dict) -> FusionModel:
    return build("models", settings, "model")


@every_setting
def test_every_choice_is_fused_alike_alone_and_in_company(settings: dict) -> None:
    network = fitted(model_of(settings), train_rows(60, absent=0.3))
    (batch,) = train_rows(12, absent=0.4, seed=1)()
    together = network(batch).embedding
    assert together.shape == (12, network.out_channels)
    alone = torch.cat([network(type(batch).from_data_list([sample])).embedding for sample in batch.to_data_list()])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


@every_setting
def test_every_choice_takes_weight_zero_as_the_modality_removed(settings: dict) -> None:
    network = fitted(model_of(settings), train_rows(60, absent=0.3))
    for name in TYPES:
        (whole,), (less,) = train_rows(12, seed=1)(), train_rows(12, gone=[name], seed=1)()
        weights = {name: torch.zeros(whole[name].num_nodes)}
        torch.testing.assert_close(network(whole, None, weights).embedding, network(less).embedding, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(network(whole).embedding, network(less).embedding)


@pytest.mark.parametrize(
    "settings", [*SETTINGS, *({"name": name} for name in EVERY_NAME)], ids=lambda settings: "-".join(map(str, settings.values()))
)
def test_every_choice_learns_what_all_modalities_say(settings: dict) -> None:
    network = trained(model_of(settings), train_rows(absent=0.2))
    assert accuracy(network, train_rows(seed=1)) > 0.85


@pytest.mark.parametrize("name", EVERY_NAME)
def test_a_modality_that_no_train_row_has_does_no_harm(name: str) -> None:
    network = trained(model_of({"name": name}), train_rows(gone=["image_region"]))
    assert accuracy(network, train_rows(gone=["image_region"], seed=1)) > 0.85
    (batch,) = train_rows(seed=1)()
    assert network(batch).logits.isfinite().all()


def test_features_are_standardised_over_the_rows_that_have_them() -> None:
    rows = train_rows(absent=0.4)
    inputs = StandardInputs(SCHEMA)
    pooled, _ = inputs.fit(rows)
    for part in pooled.values():
        there = part.mean[part.has.squeeze(1) > 0]
        assert len(there) < 200
        torch.testing.assert_close(there.mean(0), torch.zeros(there.size(1)), rtol=0, atol=1e-5)
        torch.testing.assert_close(there.std(0, correction=0), torch.ones(there.size(1)), rtol=1e-5, atol=0)
        assert (part.mean[part.has.squeeze(1) == 0] == 0).all()


def test_what_was_fitted_agrees_with_standardising_by_hand() -> None:
    rows = train_rows()
    inputs = StandardInputs(SCHEMA)
    inputs.fit(rows)
    (batch,) = rows()
    for name, expected in standardised(rows).items():
        torch.testing.assert_close(inputs(batch)[name].mean.double(), expected, rtol=1e-4, atol=1e-5)


def test_a_constant_feature_stays_finite() -> None:
    (batch,) = train_rows(20)()
    batch["author"].x[:, 0] = 4.0
    inputs = StandardInputs(SCHEMA)
    pooled, _ = inputs.fit(lambda: [batch])
    assert pooled["author"].mean[:, 0].abs().max() < 1e-5


def test_a_feature_that_train_rows_hardly_had_does_not_outweigh_the_others() -> None:
    (batch,) = train_rows(400)()
    batch["author"].x[:, 0] = (torch.arange(len(batch["author"].x)) == 7).float() * 0.1
    inputs = StandardInputs(SCHEMA)
    inputs.fit(lambda: [batch])
    batch["author"].x[:, 0] = 0.1
    assert inputs(batch)["author"].mean[:, 0].max() == 10


def test_columns_that_could_not_be_learned_are_zero() -> None:
    mapping = FittedMap(3, 4)
    mapping.fit(torch.ones(3), torch.eye(3)[:, :2])
    torch.testing.assert_close(mapping(torch.full((1, 3), 2.0)), torch.tensor([[1.0, 1.0, 0.0, 0.0]]))


@pytest.mark.parametrize("name", ["cca", "gcca", "deep_cca"])
def test_one_modality_has_nothing_to_correlate_with(name: str) -> None:
    alone = GraphSchema(channels_by_node_type={"text_span": 6}, modality_by_node_type={"text_span": "text"}, edge_types=())
    with pytest.raises(ConfigError, match=f"{name} needs at least 2 node types with features"):
        model_of({"name": name}).module(alone, None)
