"""Texts laid end to end: each is what the network says of it alone, to the last bit whatever lies beside it."""

import numpy as np
import pytest
import torch
from encoder_toys import encoder, save_bert, whole
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    CamembertConfig,
    DistilBertConfig,
    ElectraConfig,
    MPNetConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from graphfuse.encoders import _packed
from graphfuse.encoders._linear import FrozenLinear
from graphfuse.encoders._packed import SIZES, Packed, packed, packs
from graphfuse.encoders._tokens import Window

SMALL = {"vocab_size": 50, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}


def window(length, text=0):
    return Window(text=text, ids=list(range(5, 5 + length)), offsets=np.zeros((length, 2), dtype=np.int64), first=0)


def network(config):
    torch.manual_seed(0)
    return AutoModel.from_config(config, attn_implementation="eager").eval().requires_grad_(False)


def test_a_pack_is_filled_with_the_longest_that_still_fit():
    lengths = [[len(item.ids) for item in pack] for pack in packs([window(length) for length in (3, 9, 5, 7, 2, 20)], 12)]
    assert lengths == [[20], [9, 3], [7, 5], [2]]


@pytest.mark.parametrize(
    "config",
    [
        BertConfig(**SMALL),
        RobertaConfig(**SMALL, pad_token_id=1),
        DistilBertConfig(vocab_size=50, dim=12, n_layers=2, n_heads=2, hidden_dim=16),
        DistilBertConfig(vocab_size=50, dim=12, n_layers=2, n_heads=2, hidden_dim=16, max_position_embeddings=40),
        BertConfig(**SMALL, max_position_embeddings=40),
        XLMRobertaConfig(**SMALL, pad_token_id=1),
        CamembertConfig(**SMALL, pad_token_id=1),
        ElectraConfig(**SMALL, embedding_size=6),
        AlbertConfig(**SMALL, embedding_size=6, pad_token_id=0),
    ],
    ids=lambda config: config.model_type,
)
def test_a_packed_network_says_what_the_plain_one_says_of_each_text(config):
    items = [window(length) for length in (11, 4, 4, 8, 1, 30)]
    plain = network(config)
    with torch.inference_mode():
        expected = {len(item.ids): plain(torch.tensor(item.ids)[None]).last_hidden_state[0] for item in items}
    found = list(packed(network(config), config.pad_token_id, 40).states(items))
    assert sorted(len(item.ids) for item, _ in found) == [1, 4, 4, 8, 11, 30]
    assert all(np.allclose(states, expected[len(item.ids)], atol=1e-5) for item, states in found)


def test_every_kind_that_is_packed_is_tested():
    (mark,) = test_a_packed_network_says_what_the_plain_one_says_of_each_text.pytestmark
    assert {config.model_type for config in mark.args[1]} == set(_packed.KINDS)


def test_neither_its_place_in_the_pack_nor_its_company_changes_a_bit_of_a_window():
    whole_pack = packed(network(BertConfig(**SMALL)), 0, 500)
    items = [window(length, text=number) for number, length in enumerate((3, 17, 9, 40, 5, 28, 12))]
    alone = [next(whole_pack.states([item]))[1].tobytes() for item in items]
    for order in (items, items[::-1], items[3:] + items[:3]):
        found = whole_pack._run([item.ids for item in order])
        assert [states.numpy().tobytes() for states in found] == [alone[item.text] for item in order]


def test_the_size_of_the_pack_changes_no_bit():
    whole_pack = packed(network(BertConfig(**SMALL)), 0, 500)
    assert whole_pack.sizes[-1] == SIZES[-1]
    found = [next(Packed(network=whole_pack.network, pad=0, sizes=(size,)).states([window(20)]))[1].tobytes() for size in whole_pack.sizes]
    assert len(set(found)) == 1


def test_sizes_that_would_change_a_bit_are_not_used(monkeypatch):
    exact = _packed._at_size

    def unsteady(net, pad, size, parts):
        return [part + (1e-7 if size == 64 else 0) for part in exact(net, pad, size, parts)]

    monkeypatch.setattr(_packed, "_at_size", unsteady)
    assert 64 not in packed(network(BertConfig(**SMALL)), 0, 500).sizes


@pytest.mark.parametrize("error", [None, TypeError])
def test_a_network_that_cannot_be_packed_after_all_is_as_it_was(monkeypatch, error):
    net, ids = network(BertConfig(**SMALL)), torch.arange(5, 12)[None]
    before = net(ids).last_hidden_state

    def other(module, x):
        if error:
            raise error("another version")
        return x.new_zeros((*x.shape[:-1], len(module.bias)))

    monkeypatch.setattr(FrozenLinear, "forward", other)
    assert packed(net, 0, 40) is None
    assert torch.equal(net(ids).last_hidden_state, before)
    assert not any(isinstance(layer, FrozenLinear) for layer in net.modules())


def test_a_network_whose_tokens_meet_elsewhere_is_not_packed():
    assert packed(network(MPNetConfig(**SMALL, pad_token_id=1)), 1, 40) is None
    assert packed(network(BertConfig(**SMALL, is_decoder=True)), 0, 40) is None


def test_a_network_that_says_something_else_when_packed_is_read_text_by_text(tmp_path, monkeypatch):
    folder = save_bert(tmp_path / "model")
    texts = ["red shoe", "the blue bag runs"]
    expected = encoder(name="transformers_text", model=str(folder)).encode(texts, whole(*texts))
    monkeypatch.setattr(_packed, "first_position", lambda config: 3)  # positions that are not this network's
    (tmp_path / "model" / "README.txt").write_text("another digest, so that it is loaded again")
    found = encoder(name="transformers_text", model=str(folder)).encode(texts, whole(*texts))
    assert np.allclose(np.concatenate(found), np.concatenate(expected), atol=1e-5)


def test_linear_layers_are_laid_out_anew_and_say_the_same():
    net = network(BertConfig(**SMALL))
    before = torch.nn.Linear(12, 16)
    after = FrozenLinear(before)
    x = torch.randn(7, 12)
    assert torch.allclose(after(x), before(x), atol=1e-6)
    packed(net, 0, 40)
    assert {type(layer).__name__ for name, layer in net.encoder.named_modules() if name.endswith(("query", "dense"))} == {"FrozenLinear"}
