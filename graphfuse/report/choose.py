"""Which samples a report shows, and their ids in score tables."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.core.columns import as_flags, places_among
from graphfuse.core.errors import InputError, suggest
from graphfuse.core.tables import IntArray, ScoreTable
from graphfuse.store.graph_store import GraphStore

VERDICTS = ("confident, wrong", "confident, right", "uncertain")


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
    ids = store.samples["sample_id"]
    found = places_among(pd.Series(sample_ids, dtype="str"), ids)
    if (found < 0).any():
        name = sample_ids[int(found.argmin())]
        raise InputError(f"A sample must be in the store (got '{name[:40]}'). {suggest(name, ids[:1000])}")
    return found


def true_texts(store: GraphStore, positions: npt.ArrayLike | None = None) -> npt.NDArray[np.object_]:
    """Return the target of some samples (None: of all) as people read it, "" where there is none."""
    samples = store.samples if positions is None else store.samples.iloc[np.asarray(positions)]
    columns = [name for name in store.target.columns if name in samples]
    if store.target.kind == "multilabel" and len(columns) > 1:  # a column of 0 and 1 per label: name those it has
        flags = np.column_stack([as_flags(samples[name]).values for name in columns])
        return np.array([",".join(np.array(columns)[row == 1]) for row in flags], dtype=object)
    texts = samples[columns].fillna("").astype("str").to_numpy()
    return np.array([", ".join(row) for row in texts], dtype=object)


def judged(store: GraphStore, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return `sample_id`, `prediction`, `truth`, `probability` (of the prediction) and `verdict` of every prediction.

    A verdict weighs confidence against the other predictions at hand: the upper half of the right ones and of the wrong
    ones is confident; the fifth with the least confidence is uncertain. Regression has no probability: there the smallest
    and the largest errors take the places of right and wrong.

    Args:
        store: Where the samples lie.
        predictions: `sample_id`, `prediction` and, for classes or labels, `probability_<name>`.
    """
    truth = true_texts(store, positions_of(store, tuple(predictions["sample_id"])))
    frame = pd.DataFrame({"sample_id": predictions["sample_id"].to_numpy(), "truth": truth})
    frame["prediction"] = _predicted(predictions)
    probability = predictions.filter(like="probability_").to_numpy(dtype=np.float64)
    if probability.shape[1]:
        best = probability if store.target.kind == "multilabel" else probability.max(axis=1, keepdims=True)
        frame["probability"] = np.maximum(best, 1 - best).mean(axis=1) if store.target.kind == "multilabel" else best[:, 0]
        score, right = frame["probability"].to_numpy(), frame["prediction"].to_numpy() == truth
    else:
        frame["probability"] = np.nan
        true, predicted = (pd.to_numeric(frame[name], errors="coerce") for name in ("truth", "prediction"))
        error = (true - predicted).abs().to_numpy(dtype=np.float64)
        right = error <= np.nanmedian(error) if np.isfinite(error).any() else np.zeros(len(frame), dtype=bool)
        score = np.where(right, -error, error)
    frame["verdict"] = _verdicts(score, right, (truth != "") & np.isfinite(score), bool(probability.shape[1]))
    frame["_score"] = np.nan_to_num(score)
    return frame


def choose(frame: pd.DataFrame, count: int = 12) -> tuple[str, ...]:
    """Return the ids of a dozen samples worth looking at: the most confident wrong and right ones, and the least confident.

    Args:
        frame: What `judged` gave.
        count: How many.
    """
    parts = []
    for verdict in VERDICTS:
        rising = verdict == "uncertain"
        part = frame[frame["verdict"] == verdict].sort_values("_score", ascending=rising, kind="stable")
        # predictions in turns, so that every class is seen
        part = part.assign(_turn=part.groupby("prediction").cumcount())
        parts.append(part.sort_values(["_turn", "_score"], ascending=[True, rising], kind="stable")["sample_id"].tolist())
    rest = frame.loc[frame["verdict"] == "", "sample_id"].tolist()
    # in turns, so that a small share of wrong ones does not leave places empty
    turns = [part[turn] for turn in range(count) for part in parts if turn < len(part)]
    chosen = set([*turns, *rest][:count])
    order = {name: place for place, name in enumerate([*parts[1], *parts[0], *parts[2], *rest])}
    return tuple(sorted(chosen, key=order.__getitem__))


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
    for group, name in ((known & right, "confident, right"), (known & ~right, "confident, wrong")):
        if group.any():
            verdict[group & (score >= np.median(score[group]))] = name
    if probabilities and len(score):
        verdict[score <= np.nanquantile(score, 0.2)] = "uncertain"
    return verdict
