"""Hashed words and letter sequences: offline, deterministic, nothing to download, nothing to fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import regex
from pydantic import Field
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import HashingVectorizer

from graphfuse.core.sockets import TextEncoder
from graphfuse.core.tables import FloatArray

VERSION = 1
"""Part of the cache key: raise it whenever the same text would give another vector."""

ADDRESS = regex.compile(r"https?://\S+")
MENTION = regex.compile(r"(?<![\p{L}\p{N}_])@[\p{L}\p{N}_]+")
TOPIC = regex.compile(r"#([\p{L}\p{N}_]+)")


@dataclass(frozen=True, kw_only=True)
class HashedNgrams(TextEncoder):
    """Signed feature hashing of word and character n-grams (Weinberger et al., 2009, arXiv:0902.2206).

    Words and characters have a half of the channels each, so that the many letter sequences do not drown the words. Counts are
    damped (1 + log), each half has length 1 and so has the whole. Web addresses become one word, mentions another (who is
    mentioned is no feature of a text), and a topic counts as itself and as its word.
    """

    channels: Annotated[int, Field(ge=2, multiple_of=2)] = 384
    words: tuple[int, int] = (1, 2)
    """Shortest and longest sequence of words."""
    characters: tuple[int, int] = (3, 5)
    """Shortest and longest sequence of characters, within words."""
    context: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the whole text's vector in each span's: 0 sees the span alone, 1 nothing but the text."""

    def __post_init__(self) -> None:
        """Check that the ranges are ranges."""
        for name in ("words", "characters"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise ValueError(f"{name} must be [shortest, longest] with 1 <= shortest <= longest (got [{low}, {high}])")

    def identity(self) -> str:
        """Return the settings and the version of the method."""
        return f"{self!r} version {VERSION}"

    def encode(self, texts: Sequence[str], spans: Sequence[npt.NDArray[Any]]) -> list[FloatArray]:
        """Return one array [num_spans, channels] per text; a text's vectors do not depend on the other texts."""
        counts = [len(part) for part in spans]
        pieces = [text[start:end] for text, part in zip(texts, spans, strict=True) for start, end in part.tolist()]
        vectors = self._vectors(pieces)
        if self.context > 0:
            whole = np.repeat(self._vectors(texts), counts, axis=0)
            vectors = _unit((1 - self.context) * vectors + self.context * whole)
        return np.split(vectors, np.cumsum(counts)[:-1]) if counts else []

    def _vectors(self, pieces: Sequence[str]) -> FloatArray:
        """Return one vector of length 1 per piece; zero for one without letters or digits.  [num_pieces, channels]."""
        if not pieces:
            return np.zeros((0, self.channels), dtype=np.float32)
        plain = [_plain(piece) for piece in pieces]
        words = HashingVectorizer(ngram_range=self.words, token_pattern=r"[#‹]?\w+›?", lowercase=False).build_analyzer()
        characters = HashingVectorizer(ngram_range=self.characters, analyzer="char_wb", lowercase=False).build_analyzer()
        # both halves go through one hasher: for few texts, to begin costs more than to hash
        hasher = FeatureHasher(self.channels // 2, input_type="string", dtype=np.float32)
        counts = hasher.transform(sequences(text) for sequences in (words, characters) for text in plain).toarray()
        return _unit(np.concatenate(np.split(_unit(_damped(counts)), 2), axis=1))


def _plain(text: str) -> str:
    """Return lower-case text in which addresses and mentions are one word each and topics are spelled twice."""
    text = ADDRESS.sub(" ‹address› ", text.lower())
    return TOPIC.sub(r" #\1 \1 ", MENTION.sub(" ‹mention› ", text))


def _damped(counts: FloatArray) -> FloatArray:
    """Return sign * (1 + log of the size), 0 where 0."""
    size = np.abs(counts)
    return np.where(size > 0, np.sign(counts) * (1 + np.log(np.maximum(size, 1))), 0).astype(np.float32)


def _unit(vectors: FloatArray) -> FloatArray:
    """Return rows of length 1; rows of zeros stay."""
    length = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    return (vectors / np.maximum(length, 1e-12)).astype(np.float32)
