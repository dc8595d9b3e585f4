"""Logits that are inner products of towers."""

import math

import torch
from unit_batches import DECISION, batch_of, schema

from graphfuse.models.two_tower import TwoTowerFusion, TwoTowerModel

SIZES = ((2, 3, 1), (1, 0, 1), (0, 0, 0))


def network(*names: str) -> TwoTowerFusion:
    torch.manual_seed(0)
    fusion = TwoTowerModel(hidden_channels=8, logit_channels=3).module(schema(*names), DECISION).eval()
    with torch.no_grad():
        fusion.scale.copy_(torch.tensor([2.0, 5.0]))
        fusion.bias.copy_(torch.tensor([0.1, -0.3]))
    return fusion


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)


def test_a_logit_is_a_scaled_cosine_of_both_towers_summed_over_pairs() -> None:
    for names in (("word", "region"), ("word", "region", "author")):
        fusion = network(*names)
        output = fusion(batch_of(names, [counts[: len(names)] for counts in SIZES]))
        sides = [fusion.sides[name](output.views[name]).view(3, 2, 3).tolist() for name in names]
        pairs = [(one, other) for one in range(len(names)) for other in range(one + 1, len(names))]
        for row in range(3):
            for logit, (scale, bias) in enumerate(((2.0, 0.1), (5.0, -0.3))):
                expected = bias + scale * sum(cosine(sides[one][row][logit], sides[other][row][logit]) for one, other in pairs)
                assert math.isclose(output.logits[row, logit].item(), expected, rel_tol=1e-5, abs_tol=1e-6)


def test_views_lie_on_one_sphere_and_an_absent_one_is_the_tokens() -> None:
    fusion = network("word", "region")
    views = fusion(batch_of(("word", "region"), [counts[:2] for counts in SIZES])).views
    for vector in views.values():
        torch.testing.assert_close(vector.norm(dim=1), torch.ones(3))
    token = fusion.towers["region"](fusion.inputs.absent["region"])
    torch.testing.assert_close(views["region"][1], token / token.norm())
    torch.testing.assert_close(views["region"][1], views["region"][2])


def test_the_embedding_holds_the_terms_of_the_decision() -> None:
    fusion = network("word", "region")
    output = fusion(batch_of(("word", "region"), [counts[:2] for counts in SIZES]))
    torch.testing.assert_close(fusion.scale * output.embedding.view(3, 2, 3).sum(dim=2) + fusion.bias, output.logits)


def test_a_single_modality_is_held_against_a_constant() -> None:
    fusion = network("word")
    output = fusion(batch_of(("word",), ((2,), (0,))))
    side = fusion.sides["word"](output.views["word"]).view(2, 2, 3)
    for logit in range(2):
        constant = fusion.constant.view(2, 3)[logit].tolist()
        expected = fusion.bias[logit].item() + fusion.scale[logit].item() * cosine(side[0, logit].tolist(), constant)
        assert math.isclose(output.logits[0, logit].item(), expected, rel_tol=1e-5)
