"""Units side by side in blocks, and attention between blocks."""

import pytest
import torch
from torch import nn

from graphfuse.nn.groups import Groups
from graphfuse.nn.units import UnitAttention, UnitBlocks, block_softmax
from graphfuse.nn.weights import weighted_softmax

INDEX = torch.tensor([0, 0, 0, 2, 2])


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_block_holds_each_samples_units_side_by_side_and_gives_them_back() -> None:
    blocks, values = UnitBlocks(INDEX, 3), random(5, 4)
    block = blocks.pad(values)
    assert block.shape == (3, 3, 4)
    assert torch.equal(block[0], values[:3])
    assert torch.equal(block[2, :2], values[3:])
    assert not block[1].any()
    assert not block[2, 2].any()
    assert torch.equal(blocks.unpad(block), values)


def test_a_place_without_unit_has_no_weight() -> None:
    blocks, like = UnitBlocks(INDEX, 3), torch.zeros(1)
    assert blocks.weights(None, like).tolist() == [[1, 1, 1], [0, 0, 0], [1, 1, 0]]
    assert blocks.weights(torch.tensor([1.0, 0.5, 0.0, 1.0, 0.25]), like).tolist() == [[1, 0.5, 0], [0, 0, 0], [1, 0.25, 0]]


def test_a_batch_without_any_unit_is_a_block_of_weight_zero() -> None:
    blocks = UnitBlocks(torch.zeros(0, dtype=torch.long), 2)
    assert blocks.pad(torch.zeros(0, 4)).shape == (2, 1, 4)
    assert blocks.unpad(torch.ones(2, 1, 4)).shape == (0, 4)
    assert not blocks.weights(None, torch.zeros(1)).any()


def test_the_softmax_of_a_block_is_the_softmax_of_its_ragged_units() -> None:
    blocks, score = UnitBlocks(INDEX, 3), random(5, 1)
    weight = torch.tensor([1.0, 0.5, 0.0, 1.0, 0.25])
    share = block_softmax(blocks.pad(score).squeeze(-1), blocks.weights(weight, score))
    torch.testing.assert_close(blocks.unpad(share), weighted_softmax(score, Groups(INDEX, 3), weight).squeeze(-1))
    assert share[1].tolist() == [0, 0, 0]


def test_a_removed_unit_changes_no_share_of_the_softmax_however_large_its_score() -> None:
    score = torch.tensor([[1e4, 1.0, 2.0]], requires_grad=True)
    weight = torch.tensor([[0.0, 1.0, 1.0]], requires_grad=True)
    share = block_softmax(score, weight)
    torch.testing.assert_close(share[:, 1:], score[:, 1:].softmax(dim=-1), rtol=0, atol=0)
    share[0, 1].backward()
    assert score.grad is not None
    assert weight.grad is not None
    assert score.grad.isfinite().all()
    assert weight.grad.isfinite().all()


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_without_product_is_torchs_multihead_attention(heads: int) -> None:
    torch.manual_seed(0)
    ours, theirs = UnitAttention(8, heads), nn.MultiheadAttention(8, heads, batch_first=True)
    take_over(ours, theirs)
    x, source = random(3, 4, 8), random(3, 5, 8, seed=1)
    expected, _ = theirs(x, source, source, need_weights=False)
    torch.testing.assert_close(ours(x, source, torch.ones(3, 5)), expected)
    # a unit of weight 0 is torch's padding
    weight = torch.tensor([[1.0, 1, 0, 0, 0], [1, 1, 1, 1, 1], [0, 1, 0, 1, 0]])
    expected, _ = theirs(x, source, source, need_weights=False, key_padding_mask=weight == 0)
    torch.testing.assert_close(ours(x, source, weight), expected)


def test_a_unit_of_weight_one_half_counts_half() -> None:
    attention, x, source = UnitAttention(8, 2, product=True), random(1, 2, 8), random(1, 1, 8, seed=1)
    other = random(1, 1, 8, seed=2)
    thrice = attention(x, torch.cat([source, source, other], dim=1), torch.tensor([[0.25, 0.25, 1.0]]))
    torch.testing.assert_close(thrice, attention(x, torch.cat([source, other], dim=1), torch.tensor([[0.5, 1.0]])))


def test_attention_with_product_scores_and_hands_on_what_both_ends_share() -> None:
    torch.manual_seed(0)
    attention, x, source = UnitAttention(4, 1, product=True), random(1, 1, 4), random(1, 3, 4, seed=1)
    assert attention.mix is not None
    assert attention.product_score is not None
    query, key, value = attention.query(x[0, 0]), attention.key(source[0]), attention.value(source[0])
    product = (query * key @ attention.mix.weight.T + attention.mix.bias).clamp(min=0)
    share = (key @ query / 2 + product @ attention.product_score.weight[0]).softmax(dim=0)
    expected = attention.out((share.unsqueeze(-1) * (value + product)).sum(dim=0))
    torch.testing.assert_close(attention(x, source, torch.ones(1, 3))[0, 0], expected)


def test_attention_to_nothing_finds_nothing() -> None:
    attention = UnitAttention(8, 2, product=True)
    found = attention(random(2, 3, 8), random(2, 4, 8, seed=1), torch.zeros(2, 4))
    torch.testing.assert_close(found, attention.out.bias.expand(2, 3, 8))


def take_over(ours: UnitAttention, theirs: nn.MultiheadAttention) -> None:
    with torch.no_grad():
        for part, weight, bias in zip(
            (ours.query, ours.key, ours.value), theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3), strict=True
        ):
            part.weight.copy_(weight)
            part.bias.copy_(bias)
        ours.out.load_state_dict(theirs.out_proj.state_dict())
