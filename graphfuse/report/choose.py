"""Which samples a report shows, and their ids in score tables."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.core.columns import places_among
from graphfuse.core.errors import InputError, suggest
from graphfuse.core.given import each_of
from graphfuse.core.schema import TargetSchema
from graphfuse.core.tables import IntArray, ScoreTable
from graphfuse.store.graph_store import GraphStore

UNCERTAIN = "uncertain"
OF_CHANCES = {True: "confident, right", False: "confident, wrong"}
"""Verdicts on predictions that have a probability, by whether they are right."""
OF_ERRORS = {True: "small error", False: "large error"}
"""Verdicts on the others."""
CONFIDENT = 0.7
"""Probability from which a prediction counts as confident, and as uncertain no more."""


def with_sample_ids(table: ScoreTable, store: GraphStore) -> ScoreTable:
    """Return the scores with sample ids where analyses put positions in the store."""
    frame = table.frame.copy()
    of_sample = (frame["sample_id"] != "").to_numpy()
    positions = frame["sample_id"].where(of_sample, "0").to_numpy(dtype=np.int64)
    frame["sample_id"] = store.samples["sample_id"].take(positions).set_axis(frame.index).where(of_sample, "")
    return ScoreTable(frame=frame)


def positions_of(store: GraphStore, sample_ids: tuple[str, ...]) -> IntArray:
    """Return where samples lie in the store.

    Raises:
        InputError: If an id is not in the store; the nearest is offered.
    """
    sample_ids, ids = each_of(sample_ids), store.samples["sample_id"]
    found = places_among(pd.Series(sample_ids, dtype="str"), ids)
    if (found < 0).any():
        name = sample_ids[int(found.argmin())]
        raise InputError(f"A sample must be in the store (got '{name[:40]}'). {suggest(name, ids[:1000])}")
    return found


def true_texts(store: GraphStore, positions: npt.ArrayLike) -> npt.NDArray[np.object_]:
    """Return the target of some samples as people read it: names of classes or labels, else what the table says; "" where there is none."""
    target, y = store.target, store.targets(positions)
    if y is None:
        return np.full(len(np.asarray(positions)), "", dtype=object)
    if target.kind == "classification":
        names: npt.NDArray[np.object_] = np.array([*target.classes, ""], dtype=object)[y]  # -1, the last, has none
        return names
    if target.kind == "multilabel":
        return np.where(np.isnan(y).all(axis=1), "", _label_texts(y == 1, target.classes))
    texts = store.samples[list(target.columns)].iloc[np.asarray(positions)].fillna("").astype("str").to_numpy()
    return np.array([", ".join(row) for row in texts], dtype=object)


def judged(store: GraphStore, predictions: pd.DataFrame, threshold: float = 0.5) -> pd.DataFrame:
    """Return `sample_id`, `prediction`, `truth`, `probability` (of the prediction) and `verdict` of every prediction.

    Right is what equals the target that the task made of the cell; unknown labels do not count. A verdict weighs confidence against
    the other predictions at hand: the upper half of the right ones and of the wrong ones is confident; of the fifth with the least
    confidence those below `CONFIDENT` are uncertain. Regression has no probability: there the smallest and the largest errors (in
    deviations, mean over targets) take the places of right and wrong.

    Args:
        store: Where the samples lie.
        predictions: `sample_id`, `prediction` and, for classes or labels, `probability_<name>`.
        threshold: The probability from which the task predicts a label.
    """
    target, positions = store.target, positions_of(store, tuple(predictions["sample_id"]))
    truth, y = true_texts(store, positions), _known_cells(store, positions)
    # a class that the run does not know has no chance
    chances = predictions.reindex(columns=[f"probability_{name}" for name in target.classes], fill_value=0).to_numpy(dtype=np.float64)
    frame = pd.DataFrame({"sample_id": predictions["sample_id"].to_numpy(), "truth": truth, "prediction": _predicted(predictions)})
    if target.kind == "multilabel":
        chosen = chances >= threshold
        frame["prediction"] = _label_texts(chosen, target.classes)
        score, right = np.where(chosen, chances, 1 - chances).mean(axis=1), ((chosen == y) | np.isnan(y)).all(axis=1)
    elif target.kind == "classification":
        score, right = chances.max(axis=1), frame["prediction"].to_numpy() == truth
    else:
        error = _errors(predictions, y, target)
        right = error <= np.nanmedian(error) if np.isfinite(error).any() else np.zeros(len(frame), dtype=bool)
        score = np.where(right, -error, error)
    frame["probability"] = score if target.classes else np.nan
    frame["verdict"] = _verdicts(score, right, (truth != "") & np.isfinite(score), bool(target.classes))
    frame["_score"] = np.nan_to_num(score)
    return frame


def choose(frame: pd.DataFrame, count: int = 12) -> tuple[str, ...]:
    """Return the ids of a dozen samples worth looking at: the most confident wrong and right ones, and the least confident.

    Args:
        frame: What `judged` gave.
        count: How many.
    """
    parts = []
    for kinds in ((OF_CHANCES[False], OF_ERRORS[False]), (OF_CHANCES[True], OF_ERRORS[True]), (UNCERTAIN,)):
        rising = UNCERTAIN in kinds
        part = frame[frame["verdict"].isin(kinds)].sort_values("_score", ascending=rising, kind="stable")
        # predictions in turns, so that every class is seen
        part = part.assign(_turn=part.groupby("prediction").cumcount())
        parts.append(part.sort_values(["_turn", "_score"], ascending=[True, rising], kind="stable")["sample_id"].tolist())
    rest = frame.loc[frame["verdict"] == "", "sample_id"].tolist()
    # in turns, so that a small share of wrong ones does not leave places empty
    turns = [part[turn] for turn in range(count) for part in parts if turn < len(part)]
    chosen = set([*turns, *rest][:count])
    order = {name: place for place, name in enumerate([*parts[1], *parts[0], *parts[2], *rest])}
    return tuple(sorted(chosen, key=order.__getitem__))


def _known_cells(store: GraphStore, positions: IntArray) -> npt.NDArray[Any]:
    """Return targets as the task encoded them, NaN where the store has none."""
    y = store.targets(positions)
    return np.full((len(positions), 1), np.nan) if y is None else y


def _label_texts(has: npt.NDArray[np.bool_], labels: tuple[str, ...]) -> npt.NDArray[np.object_]:
    """Return the labels that each row has, as people read them."""
    names = np.array(labels, dtype=object)
    return np.array([", ".join(names[row]) or "no labels" for row in has], dtype=object)


def _errors(predictions: pd.DataFrame, y: npt.NDArray[Any], target: TargetSchema) -> npt.NDArray[np.float64]:
    """Return the size of each sample's error in deviations, mean over the targets that are known; NaN where none is.  [num_samples]."""
    names = ["prediction"] if len(target.columns) == 1 else [f"prediction_{name}" for name in target.columns]
    errors = np.abs(predictions[names].to_numpy(dtype=np.float64) - y) / np.array(target.std)
    return pd.DataFrame(errors).mean(axis=1).to_numpy()


def _predicted(predictions: pd.DataFrame) -> pd.Series:
    if "prediction" in predictions:
        column = predictions["prediction"]
    else:  # regression with several targets
        column = predictions.filter(like="prediction_").round(4).astype("str").agg(", ".join, axis=1)
    if pd.api.types.is_float_dtype(column):
        return column.map("{:.4g}".format).reset_index(drop=True).astype("str")
    return column.reset_index(drop=True).astype("str")


def _verdicts(score: np.ndarray, right: np.ndarray, known: np.ndarray, probabilities: bool) -> np.ndarray:
    verdict = np.full(len(score), "", dtype=object)
    for is_right, name in (OF_CHANCES if probabilities else OF_ERRORS).items():
        group = known & (right == is_right)
        if group.any():
            verdict[group & (score >= np.median(score[group]))] = name
    if probabilities and len(score):
        verdict[(score <= np.nanquantile(score, 0.2)) & (score < CONFIDENT)] = UNCERTAIN
    return verdict
