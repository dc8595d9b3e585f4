"""What holds on a GPU; skipped where there is none."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from toy_training import EXPERIMENT, SETTINGS, made_store, resumed_and_predicted, train

from graphfuse.analyses.gradient import Gradient
from graphfuse.core.build import build
from graphfuse.core.registry import names
from graphfuse.training.computing import Computing, reproducible
from graphfuse.training.predict import EVALUATION_BATCH, collect
from graphfuse.training.run import open_run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU on this machine")

SHORT = replace(SETTINGS, epochs=2, seeds=(0,), device="cuda")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize("name", names("models"))
def test_a_model_on_a_gpu_resumes_to_the_same_bytes_predicts_as_evaluated_and_agrees_with_the_processor(store, tmp_path, name):
    run = resumed_and_predicted(store, tmp_path, name, SHORT)
    found = []
    for device in ("cuda", "cpu"):
        (network,) = run.networks
        with reproducible(replace(run.computing, device=device)):
            outputs = collect([network.to(device)], store.batches("test", batch_size=EVALUATION_BATCH))
        assert outputs.logits[0].device.type == "cpu"
        found.append(outputs.logits[0])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_gradients_reach_the_batch_on_the_processor(store, tmp_path):
    section = {"name": "relational_attention"}
    train(store, tmp_path / "run", SHORT, model=build("models", section, "model"), experiment={**EXPERIMENT, "model": section})
    run = open_run(tmp_path / "run")
    scores = {}
    for device in ("cuda", "cpu"):
        with reproducible(Computing(threads=1, device=device)):
            scores[device] = Gradient().scores(run.networks[0].to(device), [store.batch(store.indices("test"))]).frame
    pd.testing.assert_frame_equal(scores["cuda"], scores["cpu"], rtol=1e-3, atol=1e-5)
