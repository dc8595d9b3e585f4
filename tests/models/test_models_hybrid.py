"""Joins at three depths, and their common decision."""

import torch
from unit_batches import DECISION, batch_of, schema

from graphfuse.models.hybrid import HybridFusion, HybridModel

NAMES = ("word", "region", "author")
SIZES = ((2, 3, 1), (1, 0, 1), (0, 0, 0))


def network() -> HybridFusion:
    torch.manual_seed(0)
    fusion = HybridModel(hidden_channels=8).module(schema(*NAMES), DECISION).eval()
    with torch.no_grad():
        for number, say in enumerate(fusion.say.values()):
            say.fill_(0.3 * number)
    return fusion


def test_branches_decide_together_and_absent_modalities_have_no_say() -> None:
    fusion = network()
    output = fusion(batch_of(NAMES, SIZES))
    assert list(output.experts) == ["early", "middle", *NAMES]
    say = {name: value.exp() for name, value in fusion.say.items()}
    for row, voters in enumerate((("early", "middle", *NAMES), ("early", "middle", "word", "author"), ("early", "middle"))):
        total = sum(say[name] for name in voters)
        torch.testing.assert_close(output.logits[row], sum(say[name] / total * output.experts[name][row] for name in voters))


def test_the_early_branch_sees_inputs_and_the_middle_one_hidden_vectors_with_their_products() -> None:
    fusion = network()
    vectors, _ = fusion.inputs(batch_of(NAMES, SIZES))
    word, region, author = (fusion.alone[name](vectors[name]) for name in NAMES)
    experts = fusion(batch_of(NAMES, SIZES)).experts
    torch.testing.assert_close(experts["early"], fusion.heads["early"](fusion.early(torch.cat(list(vectors.values()), dim=1))))
    middle = fusion.middle(torch.cat([word, region, author, word * region, word * author, region * author], dim=1))
    torch.testing.assert_close(experts["middle"], fusion.heads["middle"](middle))
    torch.testing.assert_close(experts["region"], fusion.heads["region"](region))


def test_the_embedding_is_the_same_mixture_of_the_branches() -> None:
    fusion = network()
    with torch.no_grad():  # heads that all are the identity on two channels
        for head in fusion.heads.values():
            head.weight.copy_(torch.eye(2, 8))
            head.bias.zero_()
    output = fusion(batch_of(NAMES, SIZES))
    torch.testing.assert_close(output.logits, output.embedding[:, :2])
