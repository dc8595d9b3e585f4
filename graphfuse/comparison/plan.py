"""An experiment and a store -> the rows of the comparison: models, each modality alone, and the majority."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from graphfuse.config import Experiment
from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError, UnsafeError, suggest
from graphfuse.core.registry import load, names
from graphfuse.core.schema import GraphSchema
from graphfuse.core.settings import CompareSettings, TrainSettings
from graphfuse.nn.pooling import informative_types

Kind = Literal["model", "unimodal", "majority", "control"]
MAJORITY = "majority"
ALONE = "concat"
"""The model of a single modality: without others, it is a perceptron on the modality's mean."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: a model with its settings, on the store or on a change of it."""

    name: str
    kind: Kind
    stage: str
    """Where it fuses; of other kinds than `model`, the kind."""
    section: Mapping[str, Any]
    """The model's section; empty where nothing is trained."""
    train: TrainSettings
    change: Mapping[str, Any] = field(default_factory=dict)
    """How the store is changed (`comparison.changes`), for training and measuring; nothing unless it is set."""

    @property
    def folder(self) -> str:
        """Return the name of the row's folder."""
        return "".join(letter if letter.isalnum() or letter in "_-." else "-" for letter in self.name)


def plan_rows(experiment: Experiment, schema: GraphSchema) -> tuple[list[Row], list[str]]:
    """Return all rows, and what a reader should know of their settings.

    Settings of the experiment's `model` section go to every model that has a field of that name; `compare.settings` go to one model.

    Raises:
        ConfigError: With everything that is wrong with the names and settings.
    """
    chosen = experiment.compare.models or _all_models(experiment)
    train = shared_training(experiment)
    problems, notes = _unknown(experiment, chosen), list[str]()
    rows = []
    for name in dict.fromkeys(chosen):
        if any(problem.startswith(f"compare.models: '{name}'") for problem in problems):
            continue
        try:
            section, left_out = _section(experiment, name)
            stage = build("models", section, f"compare.settings.{name}", experiment.allowed).stage
        except ConfigError as error:
            problems += error.problems
            continue
        notes += [f"{name} cannot take model.{field} as it stands in the experiment, and has its default." for field in left_out]
        rows.append(Row(name=name, kind="model", stage=stage, section=section, train=train))
    rows += _unimodal_rows(experiment, schema, train)
    rows.append(Row(name=MAJORITY, kind="majority", stage="majority", section={}, train=train))
    problems += _wrong_rows(experiment.compare, rows)
    if problems:
        raise ConfigError(problems)
    return rows, notes


def shared_training(experiment: Experiment) -> TrainSettings:
    """Return how all rows are trained: as the experiment says, on one thread unless it names a number, so that workers change nothing."""
    return replace(experiment.train, threads=experiment.train.threads or 1, seeds=(0,))


def modalities_of(schema: GraphSchema) -> list[str]:
    """Return the modalities that can tell samples apart, in store order; a bare sample node is none."""
    return list(dict.fromkeys(schema.modality_by_node_type[name] for name in informative_types(schema)))


def _all_models(experiment: Experiment) -> tuple[str, ...]:
    own = experiment.model.name
    return (*names("models"), *([own] if own not in names("models") else []))


def _unknown(experiment: Experiment, chosen: Sequence[str]) -> list[str]:
    """Return one sentence per name that is no model."""
    problems = []
    for name in dict.fromkeys(chosen):
        try:
            load("models", name, experiment.allowed)
        except (ConfigError, UnsafeError) as error:
            problems.append(f"compare.models: {error}" if str(error).startswith(f"'{name}'") else f"compare.models: '{name}': {error}")
    for name in experiment.compare.settings:
        if name not in (*names("models"), *chosen):
            problems.append(f"compare.settings.{name}: is not a model of this comparison. {suggest(name, (*names('models'), *chosen))}")
    return problems


def _section(experiment: Experiment, name: str) -> tuple[dict[str, Any], list[str]]:
    """Return a model's section, and the shared settings that it has by name but does not take by value."""
    own = dict(experiment.compare.settings.get(name, {}))
    if name == experiment.model.name:
        return {"name": name, **experiment.model.settings, **own}, []
    fields = load("models", name, experiment.allowed).__dataclass_fields__
    section: dict[str, Any] = {"name": name}
    left_out = []
    for key, value in experiment.model.settings.items():
        if key not in fields or key in own:
            continue
        try:
            build("models", {"name": name, key: value}, "model", experiment.allowed)
            section[key] = value
        except ConfigError:
            left_out.append(key)
    return section | own, left_out


def _unimodal_rows(experiment: Experiment, schema: GraphSchema, train: TrainSettings) -> list[Row]:
    """Return one row per modality, from which the others are really removed."""
    section, _ = _section(experiment, ALONE)
    modalities = modalities_of(schema)
    return [
        Row(
            name=f"{modality} only",
            kind="unimodal",
            stage="unimodal",
            section=section,
            train=train,
            change={"remove_modalities": [other for other in modalities if other != modality]} if len(modalities) > 1 else {},
        )
        for modality in modalities
    ]


def _wrong_rows(settings: CompareSettings, rows: Sequence[Row]) -> list[str]:
    """Return one sentence per name that is asked for and is no row."""
    trained = [row.name for row in rows if row.section]
    asked = [("baseline", settings.baseline, [row.name for row in rows]), *(("examined", name, trained) for name in settings.examined)]
    return [
        f"compare.{key}: '{name[:40]}' is not a row of this comparison. {suggest(name, known)}"
        for key, name, known in asked
        if name is not None and name not in known
    ]
