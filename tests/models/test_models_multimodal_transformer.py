"""A single tower is an ordinary transformer over all units."""

import pytest
import torch
from torch import nn
from unit_batches import DECISION, batch_of, random, schema

from graphfuse.models.multimodal_transformer import MultimodalTransformerModel, TransformerLayer

NAMES = ("word", "region")


def test_a_layer_is_torchs_transformer_layer_over_the_units_side_by_side() -> None:
    torch.manual_seed(0)
    ours = TransformerLayer(8, 2, dropout=0.1).eval()
    theirs = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, dropout=0.1, batch_first=True).eval()
    attention, after = ours.attention, ours.take_in
    qkv = (attention.query, attention.key, attention.value)
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(torch.cat([part.weight for part in qkv]))
        theirs.self_attn.in_proj_bias.copy_(torch.cat([part.bias for part in qkv]))
    theirs.self_attn.out_proj.load_state_dict(attention.out.state_dict())
    theirs.linear1.load_state_dict(after.perceptron[0].state_dict())
    theirs.linear2.load_state_dict(after.perceptron[3].state_dict())
    x = {"word": random(2, 3, 8), "region": random(2, 4, 8, seed=1)}
    found = ours(x, {name: torch.ones(block.shape[:2]) for name, block in x.items()})
    expected = theirs(torch.cat([x["word"], x["region"]], dim=1))
    torch.testing.assert_close(torch.cat([found["word"], found["region"]], dim=1), expected)


def test_two_units_of_one_vector_differ_by_their_type() -> None:
    same = schema(*NAMES)
    model = MultimodalTransformerModel(hidden_channels=8, heads=2).module(same, DECISION)
    for name in NAMES:
        nn.init.zeros_(model.project[name][1].weight)
        nn.init.zeros_(model.project[name][1].bias)
    whole = batch_of(NAMES, [(1, 1)])
    first, second = (model.project[name](whole[name].x) for name in NAMES)
    torch.testing.assert_close(first, second)
    nn.init.ones_(model.project["region"][2].bias)
    assert not torch.allclose(model.project["word"](whole["word"].x), model.project["region"](whole["region"].x))


def test_the_order_of_units_does_not_matter() -> None:
    model = MultimodalTransformerModel(hidden_channels=8, heads=2).module(schema(*NAMES), DECISION).eval()
    whole = batch_of(NAMES, [(3, 2)])
    turned = whole.clone()
    turned["word"].x = whole["word"].x.flip(0)
    torch.testing.assert_close(model(turned).embedding, model(whole).embedding)


def test_a_single_modality_is_fused_too() -> None:
    model = MultimodalTransformerModel(hidden_channels=8, heads=2, readout="mean").module(schema("word"), DECISION).eval()
    assert model(batch_of(("word",), [(3,), (0,)])).embedding.isfinite().all()


def test_heads_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="got 3 heads for 8 channels"):
        MultimodalTransformerModel(hidden_channels=8, heads=3)
