"""Settings of stages that are not plug-ins: training and conversion."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a network is fitted; the same for every model."""

    epochs: Annotated[int, Ge(1)] = 60
    """Most epochs."""
    patience: Annotated[int, Ge(0)] = 10
    """Epochs without improvement on validation before stopping; 0 never stops early."""
    keep: Literal["best", "last"] = "best"
    """The epoch whose weights are kept: the best on validation, or the last, where validation rows are too unlike the rows to come."""
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
    threads: Annotated[int, Ge(0)] = 0
    """Torch threads; 0 leaves torch's choice."""
    fast: bool = False
    """Give up repeatable results for speed (deterministic algorithms off); the receipt says so."""


@dataclass(frozen=True, kw_only=True)
class ConvertSettings:
    """How a store is written."""

    shard_size: Annotated[int, Ge(1)] = 4096
    """Samples per shard; also the chunk that one worker converts at a time."""
    dtype: Literal["float16", "float32"] = "float16"
    """Features on disk."""
    fit_samples: Annotated[int, Ge(1)] = 4096
    """Train rows whose node tables are shown to edge builders that fit (a seeded draw)."""
