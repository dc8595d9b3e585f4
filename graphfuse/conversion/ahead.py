"""What worker processes will import, found without importing it here: they can begin while this process is still at its own imports."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphfuse.core.errors import ConfigError, GraphfuseError
from graphfuse.core.processes import ForkServer
from graphfuse.core.registry import class_constant, names
from graphfuse.core.strict_yaml import read_yaml

if TYPE_CHECKING:
    from graphfuse.config import Experiment

ROOMS = {"modalities": "modalities", "edges": "edges", "task": "tasks", "encoder": "encoders"}
"""Parts of an experiment whose plug-ins workers need, and where these live."""


def begin_workers(experiment: "Experiment | str | Path", workers: int, engine: str) -> None:
    """Start the process that workers will come from; it imports what converting with graphfuse's own plug-ins needs.

    A file that cannot be read starts nothing: whoever reads it next says what is wrong with it.

    Args:
        experiment: An experiment, or the path of its file.
        workers: Processes; 1 needs nothing.
        engine: Where they run: `local`.

    Raises:
        ConfigError: If there is no such engine.
    """
    if engine != "local":
        raise ConfigError(f"--engine: must be local (got '{engine[:40]}'). For several processes of this machine add --workers N.")
    if workers < 2:
        return
    try:
        settings = read_yaml(Path(experiment)) if isinstance(experiment, str | Path) else experiment.to_json()
    except GraphfuseError:
        return
    ForkServer(["graphfuse.conversion.workers", *own_modules(settings)]).run()


def own_modules(settings: Any, room: str = "") -> Iterator[str]:
    """Yield the modules of the plug-ins that settings name, as far as they are graphfuse's, and what their encoders import late."""
    if isinstance(settings, Mapping):
        name = settings.get("name")
        if room and name in names(room):
            yield f"graphfuse.{room}.{name}"
            if late := class_constant(room, name, "imports"):
                yield late
        for key, part in settings.items():
            yield from own_modules(part, ROOMS[key]) if key in ROOMS else ()
    elif isinstance(settings, list | tuple):
        for part in settings:
            yield from own_modules(part, room)
