import re

import pandas as pd
import pytest
from report_toys import SUMMARY, made_store

from graphfuse.core.tables import ScoreTable
from graphfuse.report.collect import collect
from graphfuse.report.page import render
from graphfuse.report.retrieval import found_partners

COLUMNS = ["level", "sample_id", "element", "score", "low", "high", "chance", "query", "partner", "count"]


@pytest.fixture
def scores():
    rows = [("modality", "a", "text", 0.5, None, None, None, "text", "image", 1200)]
    for query, partner, found in (("text", "image", 0.25), ("image", "text", 0.5)):
        rows += [
            ("model", "", "recall_at_1", found, found - 0.01, found + 0.01, 0.001, query, partner, 1200),
            ("model", "", "recall_at_5", found + 0.2, found + 0.19, found + 0.21, 0.004, query, partner, 1200),
            ("model", "", "mean_average_precision", found + 0.1, found + 0.09, found + 0.11, 0.006, query, partner, 1200),
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_every_direction_has_its_recall_and_precision(scores):
    first, second = found_partners(scores)
    assert (first.query, first.partner, first.count) == ("text", "image", 1200)
    assert [(k, round(share.value, 2)) for k, share in first.recall] == [(1, 0.25), (5, 0.45)]
    assert second.mean_average_precision.low == pytest.approx(0.59)
    assert second.chance == 0.006


def test_without_the_analysis_or_without_pairs_there_is_nothing(scores):
    assert found_partners(None) == found_partners(scores.iloc[:0]) == ()


def test_the_page_shows_a_line_per_direction_and_no_section_without(scores, tmp_path):
    store, _ = made_store(tmp_path / "made", posts=3)
    page = render(collect(store, SUMMARY, {"retrieval": ScoreTable(frame=scores)}, None))
    section = page[page.index('id="partners-title"') :]
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section[: section.index("</section>")]))
    assert "text to image 0.250 0.240 to 0.260 0.450 0.440 to 0.460 0.350 0.340 to 0.360 0.006 1,200" in words
    assert "partners-title" not in render(collect(store, SUMMARY, {}, None))
