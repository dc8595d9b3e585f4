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
