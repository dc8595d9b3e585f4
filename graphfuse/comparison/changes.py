"""Named changes of a store: plain JSON -> the store as it would be without edges, with pictures from other samples, with noise ...

Every change is a function of (seed, position in the store): a sample is changed alike alone and in any company.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.comparison.edge_changes import fully_connected, shuffled_edges, without_edges
from graphfuse.comparison.feature_changes import (
    draw_donors,
    measure_scales,
    node_types_of,
    with_features_of,
    with_missing,
    with_noise,
    with_nothing_but_noise,
)
from graphfuse.core.build import check
from graphfuse.core.errors import ConfigError, suggest
from graphfuse.core.schema import GraphSchema, edge_name, parse_edge_name
from graphfuse.core.tables import SPLITS
from graphfuse.store.changed import Change, ChangedStore, without_modalities
from graphfuse.store.graph_store import GraphStore, open_store

Share = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, kw_only=True)
class StoreChange:
    """What is changed, in the order in which it is done; nothing unless it is set."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    remove_modalities: tuple[str, ...] = ()
    """Modalities whose nodes, and all edges to them, are taken out."""
    missing: Mapping[str, Share] = field(default_factory=dict)
    """Share of the samples that lack a modality, such as `image: 0.5`; nested over shares."""
    splits: tuple[Literal["train", "validation", "test"], ...] = SPLITS  # type: ignore[assignment]  # the three words
    """Splits in which `missing` applies."""
    swap: str | None = None
    """A modality whose features come from another sample of the same split; nodes and edges stay."""
    noise: Mapping[str, Annotated[float, Ge(0)]] = field(default_factory=dict)
    """Gaussian noise added to a modality, in deviations of each feature over the train rows."""
    replace: tuple[str, ...] = ()
    """Modalities whose features become noise of the same mean and deviation."""
    remove_edge_kinds: tuple[str, ...] = ()
    """Kinds of edges that are taken out, with their reverses, such as `text_span__may_match__image_region`."""
    edges: Literal["none", "shuffled", "full"] | None = None
    """All edges taken out, led to other nodes of their sample, or drawn between all pairs of their types."""
    seed: Annotated[int, Ge(0)] = 0


def changed_store(path: Path | str, description: Mapping[str, Any]) -> ChangedStore:
    """Open a store seen through a change.

    Args:
        path: The store's folder.
        description: Settings of `StoreChange` as plain JSON, such as `{"edges": "shuffled", "seed": 1}`; runs keep it as it stands.

    Raises:
        ConfigError: If a part of the description is unknown, or names a modality or kind of edge that the store has not.
        InputError: If there is no such store.
    """
    change = check(StoreChange, description, "change")
    plain = open_store(path)
    check_names(change, plain.schema)
    return ChangedStore(Path(path), partial(_apply, tuple(_steps(change, plain))), dict(description))


def join_changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of both changes together: lists are joined, of all else the second one's holds."""
    joined = {**first, **second}
    for key in ("remove_modalities", "replace", "remove_edge_kinds"):
        if key in first and key in second:
            joined[key] = list(dict.fromkeys([*first[key], *second[key]]))
    return joined


def check_names(change: StoreChange, schema: GraphSchema) -> None:
    """Check that every modality and kind of edge is one of the schema's.

    Raises:
        ConfigError: With every name that is not.
    """
    modalities = set(schema.modality_by_node_type.values())
    kinds = {edge_name(edge_type) for edge_type in schema.edge_types}
    named = {
        "remove_modalities": (change.remove_modalities, modalities),
        "missing": (change.missing, modalities),
        "swap": ([] if change.swap is None else [change.swap], modalities),
        "noise": (change.noise, modalities),
        "replace": (change.replace, modalities),
        "remove_edge_kinds": (change.remove_edge_kinds, kinds),
    }
    problems = [
        f"change.{key}: '{name[:60]}' is not in this store. {suggest(name, known)}"
        for key, (names, known) in named.items()
        for name in names
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)


def _apply(steps: tuple[Change, ...], batch: Batch) -> Batch:
    for step in steps:
        batch = step(batch)
    return batch


def _steps(change: StoreChange, plain: GraphStore) -> Iterator[Change]:
    """Yield what is done to a batch, one after the other; nodes first, so that edges see what is left."""
    schema, seed = plain.schema, change.seed
    if change.remove_modalities:
        yield partial(without_modalities, modality_by_node_type=schema.modality_by_node_type, modalities=change.remove_modalities)
    if change.missing:
        yield partial(with_missing, schema=schema, rates=change.missing, included=_in_splits(plain, change.splits), seed=seed)
    if change.swap is not None:
        yield partial(with_features_of, plain=plain, donors=draw_donors(plain, change.swap, seed))
    if change.noise:
        amounts = {name: change.noise[schema.modality_by_node_type[name]] for name in node_types_of(schema, change.noise)}
        yield partial(with_noise, amounts=amounts, scales=measure_scales(plain, amounts), seed=seed)
    if change.replace:
        yield partial(with_nothing_but_noise, scales=measure_scales(plain, node_types_of(schema, change.replace)), seed=seed)
    if change.remove_edge_kinds:
        yield partial(without_edges, kinds=tuple(parse_edge_name(name) for name in change.remove_edge_kinds))
    if change.edges is not None:
        yield _edge_step(change.edges, schema, seed)


def _edge_step(edges: str, schema: GraphSchema, seed: int) -> Callable[[Batch], Batch]:
    if edges == "none":
        return partial(without_edges, kinds=schema.edge_types)
    return partial(shuffled_edges, schema=schema, seed=seed) if edges == "shuffled" else fully_connected


def _in_splits(store: GraphStore, splits: tuple[str, ...]) -> Tensor:
    """Return which samples are in some splits.  [num_samples]."""
    return torch.from_numpy(store.samples["split"].isin(splits).to_numpy(dtype=bool, copy=True))
