"""Units -> vectors through the feature cache."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphfuse.core.build import build
from graphfuse.core.cache import feature_key, open_cache
from graphfuse.core.errors import ConfigError
from graphfuse.core.sockets import ImageEncoder, TextEncoder
from graphfuse.core.tables import FloatArray, IntArray


def build_text_encoder(section: Mapping[str, Any]) -> TextEncoder:
    """Return the text encoder that a setting `encoder` describes.

    Raises:
        ConfigError: If a setting is wrong, or the encoder is not for text.
    """
    encoder = build("encoders", section, "encoder")
    if not isinstance(encoder, TextEncoder):
        raise ConfigError(f"encoder.name: must encode text (got '{section['name']}'). Use hashed_ngrams, transformers_text or clip_text.")
    return encoder


def build_image_encoder(section: Mapping[str, Any]) -> ImageEncoder:
    """Return the picture encoder that a setting `encoder` describes.

    Raises:
        ConfigError: If a setting is wrong, or the encoder is not for pictures.
    """
    encoder = build("encoders", section, "encoder")
    if not isinstance(encoder, ImageEncoder):
        raise ConfigError(
            f"encoder.name: must encode pictures (got '{section['name']}'). Use image_statistics, torchvision_backbone or clip_image."
        )
    return encoder


def encode_texts(encoder: TextEncoder, texts: Sequence[str], spans: Sequence[IntArray]) -> list[FloatArray]:
    """Return one array [num_spans, channels] per text; what is cached is not encoded again."""
    identity = encoder.identity()
    keys = [
        feature_key(identity, text.encode(errors="surrogatepass"), span.astype(np.int64).tobytes())
        for text, span in zip(texts, spans, strict=True)
    ]
    return open_cache().encode(keys, lambda rows: encoder.encode([texts[row] for row in rows], [spans[row] for row in rows]))
