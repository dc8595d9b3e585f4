"""Every model of the folder trains, resumes to the same bytes, and predicts what its evaluation said."""

from dataclasses import replace

import pytest
from toy_training import SETTINGS, made_store, resumed_and_predicted

from graphfuse.core.registry import names

SHORT = replace(SETTINGS, epochs=2, seeds=(0,))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize(("name", "threads"), [*((name, 1) for name in names("models")), ("relational_mean", 2)])
def test_a_model_resumes_to_the_same_bytes_and_predicts_as_evaluated(store, tmp_path, name, threads):
    resumed_and_predicted(store, tmp_path, name, replace(SHORT, threads=threads))
