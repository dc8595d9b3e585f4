from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from report_toys import RESEMBLES, SCHEMA, SUMMARY, made_predictions, made_store, made_tables

from graphfuse.core.errors import InputError
from graphfuse.core.tables import ScoreTable
from graphfuse.report.choose import choose, judged, with_sample_ids
from graphfuse.report.collect import collect, edge_kinds
from graphfuse.tasks.classification import Classification
from graphfuse.tasks.multilabel import Multilabel
from graphfuse.tasks.regression import Regression


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def data(made):
    store, pictures = made
    return collect(store, SUMMARY, made_tables(store), pictures, predictions=made_predictions(store))


def test_kinds_are_ordered_by_what_they_are_worth(data):
    assert [worth.element for worth in data.edge_kinds][:2] == ["__".join(RESEMBLES), "image_region__belongs_to__sample"]
    assert data.edge_kinds[-1].drop.value < 0
    assert data.edge_kinds[0].cross_modal
    assert data.edge_kinds[0].name == "text span resembles image region"
    assert next(worth.element for worth in data.modalities) == "text"


def test_a_reverse_type_shares_the_number_of_its_twin():
    kinds = edge_kinds(SCHEMA)
    assert kinds["image_region__rev_resembles__text_span"] == kinds["__".join(RESEMBLES)] == 0


def test_kinds_without_their_twin_keep_one_name_each(data):
    assert len(data.kinds) == 6 and "text span resembles image region" in data.kinds


def test_a_dozen_posts_mix_right_wrong_and_uncertain_ones(data):
    verdicts = [post.verdict for post in data.posts]
    assert len(verdicts) == 12
    assert {"confident, right", "wrong", "uncertain"} <= {verdict.replace("confident, wrong", "wrong") for verdict in verdicts}


def test_the_surest_predictions_of_an_unsure_model_are_not_called_confident(made):
    store, pictures = made
    unsure = made_predictions(store)
    chances = unsure.filter(like="probability_")
    unsure[chances.columns] = 0.5 + (chances - 0.5) / 10
    data = collect(store, SUMMARY, made_tables(store), pictures, predictions=unsure)
    assert {"right", "wrong", "uncertain"} <= {post.verdict for post in data.posts}
    assert not any("confident" in post.verdict for post in data.posts)


def test_the_samples_asked_for_are_shown_in_that_order(made):
    store, pictures = made
    data = collect(store, SUMMARY, made_tables(store), pictures, ("post-1111", "post-1000"))
    assert [post.sample_id for post in data.posts] == ["post-1111", "post-1000"]
    assert data.posts[0].truth == "altered" and data.posts[0].prediction == ""
    with pytest.raises(InputError, match=r"must be in the store \(got 'post-9'\)"):
        collect(store, SUMMARY, {}, pictures, ("post-9",))


def test_edges_drawn_are_the_strongest_and_know_their_ends(made, data):
    post = data.posts[0]
    sizes = [abs(link.score) for link in post.links]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) <= 10
    nodes = {(node.node_type, node.index) for node in post.nodes}
    assert all(link.source in nodes and link.target in nodes for link in post.links)


def test_users_are_numbered_and_named_only_when_asked(made, data):
    store, pictures = made
    labels = [node.label for post in data.posts for node in post.nodes]
    assert not any("anna" in label for label in labels) and "user 1" in labels
    named = collect(store, SUMMARY, made_tables(store), pictures, show_users=True)
    assert any("anna.k" in node.label for post in named.posts for node in post.nodes)


def test_pictures_are_small_inside_the_page_and_a_missing_one_is_an_empty_frame(made, tmp_path):
    store, pictures = made
    shown = collect(store, SUMMARY, made_tables(store), pictures, ("post-1000",)).posts[0].pictures[0]
    assert shown.uri.startswith("data:image/jpeg;base64,") and max(shown.width, shown.height) <= 480
    for root in (None, tmp_path):
        empty = collect(store, SUMMARY, made_tables(store), root, ("post-1000",)).posts[0].pictures[0]
        assert empty.uri is None and empty.note


def test_a_store_without_scores_or_predictions_still_gives_a_page(made):
    store, pictures = made
    data = collect(store, {}, {}, pictures)
    assert data.scored_by == "" and len(data.posts) == 12 and data.metrics == ()


def test_positions_become_sample_ids_and_rows_of_the_whole_set_stay(made):
    frame = pd.DataFrame({"level": ["edge", "modality"], "sample_id": ["3", ""], "score": [1.0, 2.0]})
    assert with_sample_ids(ScoreTable(frame=frame), made[0]).frame["sample_id"].tolist() == ["post-1111", ""]


def store_of(task, **columns):
    """Cells of a table, of which a store asks a task for the targets."""
    cells = pd.DataFrame(columns)
    target = task.fit(cells)
    y, _ = task.encode(cells, target)
    samples = cells.assign(sample_id=[f"p{row}" for row in range(len(cells))])
    return SimpleNamespace(target=target, samples=samples, targets=y.__getitem__)


