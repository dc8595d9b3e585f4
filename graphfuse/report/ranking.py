"""How well scores rank edges whose truth is known."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.core.errors import InputError
from graphfuse.core.tables import ScoreTable

EDGE = ["sample_id", "element", "source", "target"]


def roc_auc_of_edges(table: ScoreTable, truth: pd.DataFrame, *, per_sample: bool = False) -> float:
    """Return the chance that a planted edge is scored above one that is not (ROC AUC, ties count half).

    Compared are the edges of the kinds and samples that the truth names.

    Args:
        table: Rows of level `edge`.
        truth: The planted edges: `sample_id`, `element`, `source`, `target`.
        per_sample: Take the mean of each sample's own AUC instead of ranking all edges together.

    Raises:
        InputError: If there are not both planted and other edges to compare.
    """
    frame = table.frame
    frame = frame[(frame["level"] == "edge") & frame["element"].isin(truth["element"]) & frame["sample_id"].isin(truth["sample_id"])]
    planted = pd.MultiIndex.from_frame(frame[EDGE]).isin(pd.MultiIndex.from_frame(truth[EDGE]))
    score = frame["score"].to_numpy()
    if not planted.any() or planted.all():
        raise InputError(
            f"A ranking needs planted edges and others among the scored (got {int(planted.sum())} planted of {len(frame)}). "
            "Check that sample ids and edge names of scores and truth agree."
        )
    if not per_sample:
        return _auc(score, planted)
    groups = pd.Series(np.arange(len(frame))).groupby(frame["sample_id"].to_numpy(), sort=True).indices.values()
    ranked = [_auc(score[rows], planted[rows]) for rows in groups if 0 < planted[rows].sum() < len(rows)]
    if not ranked:
        raise InputError("A ranking per sample needs a sample with planted edges and others (got none). Rank all edges together.")
    return float(np.mean(ranked))


def _auc(score: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """Return the normalised Mann-Whitney statistic."""
    ranks = pd.Series(score).rank().to_numpy()
    count = int(positive.sum())
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(score) - count)))
