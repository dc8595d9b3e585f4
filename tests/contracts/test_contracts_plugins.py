"""What holds for every plug-in that lies in a room, whoever wrote it."""

import dataclasses
import inspect
from typing import Any

import pytest

from graphfuse.core import sockets
from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError
from graphfuse.core.registry import ROOMS, load, names

SOCKETS: dict[str, tuple[type[Any], ...]] = {
    "datasets": (sockets.Dataset,),
    "modalities": (sockets.Modality,),
    "encoders": (sockets.TextEncoder, sockets.ImageEncoder),
    "edges": (sockets.EdgeBuilder,),
    "models": (sockets.FusionModel,),
    "tasks": (sockets.Task,),
    "analyses": (sockets.Analysis,),
}
PLUGINS = [(room, name) for room in ROOMS for name in names(room)]
every_plugin = pytest.mark.parametrize(("room", "name"), PLUGINS)


def needed(cls: type[Any]) -> list[str]:
    """Return the settings without a default."""
    missing = dataclasses.MISSING
    return [field.name for field in dataclasses.fields(cls) if field.init and field.default is missing and field.default_factory is missing]


@every_plugin
def test_it_fits_its_rooms_socket(room: str, name: str) -> None:
    cls = load(room, name)
    assert issubclass(cls, SOCKETS[room])
    assert not inspect.isabstract(cls)


@every_plugin
def test_it_is_a_frozen_keyword_only_dataclass(room: str, name: str) -> None:
    cls = load(room, name)
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert all(field.kw_only for field in dataclasses.fields(cls))


@every_plugin
def test_it_builds_from_defaults_or_says_what_it_needs(room: str, name: str) -> None:
    wanted = needed(load(room, name))
    if not wanted:
        assert build(room, {"name": name}, room) == build(room, {"name": name}, room)
        return
    with pytest.raises(ConfigError) as caught:
        build(room, {"name": name}, room)
    assert sorted(caught.value.problems) == sorted(f"{room}.{setting}: is needed." for setting in wanted)


@every_plugin
def test_a_misspelt_setting_is_refused_and_the_nearest_offered(room: str, name: str) -> None:
    settings = [field.name for field in dataclasses.fields(load(room, name)) if field.init]
    wrong = f"{settings[0]}x" if settings else "no_setting"
    with pytest.raises(ConfigError) as caught:
        build(room, {"name": name, wrong: 1}, f"{room}.0")
    (problem,) = [problem for problem in caught.value.problems if problem.startswith(f"{room}.0.{wrong}: ")]
    assert "is not a setting here." in problem
    assert not settings or f"Did you mean '{settings[0]}'?" in problem


@every_plugin
def test_its_class_and_methods_are_documented(room: str, name: str) -> None:
    cls = load(room, name)
    assert (cls.__doc__ or "").partition("\n")[0].rstrip().endswith(".")
    for method, value in vars(cls).items():
        if inspect.isfunction(value) and not method.startswith("_"):
            assert value.__doc__, method


def test_a_misspelt_plugin_is_refused_and_the_nearest_offered() -> None:
    for room, name in PLUGINS:
        with pytest.raises(ConfigError, match=f"{room}.name: '{name}x' is not in {room}. Did you mean '{name}'?"):
            build(room, {"name": f"{name}x"}, room)
