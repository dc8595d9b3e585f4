"""Curves of missing modalities: real absence, the right rows, and areas as by hand."""

from dataclasses import replace

import numpy as np
import pytest
from rule_network import network
from store_of_posts import SCHEMA, store_of_posts

from graphfuse.comparison.curves import area, curve
from graphfuse.comparison.missing import Absence, Question, curves_of_test, curves_of_training, training_rows
from graphfuse.comparison.plan import Row
from graphfuse.core.settings import TrainSettings
from graphfuse.store.graph_store import open_store
from graphfuse.tasks.classification import Classification

ROW = Row(name="gatv2", kind="model", stage="graph", section={"name": "gatv2"}, train=TrainSettings())


@pytest.fixture(scope="module")
def question(tmp_path_factory):
    return Question(store=store_of_posts(tmp_path_factory.mktemp("store"), 240), task=Classification(), metric="accuracy")


def test_without_anything_missing_the_curve_starts_at_the_whole_rows_and_falls_to_the_blind_guess(question):
    store = open_store(question.store)
    yes = np.mean(store.samples["label"][store.indices("test")] == "yes")
    found, _ = curves_of_test("rule", {0: network(), 1: network()}, question, ["text", "image"], [0.5, 1.0])
    assert found["rates"] == [0.0, 0.5, 1.0]
    assert found["mean"] == [1.0, pytest.approx((1 + yes) / 2, abs=0.1), pytest.approx(yes)]
    assert found["low"][1] < found["mean"][1] < found["high"][1], "two seeds see two draws"
    assert found["area"] == pytest.approx((1 + 2 * found["mean"][1] + found["mean"][2]) / 4)
    assert (found["name"], found["modality"], found["where"]) == ("rule", "text", "test")


def test_what_a_network_does_not_look_at_may_be_missing(question):
    (found,) = curves_of_test("rule", {0: network()}, question, ["image"], [0.5, 1.0])
    assert found["mean"] == [1.0, 1.0, 1.0]
    assert found["low"] == [None, None, None], "one seed has no interval"
    assert found["area"] == 1.0


def test_training_lacks_a_modality_in_train_and_validation_rows_only():
    rows = training_rows(ROW, SCHEMA, [0.0, 0.5, 1.0], seed=3)
    assert [absence for absence, _ in rows][:2] == [Absence(modality="text", rate=0.5), Absence(modality="text", rate=1.0)]
    assert {absence.modality for absence, _ in rows} == {"text", "image", "user"}
    assert rows[0][1].change == {"missing": {"text": 0.5}, "splits": ["train", "validation"], "seed": 3}
    assert rows[0][1].name == "gatv2, 50% of text missing in training"
    assert len({row.folder for _, row in rows}) == len(rows)


def test_networks_are_asked_under_the_change_that_they_were_trained_under(question):
    without = replace(question, change={"remove_modalities": ["text"]})
    (found,) = curves_of_test("blind", {0: network()}, without, ["image"], [1.0])
    assert found["mean"][0] == found["mean"][1] < 0.8
    rows = training_rows(replace(ROW, change=without.change), SCHEMA, [0.5])
    assert rows[0][1].change == {
        "remove_modalities": ["text"],
        "missing": {"image": 0.5},
        "splits": ["train", "validation"],
        "seed": 0,
    }
    assert "text" not in {absence.modality for absence, _ in rows}


def test_one_training_serves_two_curves(question):
    trained = {Absence(modality="text", rate=0.5): {0: network(0)}, Absence(modality="text", rate=1.0): {}}
    training, both = curves_of_training("rule", {0: network()}, trained, question)
    assert (training["where"], both["where"]) == ("training", "training and test")
    assert training["rates"] == both["rates"] == [0.0, 0.5], "what failed is no point"
    assert training["mean"] == [1.0, 1.0]
    assert both["mean"][1] < 1.0


def test_the_area_is_that_of_trapezoids_over_the_width():
    rates, heights = [0.0, 0.1, 0.5, 2.0], [0.9, 0.8, 0.6, 0.5]
    assert area(rates, heights) == pytest.approx(np.trapezoid(heights, rates) / 2)


@pytest.mark.parametrize("values", [[0.5], [0.5, None]])
def test_an_area_needs_two_points_that_are_all_known(values):
    assert area([0.0, 1.0][: len(values)], values) is None


def test_a_point_at_which_the_metric_is_undefined_stays_visible():
    found = curve("rule", "text", "test", {0.0: [0.5, 0.7], 1.0: [None, None]})
    assert found["mean"] == [pytest.approx(0.6), None]
    assert found["high"][1] is None
