"""Settings that modalities share."""

from collections.abc import Callable, Mapping
from typing import Any

from graphfuse.core.errors import ConfigError


def checked_encoder(build: Callable[[Mapping[str, Any]], object], section: Mapping[str, Any]) -> None:
    """Build an encoder only to find out what is wrong with its settings.

    Raises:
        ValueError: With every problem, so that it is reported together with the modality's own.
    """
    try:
        build(section)
    except ConfigError as error:
        raise ValueError("; ".join(problem.rstrip(".") for problem in error.problems)) from error
