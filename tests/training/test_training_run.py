import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from toy_training import CHANNELS, EXPERIMENT, SCHEMA, SETTINGS, SPLITS, contents, made_store, train

from graphfuse.core.build import build
from graphfuse.core.compiled import has_compiler
from graphfuse.core.errors import InputError, IntegrityError, UnsafeError
from graphfuse.core.files import read_json, unpack_strings, write_json
from graphfuse.core.schema import GraphSchema
from graphfuse.store.arrays import map_arrays, write_arrays
from graphfuse.store.frames import read_frame
from graphfuse.store.graph_store import open_store
from graphfuse.training.predict import collect, predict_frame
from graphfuse.training.run import open_run

ALLOWED = ("toy_training",)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def folder(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    train(store, out, replace(SETTINGS, epochs=2))
    return out


@pytest.fixture
def copy(folder, tmp_path):
    for name, content in contents(folder).items():
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "run"


def test_an_opened_run_predicts_what_the_evaluation_said(store, folder):
    table = predict_frame(open_run(folder, ALLOWED), store, "test")
    pd.testing.assert_frame_equal(table, read_frame(folder / "predictions-test.parquet"), check_exact=True)


def test_new_rows_converted_alike_get_exactly_the_same_numbers(store, folder, tmp_path):
    rows = np.flatnonzero(np.array(SPLITS) == "test")
    again = made_store(tmp_path / "again", rows=rows)
    table = predict_frame(open_run(folder, ALLOWED), again)
    pd.testing.assert_frame_equal(table, read_frame(folder / "predictions-test.parquet"), check_exact=True)


def test_rows_without_target_are_predicted(folder, tmp_path):
    run = open_run(folder, ALLOWED)
    new = made_store(tmp_path / "new", target=run.target, y=None)
    table = predict_frame(run, new)
    assert list(table.columns) == ["sample_id", "prediction", "probability_no", "probability_yes"]
    assert len(table) == len(SPLITS)


def test_predictions_are_those_of_the_mean_probability(store, folder):
    run = open_run(folder, ALLOWED)
    each = [logits.double().softmax(-1) for logits in collect(run.networks, store.batches("test")).logits]
    expected = torch.stack(each).mean(0).numpy()
    table = predict_frame(run, store, "test")
    np.testing.assert_allclose(table[["probability_no", "probability_yes"]].to_numpy(), expected, rtol=1e-5)


def test_logits_come_with_their_rows(store, folder):
    network = open_run(folder, ALLOWED).networks[0]
    outputs = collect([network], store.batches("validation", batch_size=5))
    assert outputs.logits[0].shape == (12, 2)
    assert outputs.positions.tolist() == list(range(24, 36))


def test_a_run_brings_the_states_that_convert_raw_rows(folder):
    run = open_run(folder, ALLOWED)
    assert run.states == ("modalities-0-text",)
    assert unpack_strings(run.state("modalities-0-text")["words"]) == ["a"]


def test_opening_a_run_leaves_random_numbers_alone(folder):
    before = torch.get_rng_state()
    open_run(folder, ALLOWED)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_run_may_not_name_what_is_imported(folder):
    with pytest.raises(UnsafeError, match=r"imported only when you name their package .* add --allow-plugin toy_training"):
        open_run(folder)


def test_a_store_of_another_schema_is_refused(folder, tmp_path):
    other = GraphSchema(
        channels_by_node_type=CHANNELS,
        modality_by_node_type=SCHEMA.modality_by_node_type,
        edge_types=(("image_region", "adjoins", "image_region"),),
    )
    with pytest.raises(InputError, match="converted as the run's was"):
        predict_frame(open_run(folder, ALLOWED), made_store(tmp_path / "store", schema=other))


def test_a_store_that_learned_from_other_train_rows_is_refused(store, folder, tmp_path):
    other = shutil.copytree(store.path, tmp_path / "other")
    (state,) = (other / "state").glob("*.safetensors")
    write_arrays(state, {name: array + 1 for name, array in map_arrays(state).items() if array.dtype.kind == "f"} | {"new": np.zeros(1)})
    with pytest.raises(InputError, match=rf"learned otherwise \({state.stem}\)"):
        predict_frame(open_run(folder, ALLOWED), open_store(other, verify=False))


def test_an_interrupted_run_says_how_to_go_on(copy):
    (copy / "receipt.json").unlink()
    with pytest.raises(IntegrityError, match=r"training was interrupted. Repeat the same train command with --resume"):
        open_run(copy, ALLOWED)


def test_a_folder_without_a_run_says_what_makes_one(tmp_path):
    with pytest.raises(InputError, match="Run: graphfuse train EXPERIMENT --store STORE --out"):
        open_run(tmp_path / "nothing")


def test_a_run_of_a_newer_format_asks_for_an_update(copy):
    write_json(copy / "receipt.json", {**read_json(copy / "receipt.json"), "format": 2})
    with pytest.raises(IntegrityError, match=r"is a run of format 2; this graphfuse reads up to format 1. Update graphfuse"):
        open_run(copy, ALLOWED)


@pytest.mark.parametrize(
    "name", ["seed-1/model.safetensors", "seed-0/model.json", "schema.json", "experiment.json", "state/modalities-0-text.safetensors"]
)
def test_a_changed_or_missing_file_is_named(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=f"{name} has changed since it was written"):
        open_run(copy, ALLOWED)
    (copy / name).unlink()
    with pytest.raises(IntegrityError, match=f"{name} must be readable"):
        open_run(copy, ALLOWED)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": "x"}', '{"format": 1, "files": {"../../etc/passwd": {"sha256": ""}}}'])
def test_a_damaged_receipt_is_an_integrity_error(copy, content):
    (copy / "receipt.json").write_text(content)
    with pytest.raises(IntegrityError, match="receipt"):
        open_run(copy, ALLOWED)


def test_weights_of_another_model_are_refused(copy):
    experiment = read_json(copy / "experiment.json")
    write_json(copy / "experiment.json", {**experiment, "model": {**experiment["model"], "hidden_channels": 5}})
    receipt = read_json(copy / "receipt.json")
    from graphfuse.core.files import digest_file

    receipt["files"]["experiment.json"]["sha256"] = digest_file(copy / "experiment.json")
    write_json(copy / "receipt.json", receipt)
    with pytest.raises(IntegrityError, match="must hold the weights of the run's model"):
        open_run(copy, ALLOWED)


def test_the_experiment_is_kept_as_plain_json(folder):
    assert json.loads((folder / "experiment.json").read_text())["model"]["name"] == "toy_training:ToyFusion"


@pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")
def test_compiled_kernels_are_noted_and_used_again(store, tmp_path, monkeypatch):
    section = {"name": "relational_attention"}
    runs, model = {}, build("models", section, "model")
    for kernels in ("torch", "compiled"):
        settings = replace(SETTINGS, epochs=2, seeds=(0,), kernels=kernels)
        train(store, tmp_path / kernels, settings, model=model, experiment={**EXPERIMENT, "model": section})
        runs[kernels] = open_run(tmp_path / kernels)
        evaluated = read_frame(tmp_path / kernels / "predictions-test.parquet")
        pd.testing.assert_frame_equal(predict_frame(runs[kernels], store, "test"), evaluated, check_exact=True)
    assert [run.computing.kernels for run in runs.values()] == ["torch", "compiled"]
    assert read_json(tmp_path / "compiled" / "receipt.json")["train"]["kernels"] == "compiled"
    pd.testing.assert_frame_equal(*(predict_frame(run, store, "test") for run in runs.values()), rtol=1e-3)
    # without a compiler the run can still be used
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.warns(UserWarning, match="this machine has no compiler"):
        elsewhere = open_run(tmp_path / "compiled")
    assert elsewhere.computing.kernels == "torch"
    pd.testing.assert_frame_equal(predict_frame(elsewhere, store, "test"), evaluated, rtol=1e-4)


def test_a_run_that_names_other_kernels_is_refused(copy):
    receipt = read_json(copy / "receipt.json")
    write_json(copy / "receipt.json", {**receipt, "train": {**receipt["train"], "kernels": "mine"}})
    with pytest.raises(IntegrityError, match="kernels mine"):
        open_run(copy, ALLOWED)


def test_a_run_older_than_the_choice_of_kernels_attends_by_pytorch(copy):
    receipt = read_json(copy / "receipt.json")
    del receipt["train"]["kernels"]
    write_json(copy / "receipt.json", receipt)
    assert open_run(copy, ALLOWED).computing.kernels == "torch"


def test_a_run_of_a_gpu_can_be_used_where_there_is_none(copy, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    receipt = read_json(copy / "receipt.json")
    write_json(copy / "receipt.json", {**receipt, "train": {**receipt["train"], "device": "cuda"}})
    with pytest.warns(UserWarning, match="was trained on a GPU; torch sees none"):
        run = open_run(copy, ALLOWED)
    assert run.computing.device == "cpu"
    assert run.networks[0].device == torch.device("cpu")


def test_a_run_that_names_another_device_is_refused(copy):
    receipt = read_json(copy / "receipt.json")
    write_json(copy / "receipt.json", {**receipt, "train": {**receipt["train"], "device": "mine"}})
    with pytest.raises(IntegrityError, match="device mine"):
        open_run(copy, ALLOWED)
