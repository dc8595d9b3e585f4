"""The outer product holds every product of features of all modalities, and stays within its limit."""

import pytest
import torch
from torch import nn
from unit_batches import DECISION, batch_of, random, schema

from graphfuse.core.errors import ConfigError
from graphfuse.models.tensor_fusion import TensorFusionModel, outer_product


def test_the_outer_product_of_three_vectors_each_with_a_one_is_that_of_the_paper() -> None:
    vectors = [random(4, 2), random(4, 3, seed=1), random(4, 1, seed=2)]
    extended = [torch.cat([torch.ones(4, 1), vector], dim=1) for vector in vectors]
    expected = torch.einsum("bi,bj,bk->bijk", *extended)
    torch.testing.assert_close(outer_product(vectors), expected.flatten(1))


def test_it_holds_one_each_feature_and_each_product_of_two() -> None:
    products = outer_product([torch.tensor([[2.0, 3.0]]), torch.tensor([[5.0]])])
    assert products.tolist() == [[1, 5, 2, 10, 3, 15]]


def test_the_network_fuses_the_outer_product_of_its_narrow_vectors() -> None:
    model = TensorFusionModel(hidden_channels=8, max_products=16).module(schema("word", "region"), DECISION).eval()
    model.perceptron = nn.Sequential(nn.Identity())
    whole = batch_of(("word", "region"), [(2, 3), (1, 0)])
    vectors, _ = model.inputs(whole)
    word, region = (model.narrow[name](vectors[name]) for name in ("word", "region"))
    one = torch.ones(2, 1)
    expected = torch.cat([one, word], dim=1).unsqueeze(2) * torch.cat([one, region], dim=1).unsqueeze(1)
    torch.testing.assert_close(model(whole).embedding.view(2, 4, 4), expected)


@pytest.mark.parametrize(("modalities", "width"), [(1, 64), (2, 63), (3, 15), (4, 7), (5, 4)])
def test_the_width_is_the_largest_that_stays_within_the_limit(modalities: int, width: int) -> None:
    assert TensorFusionModel().width(modalities) == width
    assert (width + 1) ** modalities <= 4096
    assert width == 64 or (width + 2) ** modalities > 4096


def test_more_modalities_than_the_limit_can_hold_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"at least 8 entries \(got 4\)"):
        TensorFusionModel(max_products=4).module(schema("word", "region", "author"), DECISION)
