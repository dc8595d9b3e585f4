import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from graphfuse.core.errors import InputError
from graphfuse.core.tables import ScoreTable
from graphfuse.report.planted import roc_auc_of_edges


def table(scores):
    frame = pd.DataFrame(scores, columns=["sample_id", "element", "source", "target", "score"])
    return ScoreTable(frame=frame.assign(analysis="occlusion", level="edge"))


SCORES = [
    ("a", "k", 0, 0, 0.9),
    ("a", "k", 0, 1, 0.2),
    ("a", "k", 1, 1, 0.3),
    ("b", "k", 0, 0, 0.1),
    ("b", "k", 0, 1, 0.1),
    ("a", "other", 0, 0, 5.0),
]
TRUTH = pd.DataFrame([("a", "k", 0, 0), ("b", "k", 0, 1)], columns=["sample_id", "element", "source", "target"])


def test_the_auc_is_that_of_the_edges_of_the_planted_kinds():
    expected = roc_auc_score([1, 0, 0, 0, 1], [0.9, 0.2, 0.3, 0.1, 0.1])
    assert roc_auc_of_edges(table(SCORES), TRUTH) == pytest.approx(expected)


def test_ids_that_do_not_agree_are_named_as_the_likely_cause():
    with pytest.raises(InputError, match=r"got 0 planted of 3.*Check that sample ids"):
        roc_auc_of_edges(table(SCORES[:3]), TRUTH.assign(source=7))
