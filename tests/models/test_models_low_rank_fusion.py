"""The low-rank product is the whole outer product under the weight that its factors stand for."""

import torch
from unit_batches import DECISION, random, schema

from graphfuse.models.low_rank_fusion import LowRankFusionModel, LowRankProduct
from graphfuse.models.tensor_fusion import TensorFusionModel, outer_product


def test_it_equals_the_contraction_of_the_whole_tensor() -> None:
    torch.manual_seed(0)
    product = LowRankProduct([2, 3, 4], out_channels=5, rank=6)
    torch.nn.init.normal_(product.bias)
    vectors = [random(7, 2), random(7, 3, seed=1), random(7, 4, seed=2)]
    weight = torch.einsum("aro,bro,cro->abco", *product.factors) * product.scale
    expected = outer_product(vectors) @ weight.flatten(0, 2) + product.bias
    torch.testing.assert_close(product(vectors), expected)


def test_each_further_modality_costs_as_much_as_the_one_before() -> None:
    def parameters(model: LowRankFusionModel | TensorFusionModel, *names: str) -> int:
        fusion = model.module(schema(*names), DECISION)
        return sum(parameter.numel() for name, parameter in fusion.named_parameters() if not name.startswith("inputs"))

    one, two, three = ("word",), ("word", "region"), ("word", "region", "author")
    low = LowRankFusionModel(hidden_channels=16)
    assert parameters(low, *three) - parameters(low, *two) == parameters(low, *two) - parameters(low, *one)
    full = TensorFusionModel(hidden_channels=16, max_products=10**6)
    assert parameters(full, *three) > 10 * parameters(full, *two)


def test_its_products_start_at_the_scale_of_what_they_are_made_of() -> None:
    torch.manual_seed(0)
    fused = LowRankProduct([32, 32, 32], out_channels=64, rank=8)([random(256, 32, seed=seed) for seed in range(3)])
    assert 0.5 < fused.std() < 2
