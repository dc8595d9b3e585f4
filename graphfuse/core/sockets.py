"""The sockets: what a plug-in of each room must give.

A plug-in is one file with one frozen, keyword-only dataclass that inherits from a socket. Its fields are its settings.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy.typing as npt
import pandas as pd

from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import EdgeType, GraphSchema, TargetKind, TargetSchema
from graphfuse.core.tables import EdgeTable, FloatArray, Manifest, NodeTable, ScoreTable, State

if TYPE_CHECKING:  # torch and PIL are heavy; sockets only name them
    from PIL.Image import Image
    from torch import Tensor, nn

    from graphfuse.nn.fusion import Decision, FusionModule, FusionNetwork


Rows = pd.DataFrame | Iterable[Mapping[str, Any]]
"""Rows that a program holds: a frame, or one mapping of column to cell per row."""


class RowReader(Protocol):
    """Turns rows that a program holds into a manifest."""

    def __call__(self, rows: Rows, *, users: Rows | None = None, interactions: Rows | None = None) -> Manifest:
        """Return the manifest of some rows; linked tables that are not given are those that lie on disk."""


class Plugin(ABC):  # noqa: B024  (what the sockets share is not a method)
    """Base of all sockets: unknown settings are refused where settings are checked (`core.build`)."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Dataset(Plugin):
    """Raw files -> manifest."""

    @abstractmethod
    def manifest(self, folder: Path) -> Manifest:
        """Read and check the raw files; relative paths are relative to `folder` (the experiment file's)."""

    @abstractmethod
    def for_prediction(self, table: Path) -> "Dataset":
        """Return this data set reading `table` instead, without target or split."""

    def for_rows(self, folder: Path) -> RowReader:
        """Return what turns rows that a program holds into a manifest, without target or split; other files lie in `folder`.

        Raises:
            ConfigError: If this data set has no such way.
        """
        raise ConfigError(f"{type(self).__name__} cannot read rows from memory. Write them to a file and give that to predict.")

    def picture_folder(self, folder: Path) -> Path | None:
        """Return the folder that picture paths are relative to, without reading anything; None if it is not there."""
        return None


@dataclass(frozen=True, kw_only=True)
class TextEncoder(Plugin):
    """Texts and spans -> vectors; frozen and deterministic."""

    imports: ClassVar[str] = ""
    """A module that takes long to import and that only encoding needs: worker processes are given it ready."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Return the width of the vectors: a setting where it can be chosen, else what the weights have."""

    @abstractmethod
    def encode(self, texts: Sequence[str], spans: Sequence[npt.NDArray[Any]]) -> list[FloatArray]:
        """Return one array [num_spans, channels] per text; `spans[i]` is int64 [num_spans, 2] of character offsets.

        One pass per text, pooled per span; a span sees its whole text where the encoder is contextual.
        """

    def identity(self) -> str:
        """Return what the vectors depend on besides the content: name, settings, revision (cache key)."""
        return repr(self)


@dataclass(frozen=True, kw_only=True)
class ImageEncoder(Plugin):
    """Pictures and boxes -> vectors; frozen and deterministic."""

    imports: ClassVar[str] = ""
    """A module that takes long to import and that only encoding needs: worker processes are given it ready."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Return the width of the vectors: a setting where it can be chosen, else what the weights have."""

    @abstractmethod
    def encode(self, pictures: "Sequence[Image]", boxes: Sequence[FloatArray]) -> list[FloatArray]:
        """Return one array [num_boxes, channels] per RGB picture; boxes are [num_boxes, 4] as x0, y0, x1, y1 fractions.

        One backbone pass per picture, pooled per box.
        """

    def identity(self) -> str:
        """Return what the vectors depend on besides the content: name, settings, revision (cache key)."""
        return repr(self)


@dataclass(frozen=True, kw_only=True)
class Modality(Plugin):
    """A chunk of the manifest -> nodes of one type."""

    modality: ClassVar[str]
    """The modality's name: `text`, `image`, `user`, `interaction`, `sample`."""
    node_type: ClassVar[str]

    def fit(self, manifest: Manifest) -> State:
        """Learn what conversion needs from train rows (`manifest` holds no others)."""
        return {}

    @abstractmethod
    def channels(self, state: State) -> int:
        """Return the feature width of this modality's nodes."""

    @abstractmethod
    def nodes(self, chunk: Manifest, state: State) -> NodeTable:
        """Cut the chunk's rows into units and encode them: a pure function of (rows, settings, state)."""

    def entities(self, manifest: Manifest, state: State) -> FloatArray | None:
        """Return the features of all shared entities [num_entities, channels], or None if nodes are not shared."""
        return None


