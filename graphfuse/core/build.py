"""Settings -> plug-in: the one place where settings are checked."""

from collections.abc import Mapping
from typing import Any

from graphfuse.core.errors import ConfigError, suggest
from graphfuse.core.registry import load, names, trusting


def build(room: str, section: Mapping[str, Any], path: str, allowed: tuple[str, ...] = ()) -> Any:
    """Return the plug-in that a section (`name` and its settings) describes.

    Args:
        room: The plug-in's room, such as `models`.
        section: `{"name": ..., setting: value ...}`.
        path: Where the section stands in the experiment, for messages (`edges.2`).
        allowed: Packages outside graphfuse that may be imported.

    Raises:
        ConfigError: With every problem of the section at once, each with its path; the nearest name is offered.
    """
    settings = dict(section)
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise ConfigError(f"{path}.name: is needed; one of {', '.join(names(room))}.")
    try:
        cls = load(room, name, allowed)
    except ConfigError as error:
        raise ConfigError(f"{path}.name: {error}") from error
    with trusting(allowed):
        return check(cls, settings, path)


def check(cls: type[Any], settings: Mapping[str, Any], path: str) -> Any:
    """Return `cls(**settings)` with every value checked and converted to its field's type."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(cls).validate_python(dict(settings))
    except ValidationError as error:
        fields = list(cls.__dataclass_fields__)
        raise ConfigError([_sentence(problem, path, fields) for problem in error.errors()]) from error


def _sentence(problem: Mapping[str, Any], path: str, fields: list[str]) -> str:
    """Return the rule, the value and the way out of one pydantic problem."""
    place = ".".join([path, *(str(part) for part in problem["loc"])])
    if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{place}: is not a setting here. {suggest(str(problem['loc'][-1]), fields)}"
    if problem["type"] in ("missing", "missing_keyword_only_argument"):
        return f"{place}: is needed."
    rule = str(problem["msg"]).removeprefix("Value error, ")
    return f"{place}: {rule} (got {str(problem['input'])[:40]!r})."