def judgements(store, task, logits):
    """What is said of predictions."""
    predictions = task.predictions(torch.tensor(logits, dtype=torch.float32), store.target)
    return judged(store, predictions.assign(sample_id=store.samples["sample_id"]), task.threshold)


VERDICTS = ["confident, wrong", "confident, right", "confident, right", "uncertain"]


def test_a_class_with_blanks_around_it_is_the_class():
    task = Classification()
    frame = judgements(store_of(task, mood=[" no ", "yes ", " no", "yes"]), task, [[0, 4], [0, 3], [2, 0], [0, 0.5]])
    assert frame["truth"].tolist() == ["no", "yes", "no", "yes"]
    assert frame["verdict"].tolist() == VERDICTS


@pytest.mark.parametrize(
    ("settings", "columns"),
    [
        ({}, {"colours": ["green", " red,green", "red", "[]"]}),
        ({}, {"colours": ['["green"]', '["red", "green"]', '["red"]', "[]"]}),
        ({"separator": "|", "empty": "no_labels"}, {"colours": ["green", "red | green", "red", ""]}),
        ({"threshold": 0.7}, {"green": ["yes", "1", "0", "no"], "red": ["0", "1", "1", "0"]}),
    ],
)
def test_labels_are_judged_as_a_set_however_the_table_writes_them(settings, columns):
    task = Multilabel(**settings)
    frame = judgements(store_of(task, **columns), task, [[4, 4], [3, 3], [-2, 2], [-0.5, -0.5]])
    assert frame["truth"].tolist() == ["green", "green, red", "red", "no labels"]
    assert frame["prediction"].tolist() == ["green, red", "green, red", "red", "no labels"]
    assert frame["verdict"].tolist() == VERDICTS


def test_nothing_is_uncertain_where_all_are_sure():
    task = Classification()
    frame = judgements(store_of(task, mood=["no", "yes", "no", "yes"]), task, [[0, 9], [0, 9], [9, 0], [0, 9]])
    assert frame["verdict"].tolist() == ["confident, wrong", *["confident, right"] * 3]


def test_labels_are_predicted_from_the_tasks_threshold_and_unknown_ones_do_not_count():
    task = Multilabel(threshold=0.9)
    store = store_of(task, green=["0", "", "1", ""], red=["0", "0", "0", ""])
    frame = judgements(store, task, [[2, 1], [4, -3], [3, -3], [0, 0]])
    assert frame["prediction"].tolist() == ["no labels", "green", "green", "no labels"]
    assert frame["truth"].tolist() == ["no labels", "no labels", "green", ""]
    assert frame["probability"].tolist() == pytest.approx(
        [1 - (0.8808 + 0.7311) / 2, (0.9820 + 0.9526) / 2, 0.9526, 0.5],
        abs=1e-4,
    )
    assert frame["verdict"].tolist() == ["uncertain", "confident, right", "confident, right", ""]


@pytest.mark.parametrize("columns", [("price",), ("price", "weight")])
def test_regression_judges_by_the_size_of_errors(columns):
    task = Regression()
    store = store_of(task, **{name: [" 0", "1e1", "20.0", "30"] for name in columns})
    std = store.target.std[0]
    found = judgements(
        store, task, [[(value + error - 15) / std] * len(columns) for value, error in ((0, 9), (10, -1), (20, 2), (30, 0.5))]
    )
    assert found["verdict"].tolist() == ["large error", "", "", "small error"]
    assert len(choose(found, 3)) == 3


def test_a_store_without_targets_has_no_verdicts(made):
    store, _ = made
    blind = SimpleNamespace(target=store.target, samples=store.samples, targets=lambda positions: None)
    frame = judged(blind, made_predictions(store))
    assert set(frame["truth"]) == {""} and set(frame["verdict"]) == {"", "uncertain"}


def test_every_predicted_class_is_among_the_posts_shown() -> None:
    frame = pd.DataFrame({"sample_id": [f"p{row}" for row in range(20)], "truth": ["a"] * 16 + ["b"] * 4})
    frame = frame.assign(prediction=frame["truth"], verdict="confident, right", _score=np.linspace(1, 0.5, 20))
    shown = choose(frame, count=4)
    assert sorted(frame.set_index("sample_id").loc[list(shown), "prediction"]) == ["a", "a", "b", "b"]


def test_of_several_fidelities_the_first_with_something_to_show_is_drawn(made, data):
    store, pictures = made
    tables = made_tables(store)
    fidelity = tables.pop("fidelity")
    several = {**tables, "fidelity": ScoreTable(frame=fidelity.frame.head(0)), "fidelity-2": fidelity}
    assert collect(store, SUMMARY, several, pictures).curves == data.curves != ()
