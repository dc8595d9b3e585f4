"""Every model of the folder trains, resumes to the same bytes, and predicts what its evaluation said."""

from dataclasses import replace

import pandas as pd
import pytest
from toy_training import EXPERIMENT, SETTINGS, contents, made_store, train

from graphfuse.core.build import build
from graphfuse.core.registry import names
from graphfuse.store.frames import read_frame
from graphfuse.training.predict import predict_frame
from graphfuse.training.run import open_run

SHORT = replace(SETTINGS, epochs=2, seeds=(0,))


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize(("name", "threads"), [*((name, 1) for name in names("models")), ("relational_mean", 2)])
def test_a_model_resumes_to_the_same_bytes_and_predicts_as_evaluated(store, tmp_path, name, threads):
    settings = replace(SHORT, threads=threads)
    model, experiment = build("models", {"name": name}, "model"), {**EXPERIMENT, "model": {"name": name}}
    train(store, tmp_path / "whole", settings, model=model, experiment=experiment)

    def kill(done, total, label):
        raise Killed

    with pytest.raises(Killed):
        train(store, tmp_path / "run", settings, model=model, experiment=experiment, progress=kill)
    train(store, tmp_path / "run", settings, model=model, experiment=experiment, resume=True)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")
    table = predict_frame(open_run(tmp_path / "run"), store, "test")
    pd.testing.assert_frame_equal(table, read_frame(tmp_path / "run" / "predictions-test.parquet"), check_exact=True)
