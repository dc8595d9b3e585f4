"""The folder is the registry: a plug-in's file name is its name everywhere.

Names and summaries are read from the files without importing them; `load` imports one file.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from inspect import cleandoc
from pathlib import Path
from tokenize import COMMENT, NL, STRING, generate_tokens
from types import ModuleType
from typing import Any

from graphfuse.core.errors import ConfigError, UnsafeError, suggest

ROOMS = ("datasets", "modalities", "encoders", "edges", "models", "tasks", "analyses")
PACKAGE = Path(__file__).parent.parent
_trusted: ContextVar[tuple[str, ...]] = ContextVar("trusted", default=())


@cache
def names(room: str) -> tuple[str, ...]:
    """Return the plug-ins of a room, sorted; files that start with an underscore are helpers."""
    files = (PACKAGE / room).glob("*.py")
    return tuple(sorted(file.stem for file in files if not file.stem.startswith("_")))


def summary(room: str, name: str) -> str:
    """Return the first docstring line of a plug-in, without importing or even parsing it."""
    with (PACKAGE / room / f"{name}.py").open(encoding="utf-8") as file:
        tokens = (token for token in generate_tokens(file.readline) if token.type not in (COMMENT, NL))
        first = next(tokens)
    return cleandoc(ast.literal_eval(first.string)).partition("\n")[0] if first.type == STRING else ""


def class_constant(room: str, name: str, attribute: str) -> str:
    """Return a text that a plug-in's class sets, such as `stage: ClassVar[...] = "early"`, without importing it; "" if it sets none.

    Bases are looked up in the file itself and in the room's helpers that it imports from. Files are searched, not parsed, since
    parsing them all would be half of what `graphfuse list` costs.
    """
    text = (PACKAGE / room / f"{name}.py").read_text(encoding="utf-8")
    found = re.search(rf'^ +{attribute}: [^=\n]*= "([^"\n]*)"', text, re.MULTILINE)
    if found:
        return found[1]
    helpers = re.findall(rf"^from graphfuse\.{room}\.(_\w+) import", text, re.MULTILINE)
    return next(filter(None, (class_constant(room, helper, attribute) for helper in helpers)), "")


def load(room: str, name: str, allowed: tuple[str, ...] = ()) -> type[Any]:
    """Import a plug-in and return its class.

    Args:
        room: One of `ROOMS`.
        name: A file name of the room, an installed entry point of the group `graphfuse.<room>`, or `package.module:Class`.
        allowed: Top-level packages that the person allowed by name; anything outside graphfuse is refused without it,
            since a name inside a file is data, not permission to import (contract 7).

    Raises:
        ConfigError: If there is no such plug-in; the nearest name is offered.
        UnsafeError: If the plug-in lies outside graphfuse and its package is not allowed.
    """
    if name in names(room):
        module = importlib.import_module(f"graphfuse.{room}.{name}")
        return _plugin_class(module, room)
    target = name if ":" in name else _entry_point(room, name)
    if target is None:
        raise ConfigError(f"'{name}' is not in {room}. {suggest(name, names(room))}")
    module_name, _, class_name = target.partition(":")
    package = module_name.partition(".")[0]
    if package not in (*allowed, *_trusted.get()):
        raise UnsafeError(
            f"Plug-ins outside graphfuse are imported only when you name their package (got '{name}'). "
            f"If you trust it, add --allow-plugin {package}."
        )
    try:
        return getattr(importlib.import_module(module_name), class_name)  # type: ignore[no-any-return]  # what a name leads to is checked when it is built
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"'{name}' cannot be imported: {error}. Check the spelling and that it is installed.") from error


@contextmanager
def trusting(packages: tuple[str, ...]) -> Iterator[None]:
    """Allow some packages for what plug-ins load themselves meanwhile, such as a modality its encoder."""
    before = _trusted.set((*_trusted.get(), *packages))
    try:
        yield
    finally:
        _trusted.reset(before)


def package_of(name: str) -> str | None:
    """Return the package that a plug-in name leads out of graphfuse to, or None for graphfuse's own."""
    if any(name in names(room) for room in ROOMS):
        return None
    targets = [name] if ":" in name else [target for room in ROOMS if (target := _entry_point(room, name))]
    return targets[0].partition(":")[0].partition(".")[0] if targets else None


def _entry_point(room: str, name: str) -> str | None:
    from importlib.metadata import entry_points  # a fifth of what `graphfuse --help` costs

    for entry in entry_points(group=f"graphfuse.{room}"):
        if entry.name == name:
            return entry.value
    return None


def _plugin_class(module: ModuleType, room: str) -> type[Any]:
    """Return the one public dataclass that the module itself defines."""
    classes = [
        item
        for item in vars(module).values()
        if isinstance(item, type)
        and item.__module__ == module.__name__
        and hasattr(item, "__dataclass_fields__")
        and not item.__name__.startswith("_")
    ]
    sockets = [item for item in classes if any(base.__module__ == "graphfuse.core.sockets" for base in item.__mro__)]
    if len(sockets) != 1:
        raise ConfigError(
            f"graphfuse/{room}/{module.__name__.rpartition('.')[2]}.py must hold exactly one plug-in class (found {len(sockets)})."
        )
    return sockets[0]
