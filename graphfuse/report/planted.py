"""How well an analysis finds the edges that were planted in made posts."""

from pathlib import Path

import pandas as pd

from graphfuse.core.tables import ScoreTable
from graphfuse.report.ranking import roc_auc_of_edges
from graphfuse.store.frames import read_frame


def auc_of_planted(scores: Path, planted: Path) -> float:
    """Return `roc_auc_of_edges` of an analysis of made posts, whose answer is known.

    Args:
        scores: The Parquet file of an analysis.
        planted: `planted.csv` beside the made posts; its sentences are text spans, its cells picture regions.
    """
    truth = pd.read_csv(planted, dtype={"post_id": "str"}).rename(columns={"post_id": "sample_id", "sentence": "source", "cell": "target"})
    return roc_auc_of_edges(ScoreTable(frame=read_frame(scores)), truth.assign(element="text_span__may_match__image_region"))
