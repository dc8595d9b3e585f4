"""Results by group: how good a model is on the test rows of each event, language, or author of some activity.

A group is a value of one column of the data set. A store keeps ids, splits and targets of its samples but not their other
columns, so the raw table is read once more (`read_groups`) and its rows are found by their id.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from graphfuse.core.build import build
from graphfuse.core.columns import as_numbers, as_texts, as_times, is_missing
from graphfuse.core.errors import ConfigError, suggest
from graphfuse.core.schema import TargetSchema
from graphfuse.core.sockets import Task
from graphfuse.core.tables import Manifest
from graphfuse.nn.losses import labelled
from graphfuse.store.graph_store import GraphStore
from graphfuse.training.predict import Outputs
from graphfuse.training.summary import interval

ACTIVITY = "author_activity"
"""Group that is no column: how many rows of the data set the row's author has."""
UNKNOWN, OTHERS = "(empty)", "(others)"
"""Groups that are no value; in brackets, since `unknown` and `others` may be values."""
MOST_GROUPS = 20
"""Groups that are told apart; smaller ones are `(others)`."""
FEW_NUMBERS = 10
"""Different numbers up to which each is a group of its own (a class, a flag); more are cut at quartiles."""


def read_groups(
    store: GraphStore, dataset: dict[str, Any], folder: Path, columns: Sequence[str], allowed: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Return the group of each sample of a store in each column, as text.  [num_samples, num_columns].

    Args:
        store: The store.
        dataset: The experiment's section `dataset`, from which the store was converted.
        folder: What relative paths of the data set are relative to.
        columns: Columns of the raw table, canonical ones (`group`, `user_id`, `time`), or `author_activity`.
        allowed: Packages outside graphfuse that may be imported.

    Raises:
        ConfigError: If there is no such column; all of them at once.
        InputError: If the data set cannot be read any more.
    """
    manifest = build("datasets", dataset, "dataset", allowed).manifest(folder)
    known = [*manifest.samples.columns, *([ACTIVITY] if "user_id" in manifest.samples else [])]
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise ConfigError(
            [f"compare.groups: the data set has no column '{name[:40]}'. {suggest(name, map(str, known))}" for name in unknown]
        )
    row = pd.Index(manifest.samples["sample_id"]).get_indexer(pd.Index(store.samples["sample_id"]))
    return pd.DataFrame({name: name_groups(_of_samples(_column(manifest, name), row), store.samples["split"]) for name in columns})


def name_groups(values: pd.Series, split: pd.Series) -> pd.Series:
    """Return the group of each sample: the value itself, or, where there are many numbers or times, between which quartiles it lies.

    Quartiles are those of the train rows. Where there are many texts, those that are rare among the test rows are `(others)`; an empty
    cell is `(empty)`.

    Args:
        values: Cells as they were read.  [num_samples]
        split: `train`, `validation` or `test`.  [num_samples]
    """
    for parsed, name in ((as_numbers(values), _number), (as_times(values), _day)):
        readable = not (parsed.bad.any() or parsed.missing.all())
        if readable and len(np.unique(parsed.values[~parsed.missing])) > FEW_NUMBERS:
            return _between_quartiles(parsed.values, (split == "train").to_numpy(), name)
    texts = as_texts(values).values.str.strip().mask(is_missing(values), UNKNOWN).reset_index(drop=True)
    counts = texts[(split == "test").to_numpy()].value_counts()
    # by name where equally frequent, so that the order of rows does not matter
    frequent = sorted(set(texts), key=lambda text: (-counts.get(text, 0), text))[:MOST_GROUPS]
    return texts.where(texts.isin([*frequent, UNKNOWN]), OTHERS)


def measure_groups(
    name: str, outputs: Sequence[Outputs], groups: pd.Series, task: Task, target: TargetSchema, metric: str
) -> list[dict[str, Any]]:
    """Return the entries of `groups` in `comparison.json` for one row of the comparison and one column.

    Args:
        name: The row.
        outputs: What its networks gave for the test rows, one or more networks each.
        groups: The group of each sample of the store, named by its column (`read_groups`).  [num_samples_of_store]
        task: The task.
        target: What is predicted.
        metric: One of the task's metrics.

    Returns:
        Per group with test rows that have a target, in the order of their names: `name`, `column`, `group`, `rows` (with a target), and
        `mean`, `low`, `high` of the metric over seeds, None where it is undefined in so few rows.
    """
    if not outputs:
        return []
    # all networks saw the same rows in the same order
    y, here = outputs[0].targets(), groups.iloc[outputs[0].positions.numpy()].to_numpy()
    logits = [one for output in outputs for one in output.logits]
    entries = []
    for group in sorted(set(here), key=_order):
        rows = np.flatnonzero((here == group) & labelled(y).numpy())
        if len(rows):
            figures = _over_seeds(task, target, metric, [one[rows] for one in logits], y[rows])
            entries.append({"name": name, "column": str(groups.name), "group": group, "rows": len(rows), **figures})
    return entries


def _over_seeds(task: Task, target: TargetSchema, metric: str, logits: list[Tensor], y: Tensor) -> dict[str, Any]:
    values = [task.metrics(one, y, target).get(metric) for one in logits]
    if all(value is None for value in values):
        return {"mean": None, "low": None, "high": None}
    found = interval(values)
    return {key: found[key] for key in ("mean", "low", "high")}


def _column(manifest: Manifest, name: str) -> pd.Series:
    samples = manifest.samples
    if name == "time":  # seconds since 1970, which nobody reads
        return pd.to_datetime(samples[name], unit="s").dt.strftime("%Y-%m-%dT%H:%M:%S")
    if name in samples:
        return samples[name]
    authors = samples["user_id"]
    return authors.map(authors.value_counts()).where(authors != "")


def _of_samples(column: pd.Series, row: npt.NDArray[np.intp]) -> pd.Series:
    """Return the cells of the store's samples; nothing where the table has no such row any more."""
    return column.reset_index(drop=True).astype(object).reindex(row)


def _between_quartiles(values: npt.NDArray[np.float64], train: npt.NDArray[np.bool_], name: Callable[[float], str]) -> pd.Series:
    """Return `1. up to ...` and so on; numbered, so that names are in the order of the values."""
    known = values[train & ~np.isnan(values)]
    cuts = np.unique(np.quantile(known, [0.25, 0.5, 0.75], method="inverted_cdf")) if len(known) else np.zeros(0)
    names = [f"{number}. {text}" for number, text in enumerate(_ranges([name(cut) for cut in cuts]), start=1)]
    part = np.searchsorted(cuts, values)  # a cut belongs below it
    return pd.Series(np.where(np.isnan(values), UNKNOWN, np.array(names, dtype=object)[np.minimum(part, len(cuts))]), dtype="str")


def _ranges(cuts: list[str]) -> list[str]:
    """Return `up to a`, `above a up to b`, ..., `above c`."""
    if not cuts:
        return ["all"]
    between = [f"above {low} up to {high}" for low, high in pairwise(cuts)]
    return [f"up to {cuts[0]}", *between, f"above {cuts[-1]}"]


def _number(value: float) -> str:
    return f"{value:.10g}"


def _day(seconds: float) -> str:
    return pd.Timestamp(seconds, unit="s").date().isoformat()


def _order(group: str) -> tuple[bool, float, str]:
    """Return a key: numbers in their order, then other groups by name, those that are no value last."""
    number = as_numbers(pd.Series([group], dtype="str")).values[0]
    return group in (UNKNOWN, OTHERS), np.inf if np.isnan(number) else number, group
