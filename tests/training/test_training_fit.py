import json
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from toy_training import NO_TARGET, SETTINGS, SPLITS, contents, made_samples, made_store, train

from graphfuse.core.errors import ConfigError, InputError, LockedError
from graphfuse.core.files import read_json
from graphfuse.core.lock import locked
from graphfuse.core.schema import TargetSchema
from graphfuse.store.frames import read_frame
from graphfuse.tasks.classification import Classification
from graphfuse.tasks.multilabel import Multilabel
from graphfuse.tasks.regression import Regression
from graphfuse.training.loop import learning_rate

ONE = replace(SETTINGS, epochs=2, seeds=(0,), modality_dropout={})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def trained(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    return out, train(store, out)


def test_a_run_holds_what_the_design_says(trained):
    out, _ = trained
    assert set(contents(out)) == {
        "experiment.json",
        "inputs.json",
        "metrics.json",
        "predictions-test.parquet",
        "predictions-validation.parquet",
        "receipt.json",
        "schema.json",
        "state/modalities-0-text.safetensors",
        *(
            f"seed-{seed}/{name}"
            for seed in (0, 1)
            for name in ("checkpoint.safetensors", "metrics.jsonl", "model.json", "model.safetensors")
        ),
    }
    assert list((out / "tensorboard" / "seed-0").iterdir())


def test_figures_are_mean_and_interval_over_the_seeds(trained):
    out, summary = trained
    assert json.loads(json.dumps(summary)) == read_json(out / "metrics.json")
    accuracy = summary["splits"]["test"]["metrics"]["accuracy"]
    assert accuracy["mean"] == pytest.approx(np.mean(accuracy["values"]))
    assert accuracy["low"] <= accuracy["mean"] <= accuracy["high"]
    assert summary["splits"]["test"]["rows"] == summary["splits"]["test"]["labelled"] == 12
    assert set(summary["splits"]["test"]["ensemble"]) == set(summary["splits"]["test"]["metrics"])


def test_predictions_belong_to_the_rows_of_the_split(store, trained):
    table = read_frame(trained[0] / "predictions-test.parquet")
    assert list(table.columns) == ["sample_id", "target", "prediction", "probability_no", "probability_yes"]
    expected = store.samples[store.samples["split"] == "test"].reset_index(drop=True)
    pd.testing.assert_series_equal(table["sample_id"], expected["sample_id"])
    pd.testing.assert_series_equal(table["target"], expected["label"], check_names=False)


def test_the_history_has_a_line_per_epoch(trained):
    lines = (trained[0] / "seed-0" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3, 4]
    assert set(json.loads(lines[0])) == {"epoch", "train", "validation"}


def test_the_receipt_says_what_the_run_depends_on(trained):
    receipt = read_json(trained[0] / "receipt.json")
    assert receipt["deterministic"] is True
    assert receipt["threads"] == 1
    assert {"torch", "numpy", "graphfuse", "torch_geometric", "python"} == set(receipt["versions"])
    assert not any(name.startswith("tensorboard") for name in receipt["files"])


def test_training_learns(store, tmp_path):
    train(store, tmp_path / "run", replace(ONE, epochs=15, patience=0, learning_rate=0.05))
    losses = [json.loads(line)["train"]["loss"] for line in (tmp_path / "run" / "seed-0" / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0] / 2


def test_the_best_epoch_is_that_of_the_validation_rows(store, tmp_path):
    summary = train(store, tmp_path / "run", replace(ONE, epochs=10))
    lines = [json.loads(line) for line in (tmp_path / "run" / "seed-0" / "metrics.jsonl").read_text().splitlines()]
    scores = [line["validation"]["macro_f1"] for line in lines]
    assert summary["best_epochs"] == [1 + int(np.argmax(scores))]
    assert summary["splits"]["validation"]["metrics"]["macro_f1"]["values"] == [max(scores)]


def test_training_stops_when_patience_ends(store, tmp_path):
    summary = train(store, tmp_path / "run", replace(ONE, epochs=60, patience=2))
    assert summary["epochs"][0] == summary["best_epochs"][0] + 2 < 60


def test_everything_is_as_before_afterwards(store, tmp_path):
    before = (torch.get_rng_state(), torch.are_deterministic_algorithms_enabled(), torch.get_num_threads())
    train(store, tmp_path / "run", ONE)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()) == before[1:]


def test_fast_training_says_so(store, tmp_path):
    summary = train(store, tmp_path / "run", replace(ONE, fast=True))
    assert read_json(tmp_path / "run" / "receipt.json")["deterministic"] is False
    assert "results need not repeat" in summary["notes"][0]


def test_progress_counts_the_epochs_of_all_seeds(store, tmp_path):
    seen = []
    train(store, tmp_path / "run", replace(ONE, seeds=(0, 1)), progress=lambda done, total, label: seen.append((done, total, label)))
    assert [done for done, _, _ in seen] == [1, 2, 3, 4, 4]
    assert {total for _, total, _ in seen} == {4}
    assert seen[0][2].startswith("seed 0: loss 0.")
    assert "macro_f1" in seen[0][2]


def test_a_constant_schedule_and_no_clipping_are_possible(store, tmp_path):
    train(store, tmp_path / "run", replace(ONE, schedule="constant", clip_norm=0, warmup_epochs=0))
    line = json.loads((tmp_path / "run" / "seed-0" / "metrics.jsonl").read_text().splitlines()[-1])
    assert line["train"]["learning_rate"] == ONE.learning_rate


def test_the_cosine_warms_up_and_ends_near_zero():
    settings = replace(SETTINGS, epochs=10, warmup_epochs=2, learning_rate=1.0)
    rates = [learning_rate(settings, step, steps_per_epoch=5) for step in range(50)]
    assert rates[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert rates[30] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01
    assert all(later <= earlier for earlier, later in pairwise(rates[9:]))


def test_multilabel_and_regression_train_too(tmp_path):
    rng = np.random.default_rng(0)
    y = (rng.random((48, 2)) < 0.5).astype(np.float32)
    y[0] = math.nan
    target = TargetSchema(kind="multilabel", columns=("label",), classes=("a", "b"), class_counts=(12, 12), known_counts=(23, 23))
    summary = train(made_store(tmp_path / "s1", target=target, y=y), tmp_path / "multilabel", ONE, Multilabel(weights="balanced"))
    assert "macro_f1" in summary["splits"]["test"]["metrics"]
    target = TargetSchema(kind="regression", columns=("label",), mean=(0.5,), std=(0.5,))
    summary = train(made_store(tmp_path / "s2", target=target, y=y[:, :1]), tmp_path / "regression", ONE, Regression())
    assert "rmse" in summary["splits"]["test"]["metrics"]
    assert summary["monitor"] == "-rmse"


def test_one_class_on_validation_selects_by_loss_and_says_so(tmp_path):
    labels = ["a", "b"] * 12 + ["a"] * 12 + ["a", "b"] * 6
    summary = train(made_store(tmp_path / "store", labels=labels), tmp_path / "run", ONE, Classification(select_by="roc_auc"))
    assert summary["monitor"] == "-loss"
    assert summary["notes"] == ["roc_auc is undefined on the validation rows, so the loss selected the epoch."]


def test_test_rows_without_target_are_predicted_and_not_judged(tmp_path):
    labels = ["a", "b"] * 18 + [""] * 12
    summary = train(made_store(tmp_path / "store", labels=labels), tmp_path / "run", ONE)
    assert summary["splits"]["test"] == {"rows": 12, "labelled": 0, "metrics": {}, "ensemble": {}}
    assert len(read_frame(tmp_path / "run" / "predictions-test.parquet")) == 12


def test_without_validation_rows_training_asks_for_a_fixed_time(tmp_path):
    store = made_store(tmp_path / "store", splits=["train"] * 36 + ["test"] * 12)
    with pytest.raises(InputError, match=r"needs rows of the split 'validation' .* --set train.patience=0"):
        train(store, tmp_path / "run", ONE)
    summary = train(store, tmp_path / "run", replace(ONE, patience=0))
    assert summary["best_epochs"] == [2]
    assert "no validation rows" in summary["notes"][0]
    assert set(summary["splits"]) == {"test"}


def test_validation_rows_of_unseen_classes_are_an_error_with_a_way_out(tmp_path):
    labels = ["a", "b"] * 12 + ["new"] * 12 + ["a", "b"] * 6
    with pytest.raises(InputError, match=r"a target that train rows have too \(got none that can be used\)"):
        train(made_store(tmp_path / "store", labels=labels), tmp_path / "run", ONE)


def test_no_train_rows_are_an_error_with_a_way_out(tmp_path):
    target = TargetSchema(kind="classification", columns=("label",), classes=("a", "b"), class_counts=(1, 1))
    store = made_store(tmp_path / "store", splits=["test"] * 48, target=target, y=np.zeros(48, dtype=np.int64))
    with pytest.raises(InputError, match=r"'train' with a target \(the store has 0 of 48\). Check dataset.split"):
        train(store, tmp_path / "run", ONE)


@pytest.mark.parametrize(
    ("target", "task", "message"),
    [
        (None, Regression(), r"task.name: the store was converted with the task classification \(got 'regression'\)"),
        (NO_TARGET, Classification(), "the store was converted without a target"),
    ],
)
def test_a_store_made_for_another_task_is_refused(tmp_path, target, task, message):
    with pytest.raises(ConfigError, match=message):
        train(made_store(tmp_path / "store", target=target), tmp_path / "run", ONE, task)


def test_an_unknown_modality_is_offered_its_nearest(store, tmp_path):
    with pytest.raises(ConfigError, match=r"modality_dropout.imagery: is not a modality of this store. Did you mean 'image'\?"):
        train(store, tmp_path / "run", replace(ONE, modality_dropout={"imagery": 0.5}))


def test_a_seed_twice_is_refused(store, tmp_path):
    with pytest.raises(ConfigError, match=r"train.seeds: every seed once \(got \[0, 0\]\)"):
        train(store, tmp_path / "run", replace(ONE, seeds=(0, 0)))


def test_a_loss_that_is_no_number_is_explained(store, tmp_path):
    with pytest.raises(ConfigError, match=r"the loss must stay finite, and became (nan|inf) in epoch \d"):
        train(store, tmp_path / "run", replace(ONE, learning_rate=1e38, warmup_epochs=0, clip_norm=0, epochs=5))


@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_network_that_the_last_step_broke_is_no_result(store, tmp_path, keep):
    with pytest.raises(ConfigError, match=r"the loss must stay finite, and became (nan|inf|-inf) in epoch 1"):
        train(store, tmp_path / "run", replace(ONE, learning_rate=1e38, warmup_epochs=0, batch_size=64, epochs=1, keep=keep))


def test_two_trainings_into_one_folder_are_refused(store, tmp_path):
    with locked(tmp_path / "run"), pytest.raises(LockedError, match="Only one command may write"):
        train(store, tmp_path / "run", ONE)


def test_splits_of_the_toy_are_what_the_tests_count_on():
    assert (SPLITS.count("train"), SPLITS.count("validation"), SPLITS.count("test")) == (24, 12, 12)


def test_rows_count_as_much_as_they_weigh(tmp_path):
    labels = made_samples()[2]
    store = made_store(tmp_path / "store", weights=np.where(labels == "yes", 1.0, 1e-6))
    run = tmp_path / "run"
    train(store, run, replace(ONE, epochs=60, batch_size=24, patience=0, keep="last", learning_rate=0.05))
    assert set(read_frame(run / "predictions-test.parquet")["prediction"]) == {"yes"}


def test_the_last_epoch_is_kept_where_asked(store, tmp_path):
    best = train(store, tmp_path / "best", replace(SETTINGS, epochs=8, patience=0))
    last = train(store, tmp_path / "last", replace(SETTINGS, epochs=8, patience=0, keep="last"))
    assert last["best_epochs"] == [8, 8]
    assert best["best_epochs"] != [8, 8]
    assert (best["monitor"], last["monitor"]) == ("macro_f1", None)
    assert best["notes"] == last["notes"] == []
