"""The text half of a CLIP-style model: spans in the space that clip_image puts regions in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from graphfuse.core.sockets import TextEncoder
from graphfuse.core.tables import FloatArray
from graphfuse.encoders._device import Device
from graphfuse.encoders._dual import dual_channels, dual_identity, dual_network, projected
from graphfuse.encoders._folder import load_tokenizer
from graphfuse.encoders._tokens import hidden_states, token_limit, unit, windows


@dataclass(frozen=True, kw_only=True)
class ClipText(TextEncoder):
    """Each span passes through the text half by itself, since only a text's last token was trained to meet pictures.

    A span longer than the model's limit (77 tokens for CLIP) is read in windows, whose vectors are averaged. Vectors have length 1.
    """

    imports: ClassVar[str] = "graphfuse.encoders._loading"

    model: str
    """A folder (relative to where the command runs), or a hub name (`owner/name`; HF_HUB_OFFLINE=1 allows only what is cached)."""
    device: Device = "cpu"
    """Where the network runs: the processor, or an NVIDIA GPU."""

    @property
    def channels(self) -> int:
        """Return the width of the shared space."""
        return dual_channels(self.model)

    def identity(self) -> str:
        """Return the name and the digest of the weights."""
        return f"clip_text {dual_identity(self.model, self.device)}"

    def encode(self, texts: Sequence[str], spans: Sequence[npt.NDArray[Any]]) -> list[FloatArray]:
        """Return one array [num_spans, channels] per text; a span's vector depends on nothing but the span."""
        folder, network = dual_network(self.model, self.device)
        tokenizer = load_tokenizer(folder)
        limit = token_limit(tokenizer, network.config.text_config)
        counts = [len(part) for part in spans]
        pieces = [text[start:end] for text, part in zip(texts, spans, strict=True) for start, end in part.tolist()]

        def run(ids: Tensor, mask: Tensor) -> Tensor:
            return projected(network.get_text_features(input_ids=ids, attention_mask=mask))

        sums = np.zeros((len(pieces), self.channels))
        for window, vector in hidden_states(windows(tokenizer, pieces, limit), tokenizer.pad_token_id or 0, run, limit, network.device):
            sums[window.text] += unit(vector[None])[0]
        vectors = unit(sums.astype(np.float32))
        return np.split(vectors, np.cumsum(counts)[:-1]) if counts else []
