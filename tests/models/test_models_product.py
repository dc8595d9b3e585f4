"""Products of aligned vectors, pair by pair."""

import torch
from torch import nn
from unit_batches import DECISION, batch_of, schema

from graphfuse.models.product import ProductFusion, ProductModel

NAMES = ("word", "region", "author")
SIZES = ((2, 3, 1), (1, 0, 1))


def features(model: ProductModel, *names: str) -> tuple[ProductFusion, torch.Tensor, dict[str, torch.Tensor]]:
    """Return a network without what follows the products, what it gives, and the vectors that it multiplies."""
    fusion = model.module(schema(*names), DECISION).eval()
    fusion.perceptron = nn.Sequential(nn.Identity())
    output = fusion(batch_of(names, [counts[: len(names)] for counts in SIZES]))
    return fusion, output.embedding, dict(output.views)


def test_it_gives_every_vector_and_the_product_of_every_two() -> None:
    _, found, vectors = features(ProductModel(hidden_channels=4), *NAMES)
    word, region, author = (vectors[name] for name in NAMES)
    expected = [word, region, author, word * region, word * author, region * author]
    torch.testing.assert_close(found, torch.cat(expected, dim=1))


def test_vectors_can_be_left_out() -> None:
    _, found, vectors = features(ProductModel(hidden_channels=4, keep_vectors=False), "word", "region")
    torch.testing.assert_close(found, vectors["word"] * vectors["region"])


def test_a_single_modality_is_its_vector() -> None:
    _, found, vectors = features(ProductModel(hidden_channels=4, keep_vectors=False), "word")
    torch.testing.assert_close(found, vectors["word"])


def test_a_picture_that_is_not_there_is_the_learned_token() -> None:
    fusion, _, vectors = features(ProductModel(hidden_channels=4), *NAMES)
    torch.testing.assert_close(vectors["region"][1], fusion.inputs.absent["region"])
