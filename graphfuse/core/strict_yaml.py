"""YAML that means what it says: 1.2 numbers and booleans, no tags, no duplicate keys, bounded size."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from graphfuse.core.errors import ConfigError, InputError

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_ALIASES = 100
MAX_VALUES = 20_000
"""Values after aliases are expanded: five levels of nine aliases are already 59,049."""

_HALF = re.compile("[\ud800-\udfff]")
"""Half of a character, as JSON's escapes have them; YAML's escapes are whole."""
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def read_yaml(path: Path) -> Any:
    """Return the value of a YAML file.

    Raises:
        InputError: If the file is missing.
        ConfigError: With every problem that can be seen at once, each with its line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"{path} must be a readable file ({error.strerror}). Check the path, or write one with: graphfuse init TABLE"
        ) from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path.name}: a YAML file may hold at most {MAX_BYTES:,} bytes. Keep data in tables and settings here.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path.name}: must be UTF-8 text (byte {error.start} is not). Save it as UTF-8, without a UTF-16 byte order mark."
        ) from error
    return parse_yaml(text, path.name)


def parse_yaml(text: str, source: str) -> Any:
    """Return the value of YAML text; `source` names it in messages."""
    reader = _Reader(text, source)
    try:
        value = reader.read()
    except (yaml.YAMLError, ValueError) as error:  # a ValueError where an escape is beyond Unicode
        raise ConfigError(_sentence(error, source)) from error
    if reader.problems:
        raise ConfigError(reader.problems)
    return value


class _Reader:
    """Events -> plain values; PyYAML only scans and parses, it never constructs."""

    def __init__(self, text: str, source: str) -> None:
        self.problems: list[str] = []
        self._source = source
        self._events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._num_aliases = 0
        self._num_values = 0

    def read(self) -> Any:
        """Return the value of the only document."""
        value, num_documents = None, 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                num_documents += 1
                if num_documents > 1:
                    self._stop(event, "holds a second document ('---'). Keep one experiment per file.")
                value = self._value(next(self._events), depth=0)
        return value

    def _value(self, event: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            self._stop(event, f"is nested deeper than {MAX_DEPTH} levels. Flatten it.")
        self._count(event, 1)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag is not None:
            self._note(event, f"tags are not allowed (got '{str(event.tag)[:40]}'). Write the plain value; put quotes around text.")
        before = self._num_values
        if isinstance(event, yaml.SequenceStartEvent):
            value: Any = list(self._items(depth))
        elif isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(depth)
        else:
            value = self._text(event) if event.style else self._plain(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._num_values - before + 1)
        return value

    def _items(self, depth: int) -> Iterator[Any]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._value(event, depth + 1)

    def _mapping(self, depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._stop(event, "a key must be plain text. Put quotes around it, and a space after ':' and ','.")
            key = self._text(event)
            if key in lines:
                self._note(event, f"the key '{key[:40]}' stands here a second time (first in line {lines[key]}). Remove one of them.")
            lines.setdefault(key, event.start_mark.line + 1)
            value[key] = self._value(next(self._events), depth + 1)
        return value

    def _alias(self, event: Any) -> Any:
        self._num_aliases += 1
        if self._num_aliases > MAX_ALIASES:
            self._stop(event, f"more than {MAX_ALIASES} aliases are used. Write the values out.")
        if event.anchor not in self._anchors:
            self._stop(event, f"the alias '*{event.anchor[:40]}' has no finished anchor before it. Write the value out.")
        value, size = self._anchors[event.anchor]
        self._count(event, size)
        return value

    def _text(self, event: Any) -> str:
        text = str(event.value)
        if half := _HALF.search(text):
            self._note(event, f"text must be Unicode (got '\\u{ord(half[0]):04x}', half a character). Write the character itself.")
        return text

    def _plain(self, event: Any) -> Any:
        """Return the YAML 1.2 value of an unquoted scalar: `1e-3` is a number, `no` and dates are text."""
        text = event.value
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text) and len(text) <= 100:
            return int(text, 0 if text[:2] in ("0o", "0x") else 10)
        if _FLOAT.fullmatch(text):
            number = float(text.replace(".inf", "inf").replace(".nan", "nan").replace(".Inf", "inf").replace(".NaN", "nan").lower())
            if not math.isfinite(number):
                self._note(event, f"a number must be finite (got '{text[:40]}'). Give a bound that is meant.")
            return number
        return text

    def _count(self, event: Any, num_values: int) -> None:
        self._num_values += num_values
        if self._num_values > MAX_VALUES:
            self._stop(event, f"holds more than {MAX_VALUES:,} values once aliases are expanded. Keep data in tables and settings here.")

    def _note(self, event: Any, sentence: str) -> None:
        self.problems.append(f"{self._source}, line {event.start_mark.line + 1}: {sentence}")

    def _stop(self, event: Any, sentence: str) -> None:
        self._note(event, sentence)
        raise ConfigError(self.problems)


def _sentence(error: Exception, source: str) -> str:
    """Return a syntax error as one sentence with its line."""
    mark = getattr(error, "problem_mark", None)
    place = f"{source}, line {mark.line + 1}" if mark else source
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    if "'\\t'" in problem:
        return f"{place}: indentation must be spaces, and a tab was found. Replace tabs by spaces."
    if "special characters are not allowed" in problem:
        return f"{place}: must be plain text, and a control character was found. Remove it."
    return f"{place}: is not valid YAML ({problem}). Check the indentation, the quotes and the ':' of this line and the one above."
