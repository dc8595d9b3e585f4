"""Texts -> a vector per sentence or word, beside one text at a time through the encoder, and beside its matrix products."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from clock import race
from device import DEVICE, placed
from made import WORK
from made_content import made_encoder, made_texts
from rows import Row
from transformers import AutoModel, AutoTokenizer

from graphfuse.core.build import build
from graphfuse.modalities._spans import cut


def rows(quick: bool) -> Iterator[Row]:
    """Yield one row."""
    folder = made_encoder(WORK / "text-encoder")
    texts = made_texts(48 if quick else 512)
    spans = [cut(text, "window", 12, 6) for text in texts]
    encoder = build("encoders", {"name": "transformers_text", "model": str(folder), "device": DEVICE.type}, "encoder")
    stock = OneByOne(folder)

    def ours(_: int) -> list[np.ndarray]:
        return encoder.encode(texts, spans)

    for one, other in zip(ours(0), stock(texts, spans), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    yield Row(
        work=f"conversion: {len(texts)} texts through an encoder of 6 layers, a vector per span",
        peer="one text at a time through the encoder",
        limit="its matrix products, unpadded, all texts in one",
        goal=2.5,
        floor=1.4,
        equal="every span's vector, to 2e-5",
        **race(
            {"ours": ours, "peers": lambda _: stock(texts, spans), "limits": stock.products(texts)},
            seconds=1 if quick else 40,
            fewest=1 if quick else 5,
        ),
    )


class OneByOne:
    """What a user writes: tokenizer and model of transformers, token vectors averaged over each span."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = placed(AutoModel.from_pretrained(folder).eval())  # sdpa

    @torch.inference_mode()
    def __call__(self, texts: list[str], spans: list[np.ndarray]) -> list[np.ndarray]:
        """Return one array [num_spans, channels] per text, each vector of length 1."""
        found = []
        for text, places in zip(texts, spans, strict=True):
            inputs = self._tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
            offsets = inputs.pop("offset_mapping")[0]
            states = self._model(**inputs.to(DEVICE)).last_hidden_state[0].cpu()
            begin, end = torch.from_numpy(places).unsqueeze(2).unbind(1)
            inside = ((offsets[:, 1] > begin) & (offsets[:, 0] < end)).float()  # special tokens lie at 0, 0
            found.append(torch.nn.functional.normalize(inside @ states / inside.sum(1, keepdim=True)).numpy())
        return found

    def products(self, texts: list[str]) -> "Products":
        """Return the matrix products of all the texts' tokens."""
        return Products(self._model, sum(len(ids) for ids in self._tokenizer(texts)["input_ids"]))


class Products:
    """Every product of the encoder with a weight, for so many tokens at once in blocks of 512."""

    def __init__(self, model: torch.nn.Module, tokens: int) -> None:
        self._layers = [layer for layer in model.encoder.modules() if isinstance(layer, torch.nn.Linear)]
        self._blocks = [512] * (tokens // 512) + [tokens % 512]
        self._inputs = {width: torch.randn(512, width, device=DEVICE) for width in {layer.in_features for layer in self._layers}}

    @torch.inference_mode()
    def __call__(self, _: int) -> None:
        """Multiply."""
        for block in self._blocks:
            for layer in self._layers:
                layer(self._inputs[layer.in_features][:block])
