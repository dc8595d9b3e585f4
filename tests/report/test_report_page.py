import re
from dataclasses import replace

import pandas as pd
import pytest
from report_toys import SUMMARY, made_predictions, made_store, made_tables

from graphfuse.core.tables import ScoreTable
from graphfuse.report.charts import dot_plot, figure, panels, worth_rows
from graphfuse.report.collect import collect
from graphfuse.report.data import Curve, Estimate, Link, Metric, Node, Post, Worth
from graphfuse.report.layout import lay_out
from graphfuse.report.page import render, write_report


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    store, pictures = made_store(tmp_path_factory.mktemp("made"))
    return render(collect(store, SUMMARY, made_tables(store), pictures, predictions=made_predictions(store)))


def test_the_page_says_what_the_model_reaches_beside_the_others(page):
    lead = re.sub(r"<[^>]+>|\s+", " ", page[page.index('class="lead"') : page.index("<main>")])
    lead = re.sub(r" +", " ", lead)
    assert "was asked about 1,200 test posts. Its macro F1 is 0.934 (0.919 to 0.948) beside 0.552 for text only" in lead
    assert "The edges it needs most are text span resembles image region" in lead


def test_the_page_says_what_its_intervals_are_and_that_one_seed_has_none(page, tmp_path):
    assert "the line through it is the 95 % interval over its seeds" in page
    store, pictures = made_store(tmp_path / "made", posts=3)
    data = collect(store, SUMMARY, made_tables(store), pictures)
    once = render(replace(data, metrics=(Metric(name="accuracy", models=(("ours", Estimate(value=0.9)),)),)))
    assert "each was trained once, so how much is chance is not known" in once


def test_the_page_says_how_many_edges_of_a_post_were_left_out(page, tmp_path):
    store, pictures = made_store(tmp_path / "made", posts=3)
    tables = made_tables(store)
    tables["occlusion"] = ScoreTable(frame=tables["occlusion"].frame.assign(left_out=1234.0))
    said = render(collect(store, SUMMARY, tables, pictures))
    assert "edges as a list (1,234 more were not scored: the post has more than were removed one at a time)</summary>" in said
    assert "edges as a list</summary>" in page


def test_where_nothing_was_removed_the_page_does_not_say_what_would_follow(page, tmp_path):
    store, pictures = made_store(tmp_path / "made", posts=3)
    tables = {name: table.frame for name, table in made_tables(store).items()}
    edges = tables["occlusion"][tables["occlusion"]["level"] == "edge"].drop(columns="flips")
    looked = ScoreTable(frame=pd.concat([tables["attention"], edges.assign(analysis="attention")], ignore_index=True))
    said = render(collect(store, SUMMARY, {"attention": looked}, pictures))
    assert "by attention; the thicker, the more. That is what the model looks at, which is not always what it needs." in said
    for words in ("Each kind was removed", "speaks for the prediction", "Without it", "less sure", "prediction flips"):
        assert words in page and words not in said


def test_the_page_says_in_which_unit_changes_of_values_and_errors_are(page, tmp_path):
    store, pictures = made_store(tmp_path / "made", posts=3)
    data = collect(store, SUMMARY, made_tables(store), pictures)
    said = render(replace(data, measure="change", fidelity_measure="change"))
    assert "change of predicted value in deviations of the target, 95 % interval" in said
    assert "Error gained<small>in the target’s own unit,<br>with 95 % interval" in said
    assert "the scale is the change of the predicted value in deviations of the target." in said
    assert "the scale is the drop of the predicted class’s probability." in page and "deviations" not in page
    for words in ("a bar to the left of zero", "speaks for the prediction", "less sure"):  # a change of a value has no sign
        assert words in page and words not in said


def test_the_page_allows_and_names_nothing_outside_itself(page):
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in page.replace("&#39;", "'")
    assert not re.findall(r"(?:src|href|action|data|poster|srcset)=\"(?!#|data:)", page.replace('data-link="', ""))
    assert "://" not in page and " style=" not in page and not re.search(r"\son\w+=", page)


def test_the_same_data_gives_the_same_bytes(tmp_path):
    store, pictures = made_store(tmp_path / "made", posts=3)
    for name in ("a", "b"):
        write_report(tmp_path / name, collect(store, SUMMARY, made_tables(store), pictures))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_numbers_are_short_and_have_a_true_minus():
    assert [figure(value) for value in (0.12345, 2.345, 123.45, 12345.6, -0.5, -0.0001, None, float("nan"))] == [
        "0.123",
        "2.35",
        "123.5",
        "12,346",
        "−0.500",
        "0",
        "–",
        "–",
    ]


def test_bars_share_one_scale_and_start_at_zero():
    worths = [
        Worth(name=name, element=name, drop=Estimate(value=value, low=value - 1, high=value + 1))
        for name, value in (("a", 3.0), ("b", -1.0))
    ]
    first, second = worth_rows(worths, 300)
    assert first.drop.zero == second.drop.zero == pytest.approx(100)  # the scale runs from -2 to 4
    assert first.drop.width == pytest.approx(150) and second.drop.x == pytest.approx(50)


def test_one_model_or_equal_values_still_make_a_plot():
    plot = dot_plot(Metric(name="accuracy", models=(("ours", Estimate(value=0.5)),)), 300)
    assert 0 <= plot.dots[0].x <= 300
    assert panels((), 300, 200) == ()
    flat = Curve(side="fidelity_plus", chosen_by="random", points=((0.1, Estimate(value=0.0)),))
    assert len(panels((flat,), 300, 200)) == 2


def spans(*texts):
    return tuple(Node(node_type="text_span", index=i, label=text) for i, text in enumerate(texts))


def test_a_curve_runs_from_the_words_to_the_region():
    region = Node(node_type="image_region", index=0, label="top left", group="0", box=(0.0, 0.0, 0.5, 0.5))
    from graphfuse.report.data import Picture

    post = Post(
        sample_id="a",
        verdict="",
        nodes=(*spans("hello there"), region),
        pictures=(Picture(uri=None, width=400, height=300),),
        links=(Link(kind=0, source=("text_span", 0), target=("image_region", 0), score=1.0, strength=1.0),),
    )
    drawing = lay_out(post)
    curve = drawing.curves[0]
    assert curve.start[0] < 500 < curve.end[0]
    assert drawing.regions[0].x < curve.end[0] < drawing.regions[0].x + drawing.regions[0].width


def test_words_flow_in_lines_and_sentences_stack():
    words = lay_out(Post(sample_id="a", verdict="", nodes=spans(*["word"] * 30)))
    assert len({block.y for block in words.blocks}) < 10
    sentences = lay_out(Post(sample_id="a", verdict="", nodes=spans(*["a sentence of some length stands here"] * 5)))
    assert len({block.y for block in sentences.blocks}) == 5


def test_a_long_text_keeps_the_spans_that_edges_touch():
    links = (Link(kind=0, source=("text_span", 57), target=("text_span", 58), score=1.0, strength=1.0),)
    drawing = lay_out(Post(sample_id="a", verdict="", nodes=spans(*["a sentence of some length stands here"] * 60), links=links))
    assert drawing.hidden_spans == 44
    assert {"text_span-57", "text_span-58"} <= {block.key for block in drawing.blocks}


def test_an_empty_post_is_drawn_without_trouble():
    drawing = lay_out(Post(sample_id="a", verdict=""))
    assert drawing.height > 100 and drawing.curves == ()
