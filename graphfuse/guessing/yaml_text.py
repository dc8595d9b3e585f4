"""Values, names and comments as the text of an experiment has them."""

import json
import re
from collections.abc import Iterable
from typing import Any

from graphfuse.core.errors import InputError

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
RESERVED = ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf")


def yaml_line(indent: int, key: str, value: Any, why: str) -> str:
    """Return a setting, with a comment if it has a reason to give."""
    return f"{' ' * indent}{key}: {yaml_value(value)}" + (f"   # {why}" if why else "")


def yaml_value(value: Any) -> str:
    """Return a YAML flow value; text is quoted unless it can be nothing but text."""
    if isinstance(value, list):
        return f"[{', '.join(yaml_value(item) for item in value)}]"
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in RESERVED:
        return value
    return "".join(character if character.isprintable() else _escaped(character) for character in json.dumps(value, ensure_ascii=False))


def _escaped(character: str) -> str:
    """Return a character as YAML's escape; JSON's, in two halves, would be read as two characters.

    Raises:
        InputError: If it is such a half, as Python has it for a byte of a file's name that is no text.
    """
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        raise InputError(
            f"Names of files and columns must be Unicode text (one of them has the byte or half character {code:x}). Rename it."
        )
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def inline_names(names: Iterable[str]) -> str:
    """Return names for a comment."""
    return ", ".join(inline(name) for name in names)


def inline(text: str) -> str:
    """Return text for a comment: one line, at most 40 characters, nothing that a terminal would act on."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain if len(plain) <= 40 else f"{plain[:39]}…"
