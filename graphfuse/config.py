"""YAML -> Experiment: settings are read strictly, and every error is reported at once with its path."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from graphfuse.core.build import build, check
from graphfuse.core.errors import ConfigError, UnsafeError, suggest
from graphfuse.core.given import each_of
from graphfuse.core.registry import package_of
from graphfuse.core.settings import CompareSettings, ConvertSettings, TrainSettings
from graphfuse.core.strict_yaml import parse_yaml, read_yaml

ONE_OF = {"dataset": "datasets", "task": "tasks", "model": "models"}
"""Keys that hold one plug-in, and the room it comes from."""
LIST_OF = {"modalities": "modalities", "edges": "edges", "analyses": "analyses"}
"""Keys that hold a list of plug-ins, and the room they come from."""
STAGES: dict[str, type[Any]] = {"convert": ConvertSettings, "train": TrainSettings, "compare": CompareSettings}
KEYS = ("dataset", "modalities", "edges", "task", "model", "convert", "train", "analyses", "compare")
NEEDED = ("dataset", "modalities", "task", "model")


@dataclass(frozen=True, kw_only=True)
class Section:
    """The name of a plug-in and its settings, as written."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return `{"name": ..., setting: value ...}`."""
        return {"name": self.name, **self.settings}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One question: a data set, how it becomes graphs, a task, a model, and what to look at."""

    folder: Path
    """Relative paths of the data set are relative to this folder (the experiment file's)."""
    dataset: Section
    modalities: tuple[Section, ...]
    edges: tuple[Section, ...]
    task: Section
    model: Section
    convert: ConvertSettings
    train: TrainSettings
    analyses: tuple[Section, ...]
    compare: CompareSettings = field(default_factory=CompareSettings)
    allowed: tuple[str, ...] = ()
    """Packages outside graphfuse that the person named, on the command line or in the file passed."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, without the folder and without any permission."""
        value: dict[str, Any] = {key: getattr(self, key).to_dict() for key in ONE_OF}
        value |= {key: [section.to_dict() for section in getattr(self, key)] for key in LIST_OF}
        value |= {key: asdict(getattr(self, key)) for key in STAGES}
        plain: dict[str, Any] = _plain(value)
        return plain

    @classmethod
    def from_json(cls, value: Mapping[str, Any], folder: Path, allowed: Sequence[str] = ()) -> "Experiment":
        """Return the experiment that `to_json` wrote; names in it are data, so `allowed` has to come from the person."""
        return _experiment(value, folder, each_of(allowed))


def load_experiment(path: Path | str, overrides: Sequence[str] = (), allowed: Sequence[str] = ()) -> Experiment:
    """Read an experiment file that the person passes.

    Args:
        path: The YAML file.
        overrides: Settings such as `model.name=concat` or `modalities.0.encoder.name=hashed_ngrams`; values are YAML.
        allowed: Packages outside graphfuse that may be imported, beside those that the file itself names.

    Raises:
        InputError: If there is no such file.
        ConfigError: With every problem at once, each with its path in the YAML.
    """
    path = Path(path)
    value = read_yaml(path)
    if not isinstance(value, dict):
        raise ConfigError(f"{path.name}: must hold settings by name (got {_kind(value)}). Start with: graphfuse init TABLE")
    value = apply_overrides(value, overrides)
    return _experiment(value, path.parent, (*each_of(allowed), *_named_packages(value)))


def as_experiment(experiment: Experiment | Path | str, overrides: Sequence[str] = (), allowed: Sequence[str] = ()) -> Experiment:
    """Return an experiment read from its file, or one that was already read, with the overrides applied."""
    if not isinstance(experiment, Experiment):
        return load_experiment(experiment, overrides, allowed)
    value = apply_overrides(experiment.to_json(), overrides)
    return Experiment.from_json(value, experiment.folder, (*experiment.allowed, *each_of(allowed)))


def apply_overrides(value: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the settings with each `a.b=c` set; list items are named by their position.

    Raises:
        ConfigError: With every override that does not fit.
    """
    result: dict[str, Any] = _plain(value)
    problems = []
    for override in each_of(overrides):
        try:
            _set(result, override)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return result


def _set(value: dict[str, Any], override: str) -> None:
    place, equals, text = override.partition("=")
    if not equals or not all(place.split(".")):
        raise ConfigError(f"--set needs the form a.b=value (got '{override[:40]}'). For example: --set train.epochs=5")
    *parents, last = place.split(".")
    spot: Any = value
    for step in parents:
        if isinstance(spot, dict) and spot.get(step) is None:
            spot[step] = {}
        spot = spot[step] if isinstance(spot, dict) else spot[_position(spot, step, place)]
    new = parse_yaml(text, f"--set {place}")
    if isinstance(spot, dict):
        spot[last] = new
    else:
        spot[_position(spot, last, place)] = new


def _position(spot: Any, step: str, place: str) -> int:
    """Return the list position that one step of `a.0.b` names."""
    if not isinstance(spot, list):
        raise ConfigError(f"--set {place}: '{step}' has no place inside {_kind(spot)}. Set the part above it instead.")
    if not step.isdecimal() or int(step) >= len(spot):
        raise ConfigError(f"--set {place}: '{step}' must be a position from 0 to {len(spot) - 1}.")
    return int(step)


def _experiment(value: Mapping[str, Any], folder: Path, allowed: tuple[str, ...]) -> Experiment:
    """Check every section, then build; all problems are raised together."""
    problems = [f"{key}: is not a part of an experiment. {suggest(key, KEYS)}" for key in value if key not in KEYS]
    problems += [f"{key}: is needed. Known parts: {', '.join(KEYS)}." for key in NEEDED if not value.get(key)]
    unsafe: list[UnsafeError] = []
    parts: dict[str, Any] = {}
    for key, room in ONE_OF.items():
        if value.get(key):
            parts[key] = _section(value[key], room, key, allowed, problems, unsafe)
    for key, room in LIST_OF.items():
        items = value.get(key) or []
        if not isinstance(items, list):
            problems.append(f"{key}: must be a list, one '- name: ...' per entry (got {_kind(items)}).")
            continue
        parts[key] = tuple(_section(item, room, f"{key}.{i}", allowed, problems, unsafe) for i, item in enumerate(items))
    for key, settings in STAGES.items():
        parts[key] = _stage(value.get(key) or {}, settings, key, problems)
    if unsafe and not problems:
        raise UnsafeError("\n".join(str(error) for error in unsafe))
    problems += [str(error) for error in unsafe]
    if problems:
        raise ConfigError(problems)
    return Experiment(folder=folder, allowed=allowed, **parts)


def _section(
    value: Any,
    room: str,
    path: str,
    allowed: tuple[str, ...],
    problems: list[str],
    unsafe: list[UnsafeError],
) -> Section | None:
    """Return one plug-in's section after building the plug-in once, so that wrong settings are seen before any work."""
    if not isinstance(value, dict):
        problems.append(f"{path}: must hold 'name: ...' and settings (got {_kind(value)}).")
        return None
    try:
        build(room, value, path, allowed)
    except ConfigError as error:
        problems += error.problems
        return None
    except UnsafeError as error:
        unsafe.append(error)
        return None
    settings = dict(value)
    return Section(name=settings.pop("name"), settings=settings)


def _stage(value: Any, settings: type[Any], path: str, problems: list[str]) -> Any:
    if not isinstance(value, dict):
        problems.append(f"{path}: must hold settings by name (got {_kind(value)}).")
        return None
    try:
        return check(settings, value, path)
    except ConfigError as error:
        problems += error.problems
        return None


def _named_packages(value: Any) -> Iterator[str]:
    """Yield the packages of plug-ins that are named anywhere in the settings."""
    if isinstance(value, dict):
        name = value.get("name")
        package = package_of(name) if isinstance(name, str) else None
        if package is not None:
            yield package
        for item in value.values():
            yield from _named_packages(item)
    elif isinstance(value, list):
        for item in value:
            yield from _named_packages(item)


def _kind(value: Any) -> str:
    """Return what a YAML value is, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "settings by name"
    return "a list" if isinstance(value, list) else f"'{str(value)[:40]}'"


def _plain(value: Any) -> Any:
    """Return a deep copy made of dictionaries, lists and scalars."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
