"""Settings that modalities share."""

from collections.abc import Callable, Mapping
from typing import Any

from graphfuse.core.build import PartsError
from graphfuse.core.errors import ConfigError


def checked_encoder(build: Callable[[Mapping[str, Any]], object], section: Mapping[str, Any]) -> None:
    """Build an encoder only to find out what is wrong with its settings.

    Raises:
        PartsError: With every problem, so that it is reported together with the modality's own.
    """
    try:
        build(section)
    except ConfigError as error:
        raise PartsError(error.problems) from error


def too_long(text: str, most: int) -> str:
    """Return the sentence about a text of which only the first characters are used."""
    return f"A text may hold {most:,} characters (got {len(text):,}); the rest was left out. Raise max_characters."
