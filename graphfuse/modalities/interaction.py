"""Replies, likes, shares: one node per interaction, with its kind, time, numbers and text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import PositiveInt

from graphfuse.core.columns import as_texts
from graphfuse.core.errors import InputError
from graphfuse.core.sockets import Modality
from graphfuse.core.tables import FloatArray, Manifest, NodeTable, Rejection, State
from graphfuse.modalities._columns import Columns, ColumnSettings, file_rows, require_columns
from graphfuse.modalities._encoding import build_text_encoder, encode_texts
from graphfuse.modalities._linked import POSITION, interactions_of
from graphfuse.modalities._settings import checked_encoder, too_long

DELAY = "seconds since the sample"


@dataclass(frozen=True, kw_only=True)
class Interaction(ColumnSettings, Modality):
    """One `interaction` node per row of the linked interactions, ordered by time; at one time, as the table has them.

    Features: kind (one-hot), time since the sample (0 where either time is unknown), the given columns, and the vector of the
    text column (zeros where there is no text: the node is there all the same).
    """

    modality: ClassVar[str] = "interaction"
    node_type: ClassVar[str] = "interaction"

    text: str | None = None
    """A text column, encoded as a whole."""
    encoder: Mapping[str, Any] = field(default_factory=lambda: {"name": "hashed_ngrams", "channels": 128})
    max_characters: PositiveInt = 2_000
    """Of a longer text only the beginning is used."""

    def __post_init__(self) -> None:
        """Check the encoder's settings together with these."""
        if self.text is not None:
            checked_encoder(build_text_encoder, self.encoder)

    def fit(self, manifest: Manifest) -> State:
        """Learn means, deviations and vocabularies, from the interactions of train rows.

        Raises:
            InputError: If there is no interactions table, or a column is missing.
        """
        if "interactions" not in manifest.linked:
            raise InputError(
                "modalities.interaction: needs a table of interactions (got none). Give dataset.interactions, or leave the modality out."
            )
        return self._columns.fit(self._frame(manifest))

    def channels(self, state: State) -> int:
        """Return the number of features, with the text vector's."""
        return self._columns.channels(state) + (build_text_encoder(self.encoder).channels if self.text else 0)

    def nodes(self, chunk: Manifest, state: State) -> NodeTable:
        """Return one node per interaction of the chunk's samples.

        Without a table of interactions (new rows to predict, say) there are none.

        Raises:
            InputError: If a column is missing.
        """
        frame = self._frame(chunk)
        x, rejections = self._columns.features(frame, state)
        if self.text is not None:
            texts = as_texts(frame[self.text]).values.tolist()
            x = np.concatenate([x, self._text_vectors(texts)], axis=1)
            rejections += tuple(self._too_long(frame, texts))
        return NodeTable(
            node_type=self.node_type,
            sample=frame[POSITION].to_numpy(dtype=np.int64),
            x=x,
            units=frame[["interaction_id", "user_id", "reply_to", "kind", "time"]].copy(),
            rejections=rejections,
        )

    def _frame(self, manifest: Manifest) -> pd.DataFrame:
        """Return the interactions in order, with their delay after the sample."""
        frame = interactions_of(manifest)
        columns = (*self.numeric, *self.boolean, *self.categorical, *([self.text] if self.text else []))
        if "interactions" in manifest.linked:
            require_columns(frame, columns, "interactions", "modalities.interaction")
        else:
            frame = frame.assign(**{name: pd.Series([], dtype="str") for name in columns})
        started = manifest.samples["time"].to_numpy(dtype=np.float64) if "time" in manifest.samples else np.full(len(manifest), np.nan)
        frame[DELAY] = frame["time"] - started[frame[POSITION].to_numpy()]
        return frame

    def _text_vectors(self, whole: list[str]) -> FloatArray:
        """Return the vector of each text as a whole, zeros where there is none.  [num_rows, channels]."""
        texts = [text[: self.max_characters] for text in whole]
        used = [row for row, text in enumerate(texts) if text.strip()]
        encoder = build_text_encoder(self.encoder)
        arrays = encode_texts(encoder, [texts[row] for row in used], [np.array([[0, len(texts[row])]]) for row in used])
        vectors = np.zeros((len(texts), encoder.channels), dtype=np.float32)
        if used:
            vectors[used] = np.concatenate(arrays)
        return vectors

    def _too_long(self, frame: pd.DataFrame, texts: list[str]) -> Iterator[Rejection]:
        """Yield a rejection per text of which only the beginning is used."""
        cut = [place for place, text in enumerate(texts) if len(text) > self.max_characters]
        rows, keys = file_rows(frame.iloc[cut], "interactions"), frame["interaction_id"].iloc[cut]
        for place, row, key in zip(cut, rows, keys, strict=True):
            detail = too_long(texts[place], self.max_characters)
            yield Rejection(table="interactions", row=row, key=key, column=self.text or "", reason="text_too_long", detail=detail)

    @property
    def _columns(self) -> Columns:
        columns = self.columns_of("interactions", "interaction_id")
        return replace(columns, numeric=(DELAY, *self.numeric), categorical=("kind", *self.categorical))