@dataclass(frozen=True, kw_only=True)
class EdgeBuilder(Plugin):
    """Node tables of a chunk -> edges."""

    scope: ClassVar[Literal["sample", "corpus"]] = "sample"
    reverse: bool = True
    """Add, for every edge, the edge that runs the other way (`rev_` + relation)."""

    @abstractmethod
    def edge_types(self, node_types: Sequence[str]) -> tuple[EdgeType, ...]:
        """Return the (forward) edge types this builder can make, given the node types that exist."""

    def needs_fit(self) -> bool:
        """Return whether `fit` must see node tables of train rows."""
        return False

    def fit(self, tables: Mapping[str, NodeTable]) -> State:
        """Learn from node tables of train rows."""
        return {}

    @abstractmethod
    def edges(self, tables: Mapping[str, NodeTable], state: State) -> list[EdgeTable]:
        """Return one table per type of `edge_types`, in that order; reverse edges are added by the conversion."""


@dataclass(frozen=True, kw_only=True)
class FusionModel(Plugin):
    """Graph schema -> a network that fuses a batch into one embedding per sample."""

    stage: ClassVar[Literal["early", "intermediate", "late", "kernel", "graph"]]
    """Where it fuses: features, what networks make of them, decisions, kernels, or nodes along edges."""

    @abstractmethod
    def module(self, schema: GraphSchema, decision: "Decision") -> "FusionModule":
        """Return the network: its parameters are drawn from torch's global generator.

        Args:
            schema: What a batch may hold.
            decision: What is to be decided, for models that decide themselves; the others leave it to the task's head.
        """


@dataclass(frozen=True, kw_only=True)
class Task(Plugin):
    """Targets, loss, predictions and metrics."""

    kind: ClassVar[TargetKind]
    """The kind of target it makes, so that a store made for another task is refused."""

    @abstractmethod
    def fit(self, targets: pd.DataFrame) -> TargetSchema:
        """Learn classes, counts or scale from the target columns of train rows."""

    @abstractmethod
    def encode(self, targets: pd.DataFrame, schema: TargetSchema) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return `y` [num_samples, ...] and a mask of rows whose target is present but cannot be used."""

    @abstractmethod
    def out_channels(self, schema: TargetSchema) -> int:
        """Return the number of logits per sample."""

    @abstractmethod
    def criterion(self, schema: TargetSchema) -> "nn.Module":
        """Return a module (logits, y, sample_weight=None) -> mean loss over the rows that have a target.

        `sample_weight` [num_samples] is given only where the data set weighs its rows.
        """

    @abstractmethod
    def predictions(self, logits: "Tensor", schema: TargetSchema) -> pd.DataFrame:
        """Return one row per sample: `prediction` and `probability_<class>` (or the value)."""

    @abstractmethod
    def metrics(self, logits: "Tensor", y: "Tensor", schema: TargetSchema) -> dict[str, float]:
        """Return the metrics over the rows that have a target, under the field's names."""

    def combine(self, logits: "Sequence[Tensor]") -> "Tensor":
        """Return the logits [num_samples, num_logits] of several networks together; the mean, unless a task knows better."""
        return logits[0] if len(logits) == 1 else sum(logits[1:], start=logits[0]) / len(logits)

    @property
    def threshold(self) -> float:
        """Return the probability from which a label is predicted, of tasks that predict any number of them."""
        return 0.5

    @property
    @abstractmethod
    def monitor(self) -> str:
        """Return the metric that selects the best epoch on validation, `-` in front if lower is better."""


@dataclass(frozen=True, kw_only=True)
class Analysis(Plugin):
    """A trained network and batches -> scores."""

    @abstractmethod
    def scores(self, network: "FusionNetwork", batches: Iterable[Any]) -> ScoreTable:
        """Return one row per scored element; `network` is in eval mode."""
