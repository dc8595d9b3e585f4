"""Curves of noise: none leaves the metric, more takes more, and only of what the network looks at."""

from rule_network import network
from store_of_posts import store_of_posts

from graphfuse.comparison.missing import Question
from graphfuse.comparison.noise import noise_curves
from graphfuse.tasks.classification import Classification


def test_the_more_noise_the_less_is_right_and_only_where_it_is_looked_at(tmp_path):
    question = Question(store=store_of_posts(tmp_path, 400), task=Classification(), metric="accuracy")
    text, image = noise_curves("rule", {0: network(), 1: network()}, question, ["text", "image"], [2.0, 0.5])
    assert text["rates"] == [0.0, 0.5, 2.0]
    assert 1.0 == text["mean"][0] > text["mean"][1] > text["mean"][2] > 0.4
    assert text["low"] == text["high"] == text["mean"], "equal networks see the same noise"
    assert image["mean"] == [1.0, 1.0, 1.0]
    assert (text["where"], image["modality"]) == ("test", "image")
