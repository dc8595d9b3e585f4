"""Texts -> windows of tokens -> batches of fixed shape -> spans pooled by offsets.

Every batch of windows that pad to the same length has the same shape, filled up with blanks. So what a text gives never
depends on the texts beside it, to the last bit; the price is padding, which `_packed` saves where the network allows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphfuse.core.tables import FloatArray
from graphfuse.encoders._device import inference

TOKENS = {"cpu": 128, "cuda": 4096}
"""Tokens per batch; small batches lose less to filling up than large ones win, but leave a GPU idle."""
STEP = 8
"""Windows are padded to a multiple of this."""
NO_LIMIT = 100_000
"""Tokenizers without a limit say 1e30."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A run of one text's tokens that fits the model."""

    text: int
    ids: list[int]
    """With special tokens."""
    offsets: npt.NDArray[np.int64]
    """Characters of each token; special tokens excepted.  [num_tokens, 2]"""
    first: int
    """Special tokens in front."""


def token_limit(tokenizer: Any, config: Any) -> int:
    """Return the most tokens of a window, special tokens included."""
    limits = [tokenizer.model_max_length, getattr(config, "max_position_embeddings", None)]
    if limits[1] is not None:
        limits[1] -= first_position(config)
    return min([limit for limit in limits if limit is not None and limit < NO_LIMIT], default=512)


def first_position(config: Any) -> int:
    """Return the position of a text's first token: in some models positions start behind the padding's."""
    behind = config.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer")
    return config.pad_token_id + 1 if behind else 0


def windows(tokenizer: Any, texts: Sequence[str], limit: int) -> list[Window]:
    """Return the texts' windows, in order.

    Of a text without tokens (a lone joiner, say) the first special token stands for all.
    """
    if not texts:
        return []
    front, back = _special(tokenizer)
    room = limit - len(front) - len(back)
    encoded = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False)
    found = []
    for text, (ids, offsets) in enumerate(zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)):
        if not ids and front:
            found.append(Window(text=text, ids=[*front, *back], offsets=np.array([[0, len(texts[text]) + 1]]), first=0))
        places = np.array(offsets, dtype=np.int64).reshape(-1, 2)
        for start in range(0, len(ids), room):
            part = ids[start : start + room]
            found.append(Window(text=text, ids=[*front, *part, *back], offsets=places[start : start + room], first=len(front)))
    return found


def _special(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens in front of a text and behind it."""
    example = tokenizer("a", return_special_tokens_mask=True)
    ids, mask = example["input_ids"], example["special_tokens_mask"]
    inner = [position for position, special in enumerate(mask) if not special] or [len(ids)]
    return ids[: inner[0]], ids[inner[-1] + 1 :]


def hidden_states(
    items: Sequence[Window], pad: int, run: Callable[[Tensor, Tensor], Tensor], limit: int, device: torch.device
) -> Iterator[tuple[Window, FloatArray]]:
    """Yield each window with what the network says of it, sorted by length.

    Args:
        items: Windows.
        pad: The id that fills up.
        run: (ids, mask) [batch, length] -> states [batch, length, channels] or [batch, channels].
        limit: Longest window.
        device: Where the network lies.
    """
    padded = [min(-(-len(item.ids) // STEP) * STEP, limit) for item in items]
    for length in sorted(set(padded)):
        same = [item for item, size in zip(items, padded, strict=True) if size == length]
        rows = max(1, TOKENS[device.type] // length)
        for start in range(0, len(same), rows):
            part = same[start : start + rows]
            ids = torch.full((rows, length), pad, dtype=torch.int64)
            mask = torch.zeros((rows, length), dtype=torch.int64)
            mask[:, 0] = 1  # a row of nothing but padding would be a softmax over nothing
            for row, item in enumerate(part):
                ids[row, : len(item.ids)] = torch.tensor(item.ids)
                mask[row, : len(item.ids)] = 1
            with inference(device):
                states = run(ids.to(device), mask.to(device)).float().cpu().numpy()
            yield from zip(part, states, strict=False)


class SpanMeans:
    """Means of token vectors per span, gathered window by window in float64.

    A span that no token lies in gets the mean of its whole text.
    """

    def __init__(self, spans: Sequence[npt.NDArray[Any]], channels: int) -> None:
        self._spans = spans
        self._sums = [np.zeros((len(part) + 1, channels)) for part in spans]
        self._counts = [np.zeros(len(part) + 1) for part in spans]

    def add(self, text: int, offsets: npt.NDArray[np.int64], vectors: FloatArray) -> None:
        """Add one window's tokens: characters [num_tokens, 2] and vectors [num_tokens, channels]."""
        running = np.concatenate([np.zeros((1, vectors.shape[1])), np.cumsum(vectors, axis=0, dtype=np.float64)])
        spans = self._spans[text]
        first = np.append(np.searchsorted(offsets[:, 1], spans[:, 0], side="right"), 0)  # the last entry is the whole text
        last = np.append(np.searchsorted(offsets[:, 0], spans[:, 1], side="left"), len(offsets))
        last = np.maximum(first, last)
        self._sums[text] += running[last] - running[first]
        self._counts[text] += last - first

    def means(self) -> list[FloatArray]:
        """Return one array [num_spans, channels] per text; zeros only for a text without any token."""
        found = []
        for sums, counts in zip(self._sums, self._counts, strict=True):
            means = sums / np.maximum(counts, 1)[:, None]
            means[counts == 0] = means[-1]
            found.append(means[:-1].astype(np.float32))
        return found


def unit(vectors: FloatArray) -> FloatArray:
    """Return rows of length 1; rows of zeros stay."""
    length = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1, keepdims=True))
    return (vectors / np.maximum(length, 1e-12)).astype(np.float32)
