"""The plug-ins that turn rows into graphs, checked against each other."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from graphfuse.core.build import build
from graphfuse.core.compiled import Kernels
from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import EdgeType, edge_name, reverse_edge_type
from graphfuse.core.settings import ConvertSettings
from graphfuse.core.sockets import EdgeBuilder, ImageEncoder, Modality, Task, TextEncoder

if TYPE_CHECKING:
    from graphfuse.config import Experiment, Section

CONTEXT_MODALITIES = ("user", "interaction", "sample")
"""What surrounds a sample; all other modalities are its content."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Modalities, edge builders and task of one experiment."""

    modalities: tuple[Modality, ...]
    edges: tuple[EdgeBuilder, ...]
    task: Task
    settings: ConvertSettings
    allowed: tuple[str, ...] = ()
    """Packages outside graphfuse that the plug-ins may load parts from, such as an encoder."""
    kernels: Kernels = "torch"
    """What finds the nearest nodes; the bytes do not depend on it."""

    @classmethod
    def build(cls, experiment: "Experiment", allowed: tuple[str, ...] = ()) -> "Recipe":
        """Return the recipe of an experiment; a `sample` modality is added where there is none.

        Args:
            experiment: What to convert.
            allowed: Packages outside graphfuse that may be imported, beside those that the experiment allows.

        Raises:
            ConfigError: With every problem of all sections at once.
        """
        allowed = (*experiment.allowed, *allowed)
        modalities = [section.to_dict() for section in experiment.modalities]
        if all(section["name"] != "sample" for section in modalities):
            modalities.append({"name": "sample"})
        problems: list[str] = []

        def built(room: str, section: Mapping[str, Any], path: str) -> Any:
            return _collect(problems, lambda: build(room, section, path, allowed))

        parts = [built("modalities", section, f"modalities.{i}") for i, section in enumerate(modalities)]
        builders = [built("edges", section.to_dict(), f"edges.{i}") for i, section in enumerate(experiment.edges)]
        task = built("tasks", experiment.task.to_dict(), "task")
        if not problems:
            problems += check_node_types(parts)
            problems += check_edge_types(builders, [part.node_type for part in parts])
        if problems:
            raise ConfigError(problems)
        return cls(
            modalities=tuple(parts),
            edges=tuple(builders),
            task=task,
            settings=experiment.convert,
            allowed=allowed,
            kernels=experiment.train.kernels,
        )

    @property
    def encoders(self) -> dict[str, TextEncoder | ImageEncoder]:
        """Return the encoder of each modality that has one, by the name of its state; packages that are allowed must be trusted already."""
        sections = {self.state_name(modality): getattr(modality, "encoder", None) for modality in self.modalities}
        return {name: build("encoders", section, "encoder") for name, section in sections.items() if isinstance(section, Mapping)}

    @property
    def node_types(self) -> tuple[str, ...]:
        """Return the node types, in the order of the modalities."""
        return tuple(modality.node_type for modality in self.modalities)

    @property
    def edge_types(self) -> tuple[EdgeType, ...]:
        """Return all edge types: per builder the forward ones, then their reverses."""
        return tuple(edge_type for builder in self.edges for edge_type in _with_reverses(builder, self.node_types))

    @property
    def content_types(self) -> tuple[str, ...]:
        """Return the node types of the sample's own content (text, pictures ...)."""
        return tuple(modality.node_type for modality in self.modalities if modality.modality not in CONTEXT_MODALITIES)

    def state_name(self, plugin: Modality | EdgeBuilder) -> str:
        """Return the name of a plug-in's fitted state, such as `modalities-0-text`."""
        room, plugins = ("modalities", self.modalities) if isinstance(plugin, Modality) else ("edges", self.edges)
        position = next(i for i, item in enumerate(plugins) if item is plugin)
        return f"{room}-{position}-{type(plugin).__module__.rpartition('.')[2]}"


def with_only(experiment: "Experiment", modality: str) -> "Experiment":
    """Return the experiment with one modality, and with the edges that remain possible."""
    kept = replace(experiment, modalities=tuple(part for part in experiment.modalities if part.name == modality), edges=())
    node_types = Recipe.build(kept).node_types

    def remains(section: "Section") -> bool:
        builder = build("edges", section.to_dict(), "edges", experiment.allowed)
        return bool(_collect([], lambda: builder.edge_types(node_types)))

    return replace(kept, edges=tuple(section for section in experiment.edges if remains(section)))


def check_node_types(modalities: Sequence[Modality]) -> list[str]:
    """Return a problem per modality whose node type another one already gives, or cannot be a file name."""
    problems = []
    first: dict[str, int] = {}
    for i, modality in enumerate(modalities):
        name = modality.node_type
        if not re.fullmatch(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*", name):
            problems.append(f"modalities.{i}: a node type is made of letters, digits and single underscores (got '{name[:40]}').")
        if name in first:
            problems.append(
                f"modalities.{i}: only one modality may give the node type '{name}' (modalities.{first[name]} does already). "
                "Name all columns in one modality, such as column: [title, body]."
            )
        first.setdefault(name, i)
    return problems


def check_edge_types(builders: Sequence[EdgeBuilder], node_types: Sequence[str]) -> list[str]:
    """Return a problem per builder that makes no edges, names unknown ends, or repeats an edge type."""
    problems: list[str] = []
    first: dict[EdgeType, int] = {}
    for i, builder in enumerate(builders):
        if builder.scope != "sample":
            problems.append(f"edges.{i}: convert makes edges within a sample (this builder's scope is '{builder.scope}'). Leave it out.")
            continue
        inner: list[str] = []
        types = _collect(inner, partial(_with_reverses, builder, node_types))
        problems += [f"edges.{i}.{problem}" for problem in inner]
        if types == ():
            problems.append(
                f"edges.{i}: makes no edges among the node types of the modalities ({', '.join(node_types)}). "
                "Add the modality it links, or leave it out."
            )
        for edge_type in types or ():
            if edge_type in first:
                problems.append(
                    f"edges.{i}: only one builder may make '{edge_name(edge_type)}' (edges.{first[edge_type]} does already). Remove one."
                )
            first.setdefault(edge_type, i)
    return problems


def _with_reverses(builder: EdgeBuilder, node_types: Sequence[str]) -> tuple[EdgeType, ...]:
    forward = builder.edge_types(node_types)
    return (*forward, *(reverse_edge_type(edge_type) for edge_type in forward if builder.reverse))


def _collect(problems: list[str], make: Callable[[], Any]) -> Any:
    """Return what `make` returns, or None after adding its configuration errors to the list."""
    try:
        return make()
    except ConfigError as error:
        problems += error.problems
        return None
