"""Settings of stages that are not plug-ins: conversion, training and comparison."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, MinLen


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """Base of all: unknown settings are refused where settings are checked (`core.build`)."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class TrainSettings(StageSettings):
    """How a network is fitted; the same for every model."""

    epochs: Annotated[int, Ge(1)] = 60
    """Most epochs."""
    patience: Annotated[int, Ge(0)] = 10
    """Epochs without improvement on validation before stopping; 0 never stops early."""
    keep: Literal["best", "last"] = "best"
    """The epoch whose weights are kept: the best on validation, or the last one, where validation rows are too unlike the rows to come.

    With `last`, training never stops early.
    """
    batch_size: Annotated[int, Ge(1)] = 128
    learning_rate: Annotated[float, Gt(0)] = 2e-3
    weight_decay: Annotated[float, Ge(0)] = 1e-4
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup_epochs: Annotated[int, Ge(0)] = 1
    clip_norm: Annotated[float, Ge(0)] = 1.0
    """Largest gradient norm; 0 does not clip."""
    seeds: Annotated[tuple[Annotated[int, Ge(0)], ...], MinLen(1)] = (0,)
    """One network per seed; several give mean and interval."""
    modality_dropout: Mapping[str, Annotated[float, Ge(0), Le(1)]] = field(default_factory=dict)
    """Chance per sample that all nodes of a modality are removed during training, such as `image: 0.3`."""
    contrast: Annotated[float, Ge(0)] = 0.0
    """Weight of a loss by which each sample's modalities find each other among the batch (InfoNCE), for any model; 0 is off."""
    contrast_temperature: Annotated[float, Gt(0)] = 0.1
    """Temperature of that loss: the lower, the more the most alike of the others count."""
    consistency: Annotated[float, Ge(0)] = 0.0
    """Weight of a loss by which predictions without one modality agree with those of all, for any model; 0 is off."""
    threads: Annotated[int, Ge(0)] = 0
    """Torch threads; 0 leaves torch's choice."""
    fast: bool = False
    """Give up repeatable results for speed (deterministic algorithms off); the receipt says so."""
    kernels: Literal["torch", "compiled"] = "torch"
    """What passes messages, drops values and gathers batches on a CPU, and finds similar nodes in conversion: PyTorch and numpy, or loops
    compiled on this machine (needs a C++ compiler; only the last bits of networks differ)."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where networks run, in training and in all that is done with the run: the processor, or an NVIDIA GPU."""


@dataclass(frozen=True, kw_only=True)
class ConvertSettings(StageSettings):
    """How a store is written."""

    shard_size: Annotated[int, Ge(1)] = 4096
    """Samples per shard; also the chunk that one worker converts at a time."""
    dtype: Literal["float16", "float32"] = "float16"
    """Features on disk."""
    fit_samples: Annotated[int, Ge(1)] = 4096
    """Train rows whose node tables are shown to edge builders that fit (a seeded draw)."""


@dataclass(frozen=True, kw_only=True)
class CompareSettings(StageSettings):
    """What is compared, and what else is asked of the models; selection sees validation rows only."""

    models: tuple[str, ...] = ()
    """Rows of the table; left out, all in graphfuse/models and the experiment's own."""
    seeds: Annotated[int, Ge(1)] = 5
    """Networks per row: seeds 0 to seeds - 1."""
    baseline: str | None = None
    """The row that all others are held against; left out, the single modality that is best on validation."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings of single models, such as `gatv2: {heads: 2}`; all take those of the section `model` that they have."""
    resamples: Annotated[int, Ge(99)] = 2000
    """Draws behind each p value and each interval of a difference."""
    controls: bool = False
    """Whether the graph helps: without edges, with shuffled ones, with pictures of other samples, ..."""
    missing: bool = False
    """What is lost where modalities are missing, in test rows, train rows or both."""
    noise: bool = False
    """What is lost where features of one modality are noisy."""
    calibration: bool = True
    """How well stated probabilities agree with what is true (tasks with classes or labels)."""
    groups: tuple[str, ...] = ()
    """Columns of the data set by whose values test results are broken down."""
    examined: tuple[str, ...] = ()
    """Models for controls, missing and noise; left out, the best on validation of those with a graph and of those without."""
    rates: Annotated[tuple[Annotated[float, Gt(0), Le(1)], ...], MinLen(1)] = (0.25, 0.5, 0.75, 1.0)
    """Shares of samples that lose a modality."""
    noise_scales: Annotated[tuple[Annotated[float, Gt(0)], ...], MinLen(1)] = (0.5, 1.0, 2.0)
    """Deviation of the added noise, in deviations of the features."""
    trials: Annotated[int, Ge(0)] = 0
    """Settings tried per model on validation rows before the comparison, the same number for all; 0 takes them as they are."""
