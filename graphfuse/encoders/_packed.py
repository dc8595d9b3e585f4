"""Windows of tokens laid end to end: one pass over a pack, in which each window attends to itself alone.

Padding costs what it covers, and windows of posts differ in length by a factor of ten. In a pack nothing is padded but its end:
the products of a transformer work on one token at a time, and only attention has to know where a window begins (sequence
packing: Krell et al., 2021, arXiv:2107.02027). What a window gives does not depend on the pack it lies in, to the last bit:
attention is computed window by window, and packs have only sizes at which this machine was found to give windows the same bits.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from graphfuse.core.tables import FloatArray
from graphfuse.encoders._linear import freeze_linears
from graphfuse.encoders._tokens import Window, first_position

SIZES = (32, 48, 64, 80, 96, 128, 256)
"""Tokens of a pack. Larger ones are no faster; a single row to predict, which fills none, needs one that is hardly larger than its text."""
KINDS = ("bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "albert")
"""Models in which tokens meet in attention only, position ids say where they stand, and attention can be replaced."""
ATTENTION = "graphfuse_packed"
TOLERANCE = 1e-4
"""A packed network must say what the plain one does, to the rounding of float32."""


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A network that takes packs."""

    network: Any
    pad: int
    """The id that fills up."""
    sizes: tuple[int, ...]
    """Tokens of a pack, ascending; what a window gives is the same in all of them."""

    def states(self, items: Sequence[Window]) -> Iterator[tuple[Window, FloatArray]]:
        """Yield each window with its tokens' vectors [num_tokens, channels], pack by pack."""
        for pack in packs(items, self.sizes[-1]):
            found = self._run([item.ids for item in pack])
            yield from zip(pack, (part.numpy() for part in found), strict=True)

    def _run(self, parts: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return the states of each part: [its tokens, channels]."""
        lengths = [len(part) for part in parts]
        total = sum(lengths)
        rest = next((size for size in self.sizes if size >= total), total) - total  # a longer window has a pack of its own length
        start = first_position(self.network.config)
        ids = torch.tensor([number for part in parts for number in part] + [self.pad] * rest)
        places = torch.cat([torch.arange(start, start + length) for length in lengths] + [torch.full((rest,), start)])
        everyone = lengths + [rest] * (rest > 0)
        with torch.inference_mode():
            states = self.network(input_ids=ids[None], position_ids=places[None], lengths=everyone).last_hidden_state[0].float()
        return list(states.split(everyone)[: len(lengths)])


def packs(items: Sequence[Window], size: int) -> Iterator[list[Window]]:
    """Yield the windows in packs of at most `size` tokens, a longer one alone: always the longest that still fits goes next."""
    waiting = sorted(items, key=lambda item: len(item.ids))
    lengths = [len(item.ids) for item in waiting]
    while waiting:
        pack, room = [], max(size, lengths[-1])
        while place := bisect_right(lengths, room):
            room -= lengths.pop(place - 1)
            pack.append(waiting.pop(place - 1))
        yield pack


def packed(network: Any, pad: int, limit: int) -> Packed | None:
    """Return a network for packs, made of a plain one, or None if it cannot be packed; then it is as it was.

    Args:
        network: A frozen model of transformers, with eager attention.
        pad: The id that fills up.
        limit: Longest window.
    """
    from transformers import AttentionInterface

    if network.config.model_type not in KINDS or getattr(network.config, "is_decoder", False):
        return None
    probes = [[(pad + 1 + token) % network.config.vocab_size for token in range(min(length, limit))] for length in (5, 3, 8)]
    with torch.inference_mode():
        expected = [network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0] for ids in map(_row, probes)]
    AttentionInterface.register(ATTENTION, attend_within)
    network.set_attn_implementation(ATTENTION)
    plain = freeze_linears(network)
    sizes = _good_sizes(network, pad, limit, probes, expected)
    if sizes:
        return Packed(network=network, pad=pad, sizes=sizes)
    network.set_attn_implementation("eager")
    for name, layer in plain.items():
        network.set_submodule(name, layer)
    return None


def attend_within(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: None, *, scaling: float, lengths: list[int], **_rest: Any
) -> tuple[Tensor, None]:
    """Return what each window's tokens gather of their own window: [1, heads, tokens, width] -> [1, tokens, heads, width]."""
    queries, keys, values = (torch.split(part, lengths, dim=2) for part in (query, key, value))
    found = [scaled_dot_product_attention(q, k, v, scale=scaling) for q, k, v in zip(queries, keys, values, strict=True)]
    return torch.cat(found, dim=2).transpose(1, 2), None


def _good_sizes(network: Any, pad: int, limit: int, probes: Sequence[Sequence[int]], expected: Sequence[Tensor]) -> tuple[int, ...]:
    """Return the sizes at whose ends windows get the very bits that they get where the largest begins, found by trying.

    None if those are not what the plain network says of them. Libraries choose the order of a sum by the shapes of a product, and how
    they choose is written nowhere; another version of torch or transformers may not know what is asked of it here.
    """
    used = sum(map(len, probes))
    try:
        first = _at_size(network, pad, SIZES[-1], probes)
        last = {
            size: _at_size(network, pad, size, [*_filler(pad, size - used, limit), *reversed(probes)])[: -len(probes) - 1 : -1]
            for size in SIZES
        }
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return ()
    same = all(torch.allclose(one, other, atol=TOLERANCE) for one, other in zip(first, expected, strict=True))
    steady = tuple(size for size in SIZES if all(torch.equal(one, other) for one, other in zip(last[size], first, strict=True)))
    return steady if same and SIZES[-1] in steady else ()


def _filler(pad: int, count: int, limit: int) -> list[list[int]]:
    """Return windows of nothing, no longer than the longest that the network has places for."""
    return [[pad] * min(limit, count - first) for first in range(0, count, limit)]


def _at_size(network: Any, pad: int, size: int, parts: Sequence[Sequence[int]]) -> list[Tensor]:
    return Packed(network=network, pad=pad, sizes=(size,))._run(parts)


def _row(ids: list[int]) -> Tensor:
    return torch.tensor(ids)[None]
