"""How well an analysis finds the edges that were planted in made posts."""

from pathlib import Path

import pandas as pd

from graphfuse.core.errors import InputError
from graphfuse.core.tables import ScoreTable
from graphfuse.store.frames import read_frame

EDGE = ["sample_id", "element", "source", "target"]


def auc_of_planted(scores: Path, planted: Path) -> float:
    """Return `roc_auc_of_edges` of an analysis of made posts, whose answer is known.

    Args:
        scores: The Parquet file of an analysis.
        planted: `planted.csv` beside the made posts; its sentences are text spans, its cells picture regions.
    """
    truth = pd.read_csv(planted, dtype={"post_id": "str"}).rename(columns={"post_id": "sample_id", "sentence": "source", "cell": "target"})
    return roc_auc_of_edges(ScoreTable(frame=read_frame(scores)), truth.assign(element="text_span__may_match__image_region"))


def roc_auc_of_edges(table: ScoreTable, truth: pd.DataFrame) -> float:
    """Return the chance that a planted edge is scored above one that is not (ROC AUC, ties count half).

    Compared are the edges of the kinds and samples that the truth names.

    Args:
        table: Rows of level `edge`.
        truth: The planted edges: `sample_id`, `element`, `source`, `target`.

    Raises:
        InputError: If there are not both planted and other edges to compare.
    """
    frame = table.frame
    frame = frame[(frame["level"] == "edge") & frame["element"].isin(truth["element"]) & frame["sample_id"].isin(truth["sample_id"])]
    planted = pd.MultiIndex.from_frame(frame[EDGE]).isin(pd.MultiIndex.from_frame(truth[EDGE]))
    if not planted.any() or planted.all():
        raise InputError(
            f"A ranking needs planted edges and others among the scored (got {int(planted.sum())} planted of {len(frame)}). "
            "Check that sample ids and edge names of scores and truth agree."
        )
    # the normalised Mann-Whitney statistic
    ranks = frame["score"].rank().to_numpy()
    count = int(planted.sum())
    return float((ranks[planted].sum() - count * (count + 1) / 2) / (count * (len(frame) - count)))
