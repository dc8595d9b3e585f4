"""A chunk of rows -> node tables, edge tables and targets: a pure function of (rows, recipe, fitted)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.conversion.fit import Fitted
from graphfuse.conversion.recipe import Recipe
from graphfuse.core.columns import as_texts, cell_text, frame_of
from graphfuse.core.errors import InputError
from graphfuse.core.schema import reverse_edge_type
from graphfuse.core.tables import EdgeTable, Manifest, NodeTable, Rejection, edge_order


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What a chunk of rows became."""

    keep: npt.NDArray[np.bool_]
    """Which rows of the chunk became samples.  [num_rows]"""
    samples: pd.DataFrame
    """One row per sample, as in `samples.parquet`."""
    nodes: dict[str, NodeTable]
    edges: tuple[EdgeTable, ...]
    y: npt.NDArray[Any] | None
    """Targets, or None where the rows have no target column.  [num_samples, ...]"""
    rejections: tuple[Rejection, ...]


def convert_chunk(chunk: Manifest, recipe: Recipe, fitted: Fitted) -> Chunk:
    """Return the graphs of a chunk's rows; rows whose target is present but cannot be used are left out and counted.

    Raises:
        InputError: If a column is missing, or a modality gives features that are not finite.
    """
    # 1. Encode targets; what has no usable one need not be looked at further.
    y, keep, rejections = _targets(chunk, recipe, fitted)
    kept = chunk if keep.all() else chunk.take(keep)
    # 2. Cut and encode.
    nodes: dict[str, NodeTable] = {}
    for modality in recipe.modalities if len(kept) else ():
        table = modality.nodes(kept, fitted.states[recipe.state_name(modality)])
        _check_finite(table)
        nodes[modality.node_type] = table
        rejections += table.rejections
    # 3. Link.
    edges: list[EdgeTable] = []
    for builder in recipe.edges if len(kept) else ():
        forward = builder.edges(nodes, fitted.states.get(recipe.state_name(builder), {}))
        edges += forward
        edges += [_reversed(table) for table in forward if builder.reverse]
        rejections += [rejection for table in forward for rejection in table.rejections]
    # 4. Note what each sample holds.
    samples = _samples(kept, recipe, nodes)
    rejections += _without_content(kept, recipe, nodes)
    return Chunk(keep=keep, samples=samples, nodes=nodes, edges=tuple(edges), y=y, rejections=tuple(rejections))


def _targets(chunk: Manifest, recipe: Recipe, fitted: Fitted) -> tuple[npt.NDArray[Any] | None, npt.NDArray[np.bool_], list[Rejection]]:
    """Return targets of the usable rows, which rows these are, and a rejection per other row."""
    columns = list(fitted.target.columns)
    if not chunk.target or not columns:
        return None, np.ones(len(chunk), dtype=bool), []
    missing = [name for name in columns if name not in chunk.samples]
    if missing:
        raise InputError(f"The table must have the target column '{missing[0][:40]}', or be converted without a target.")
    targets = chunk.samples[columns]
    y, unusable = recipe.task.encode(targets, fitted.target)
    if fitted.target.kind == "regression":
        reason, rule = "not_a_number", "The target must be a finite number"
    else:
        reason, rule = "unknown_class", "The target must be a class of the train rows"
    rejections = [
        chunk.reject(
            row,
            reason,
            f"{rule} (got '{', '.join(cell_text(cell) for cell in targets.iloc[row])[:40]}'). "
            "The row is left out; mend the cell, or empty it to keep the row without a target.",
            column=", ".join(columns),
            dropped=True,
        )
        for row in np.flatnonzero(unusable).tolist()
    ]
    return y[~unusable], ~unusable, rejections


def _check_finite(table: NodeTable) -> None:
    finite = np.isfinite(table.x).all(axis=0)
    if not finite.all():
        raise InputError(
            f"Features of '{table.node_type}' must be finite (got NaN or infinity in channel {int(np.argmin(finite))}). "
            "Clean the column or replace the encoder that they come from."
        )


def _reversed(table: EdgeTable) -> EdgeTable:
    """Return the edges that run the other way, sorted by their destination, with the same weights."""
    order = edge_order(table.index[1], table.index[0])
    return EdgeTable(
        edge_type=reverse_edge_type(table.edge_type),
        index=table.index[::-1, order],
        weight=None if table.weight is None else table.weight[order],
    )


def _samples(kept: Manifest, recipe: Recipe, nodes: dict[str, NodeTable]) -> pd.DataFrame:
    source = kept.samples
    columns: dict[str, Any] = {name: as_texts(source[name]).values.array for name in ("sample_id", "split")}
    columns["source_row"] = source["source_row"].to_numpy(dtype=np.int64)
    columns |= {name: as_texts(source[name]).values.array for name in kept.target if name not in columns}
    if "sample_weight" in source:
        columns["sample_weight"] = source["sample_weight"].array
    counts = {
        modality.node_type: nodes[modality.node_type].counts(len(kept)) if modality.node_type in nodes else np.zeros(0, dtype=np.int64)
        for modality in recipe.modalities
    }
    for modality in recipe.modalities:
        name = f"has_{modality.modality}"
        present = counts[modality.node_type] > 0
        columns[name] = columns[name] | present if name in columns else present
    columns |= {f"num_{node_type}": count for node_type, count in counts.items()}
    return frame_of(columns)


def _without_content(kept: Manifest, recipe: Recipe, nodes: dict[str, NodeTable]) -> list[Rejection]:
    """Return a note per sample that has no node of any content modality; it stays, and is counted."""
    tables = [nodes[name] for name in recipe.content_types if name in nodes]
    if not tables:
        return []
    empty = np.sum([table.counts(len(kept)) for table in tables], axis=0) == 0
    detail = (
        f"A sample should have a node of its own content ({', '.join(recipe.content_types)}); this one has none. "
        "It is kept; remove the row if it means nothing."
    )
    return [kept.reject(row, "no_content", detail) for row in np.flatnonzero(empty).tolist()]
