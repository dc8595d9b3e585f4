"""Text columns cut into sentences, windows or words, each a contextual vector."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import PositiveInt

from graphfuse.core.columns import as_texts, frame_of, text_array
from graphfuse.core.sockets import Modality
from graphfuse.core.tables import IntArray, Manifest, NodeTable, Rejection, State
from graphfuse.modalities._columns import require_columns
from graphfuse.modalities._encoding import build_text_encoder, encode_texts
from graphfuse.modalities._settings import checked_encoder, too_long
from graphfuse.modalities._spans import Unit, cut
from graphfuse.modalities._standard import fit_standard, standardised


@dataclass(frozen=True, kw_only=True)
class Text(Modality):
    """One `text_span` node per span; each text is encoded in one pass and pooled per span.

    A row whose texts are all blank has no nodes: absence is absence. It is counted under the reason `text_empty`.
    """

    modality: ClassVar[str] = "text"
    node_type: ClassVar[str] = "text_span"

    column: str | tuple[str, ...] = "text"
    """A column, or several, whose texts stay apart."""
    unit: Unit = "sentence"
    window: PositiveInt = 12
    """Words per window (`unit: window`)."""
    stride: PositiveInt = 6
    """Words from one window's start to the next."""
    max_characters: PositiveInt = 20_000
    """Of a longer text only the beginning is used; the cut is noted (`text_too_long`)."""
    max_spans: PositiveInt = 256
    """Of a text with more spans only the first are used; the cut is noted (`text_too_long`)."""
    standardise: bool = True
    """Subtract the train rows' mean vector and divide by their deviation."""
    encoder: Mapping[str, Any] = field(default_factory=lambda: {"name": "hashed_ngrams"})

    def __post_init__(self) -> None:
        """Check the encoder's settings together with these."""
        checked_encoder(build_text_encoder, self.encoder)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the text columns."""
        return (self.column,) if isinstance(self.column, str) else self.column

    def fit(self, manifest: Manifest) -> State:
        """Learn the mean and deviation of the spans' vectors.

        Raises:
            InputError: If a text column is missing.
        """
        require_columns(manifest.samples, self.columns, "samples", "modalities.text.column")
        return fit_standard(self, manifest) if self.standardise else {}

    def channels(self, state: State) -> int:
        """Return the encoder's channels."""
        return build_text_encoder(self.encoder).channels

    def nodes(self, chunk: Manifest, state: State) -> NodeTable:
        """Return the spans of the chunk's texts, ordered by row, column and place.

        Raises:
            InputError: If a text column is missing.
        """
        require_columns(chunk.samples, self.columns, "samples", "modalities.text.column")
        # 1. Lay the texts of all columns in one list: row by row, column by column.  [num_samples * num_columns]
        whole = np.stack([as_texts(chunk.samples[name]).values.to_numpy(dtype=object) for name in self.columns], axis=1).ravel().tolist()
        texts = [text[: self.max_characters] for text in whole]
        # 2. Cut.
        all_spans = [cut(text, self.unit, self.window, self.stride) for text in texts]
        spans = [item[: self.max_spans] for item in all_spans]
        # 3. Encode the texts that have spans.
        used = [item for item, part in enumerate(spans) if len(part)]
        encoder = build_text_encoder(self.encoder)
        arrays = encode_texts(encoder, [texts[item] for item in used], [spans[item] for item in used])
        x = np.concatenate(arrays) if arrays else np.zeros((0, encoder.channels), dtype=np.float32)
        return NodeTable(
            node_type=self.node_type,
            sample=np.repeat(np.arange(len(texts)) // len(self.columns), [len(part) for part in spans]).astype(np.int64),
            x=standardised(x.astype(np.float32, copy=False), state),
            units=self._units([texts[item] for item in used], [spans[item] for item in used], used),
            rejections=tuple(self._rejections(chunk, whole, all_spans)),
        )

    def _units(self, texts: list[str], spans: list[IntArray], items: list[int]) -> pd.DataFrame:
        columns = [self.columns[item % len(self.columns)] for item, part in zip(items, spans, strict=True) for _ in part]
        pieces = [text[start:end] for text, part in zip(texts, spans, strict=True) for start, end in part.tolist()]
        start, end = np.concatenate([np.zeros((0, 2), dtype=np.int64), *spans]).T
        return frame_of({"column": text_array(columns), "text": text_array(pieces), "start": start, "end": end})

    def _rejections(self, chunk: Manifest, whole: list[str], spans: list[IntArray]) -> list[Rejection]:
        """Return what was cut off, and the rows that have no text at all."""
        found = []
        for item, (text, part) in enumerate(zip(whole, spans, strict=True)):
            sample, column = divmod(item, len(self.columns))
            detail = None
            if len(text) > self.max_characters:
                detail = too_long(text, self.max_characters)
            elif len(part) > self.max_spans:
                detail = f"A text may hold {self.max_spans:,} spans (got {len(part):,}); the rest was left out. Raise max_spans."
            if detail:
                found.append(chunk.reject(sample, "text_too_long", detail, column=self.columns[column]))
        has_span = np.array([len(part) > 0 for part in spans]).reshape(-1, len(self.columns)).any(axis=1)
        detail = "A text must hold a word to become a node; this row has no text nodes. Nothing needs to be done if that is so."
        for sample in np.flatnonzero(~has_span).tolist():
            found.append(chunk.reject(sample, "text_empty", detail, column=", ".join(self.columns)))
        return found
