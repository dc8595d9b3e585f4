"""Where settings are looked for: one table for all models, so that none is searched more finely than another."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from graphfuse.core.settings import TrainSettings
from graphfuse.core.sockets import FusionModel

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = int | float | str


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from low to high, drawn evenly or evenly in their logarithm."""

    low: float
    high: float
    log: bool = False


Choices = tuple[Value, ...]
Space = dict[str, Range | Choices]
"""Setting, with `train.` in front of those of training -> where it is looked for."""

MODEL_SPACE: Space = {
    "hidden_channels": (32, 64, 128),
    "num_layers": (1, 2, 3),
    "heads": (1, 2, 4, 8),
    "readout": ("attention", "mean", "sample"),
    "dropout": Range(low=0.0, high=0.5),
    "input_dropout": Range(low=0.0, high=0.6),
    "num_components": (8, 16, 32, 64),
    "latent_channels": (16, 32, 64),
    "rank": (4, 8, 16),
    "c": Range(low=1e-2, high=1e2, log=True),
    "ridge": Range(low=1e-5, high=1e-1, log=True),
    "shrinkage": Range(low=0.0, high=1.0),
}
"""Settings that several kinds of models have; a model is tuned in those that it has."""
TRAIN_SPACE: Space = {
    "train.learning_rate": Range(low=2e-4, high=1e-2, log=True),
    "train.weight_decay": (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
}


def search_space(model: FusionModel, train: TrainSettings, fixed: Sequence[str], node_types: Sequence[str]) -> Space:
    """Return where each setting of a model is looked for; its default is always among the values.

    Args:
        model: The model with its defaults.
        train: How it is trained by default.
        fixed: Settings that stay as they are.
        node_types: Node types of the store; without `sample` that readout is not tried.
    """
    defaults = default_settings(model, train)
    hints = get_type_hints(type(model), include_extras=False)
    space: Space = {}
    for name, values in {**MODEL_SPACE, **TRAIN_SPACE}.items():
        if name not in defaults or name in fixed:
            continue
        default = defaults[name]
        space[name] = _range_with(values, float(default)) if isinstance(values, Range) else _choices_with(values, default, hints.get(name))
    if "readout" in space and "sample" not in node_types:
        space["readout"] = tuple(value for value in _choices(space["readout"]) if value in (defaults["readout"], "attention", "mean"))
    _make_heads_divide(space, model)
    return {name: values for name, values in space.items() if isinstance(values, Range) or len(values) > 1}


def default_settings(model: FusionModel, train: TrainSettings) -> dict[str, Value]:
    """Return the value of every setting that the tables name and the model has."""
    owned = {setting.name for setting in fields(model)}
    values = {name: getattr(model, name) for name in MODEL_SPACE if name in owned}
    values |= {name: getattr(train, name.removeprefix("train.")) for name in TRAIN_SPACE}
    return {name: value for name, value in values.items() if isinstance(value, int | float | str) and not isinstance(value, bool)}


def apply_settings(section: Mapping[str, Any], train: TrainSettings, settings: Mapping[str, Value]) -> tuple[dict[str, Any], TrainSettings]:
    """Return the model's section and the training with some settings put in."""
    of_model = {name: value for name, value in settings.items() if not name.startswith("train.")}
    of_train = {name.removeprefix("train."): value for name, value in settings.items() if name.startswith("train.")}
    return {**section, **of_model}, replace(train, **of_train)  # type: ignore[arg-type]  # the table gives each its type


def distributions(space: Space) -> "dict[str, BaseDistribution]":
    """Return the space in Optuna's words."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        name: FloatDistribution(values.low, values.high, log=values.log) if isinstance(values, Range) else CategoricalDistribution(values)
        for name, values in space.items()
    }


def to_json(space: Space) -> dict[str, Any]:
    """Return the space as plain JSON."""
    return {
        name: {"low": values.low, "high": values.high, "log": values.log} if isinstance(values, Range) else list(values)
        for name, values in space.items()
    }


def _range_with(values: Range, default: float) -> Range:
    return replace(values, low=min(values.low, default), high=max(values.high, default))


def _choices_with(values: Choices, default: Value, hint: Any) -> Choices:
    """Return the choices that the setting's type allows, and the default."""
    allowed = get_args(hint) if get_origin(hint) is Literal else values
    kept = {value for value in values if value in allowed} | {default}
    return tuple(sorted(kept, key=lambda value: (isinstance(value, str), value)))


def _choices(values: "Range | Choices") -> Choices:
    return () if isinstance(values, Range) else values


def _make_heads_divide(space: Space, model: FusionModel) -> None:
    """Leave only widths that the default heads divide, and heads that divide every width that is left."""
    heads, width = getattr(model, "heads", None), getattr(model, "hidden_channels", None)
    if not isinstance(heads, int) or not isinstance(width, int):
        return
    if "hidden_channels" in space:
        space["hidden_channels"] = tuple(value for value in _choices(space["hidden_channels"]) if int(value) % heads == 0 or value == width)
    if "heads" in space:
        widths = math.gcd(width, *(int(value) for value in _choices(space.get("hidden_channels", ()))))
        space["heads"] = tuple(value for value in _choices(space["heads"]) if widths % int(value) == 0 or value == heads)
