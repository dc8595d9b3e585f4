"""Settings -> plug-in: the one place where settings are checked."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from graphfuse.core.errors import ConfigError, suggest
from graphfuse.core.registry import load, names, trusting

if TYPE_CHECKING:
    from pydantic import TypeAdapter


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
    from pydantic import ValidationError

    adapter = _adapter(cls)  # type: ignore[arg-type]  # a class is hashable
    try:
        return adapter.validate_python(dict(settings))
    except ValidationError as error:
        problems = error.errors()
        wrong = {problem["loc"][0] for problem in problems if problem["loc"]}
        if wrong:
            try:  # once more without them: a plug-in looks at its parts only when all else is right
                adapter.validate_python({name: value for name, value in settings.items() if name not in wrong})
            except ValidationError as further:
                problems += [problem for problem in further.errors() if _parts(problem)]
        raise ConfigError(list(_sentences(problems, path, [field.name for field in fields(cls)]))) from error


@cache
def _adapter(cls: type[Any]) -> "TypeAdapter[Any]":
    """Return what checks a class's settings: made once, since an encoder is built for every chunk."""
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


class PartsError(ValueError):
    """Raised by a plug-in that checks parts of its own, such as a modality its encoder.

    Args:
        problems: One sentence each, starting with the path from the plug-in on (`encoder.name: ...`).
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


RULES = {
    "missing": "is needed",
    "missing_keyword_only_argument": "is needed",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "literal_error": "must be {expected}",
    "too_short": "must hold at least {min_length}",
    "string_too_short": "must have at least {min_length} character",
}
"""pydantic's kind of problem -> the rule in our words."""
RULES |= dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number")
RULES |= dict.fromkeys(("float_type", "float_parsing"), "must be a number")
RULES |= dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false")
RULES |= dict.fromkeys(("tuple_type", "list_type"), "must be a list")
RULES |= dict.fromkeys(("dict_type", "mapping_type", "dataclass_type"), "must hold settings by name")
RULES["string_type"] = "must be text"


def _sentences(problems: Iterable[Mapping[str, Any]], path: str, fields: list[str]) -> Iterator[str]:
    """Yield the rule, the value and the way out of each problem; what a value may be instead is one sentence."""
    rules: dict[tuple[str, str], list[str]] = {}
    for problem in problems:
        place = ".".join([path, *(str(part) for part in problem["loc"] if not _names_a_type(part))])
        if _parts(problem):
            yield from (f"{place}.{sentence}" for sentence in _parts(problem))
        elif problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            yield f"{place}: is not a setting here. {suggest(str(problem['loc'][-1]), fields)}"
        else:
            rule = RULES.get(problem["type"], str(problem["msg"]).removeprefix("Value error, ").replace("Input should be", "must be"))
            rules.setdefault((place, _shown(problem)), []).append(rule.format(**problem.get("ctx", {})))
    for (place, shown), found in rules.items():
        first, *others = dict.fromkeys(found)
        rule = " or ".join([first, *(other.removeprefix("must be ") for other in others)]).rstrip(".")
        yield f"{place}: {rule}" if rule.endswith("?") else f"{place}: {rule}{'' if '(got' in rule else shown}."


def _parts(problem: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is wrong with a plug-in's own parts, if this problem is of that kind."""
    cause = problem.get("ctx", {}).get("error")
    return cause.problems if isinstance(cause, PartsError) else ()


def _names_a_type(part: str | int) -> bool:
    """Return whether a step of pydantic's path is no setting, but one of several types that a value may have."""
    return isinstance(part, str) and (part in ("int", "float", "str", "bool") or re.fullmatch(r"[a-z_]+", part) is None)


def _shown(problem: Mapping[str, Any]) -> str:
    """Return the value in brackets; nothing where there is none, or where it is a whole section."""
    value = problem["input"]
    if problem["type"].startswith("missing") or (isinstance(value, Mapping) and len(str(value)) > 40):
        return ""
    return f" (got {str(value)[:40]!r})"
