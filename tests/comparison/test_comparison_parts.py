"""The plan, the majority, the choice of a baseline, costs, and processes of their own."""

import mmap
import multiprocessing
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.dummy import DummyClassifier
from sklearn.metrics import f1_score

from graphfuse.comparison.baselines import majority_outputs, prior_logits
from graphfuse.comparison.collect import Results, best_on_validation
from graphfuse.comparison.conclusions import verdict
from graphfuse.comparison.isolated import Work, run_isolated
from graphfuse.comparison.measure import MemoryMeter, Stopwatch
from graphfuse.comparison.plan import Row, plan_rows
from graphfuse.comparison.run import group_numbers
from graphfuse.config import Section
from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError
from graphfuse.core.progress import silent
from graphfuse.core.registry import names
from graphfuse.core.schema import GraphSchema
from graphfuse.core.settings import TrainSettings
from graphfuse.tasks.classification import Classification
from graphfuse.tasks.multilabel import Multilabel
from graphfuse.tasks.regression import Regression
from tests.comparison.toy_comparison import toy_experiment, toy_store
from tests.comparison.toy_work import answer

SCHEMA = GraphSchema(
    channels_by_node_type={"text_span": 6, "image_region": 4, "sample": 1},
    modality_by_node_type={"text_span": "text", "image_region": "image", "sample": "sample"},
    edge_types=(),
)


def planned(**arguments):
    rows, notes = plan_rows(toy_experiment(**arguments), SCHEMA)
    return {row.name: row for row in rows}, notes


def test_all_models_are_compared_unless_some_are_named_and_a_bare_sample_node_is_no_modality() -> None:
    rows, _ = planned(models=[])
    assert list(rows) == [*names("models"), "text only", "image only", "majority"]
    assert rows["text only"].change == {"remove_modalities": ["image"]}
    assert rows["hgt"].stage == "graph" and rows["concat"].stage == "early"


def test_shared_settings_go_to_the_models_that_have_them_and_single_ones_win() -> None:
    shared = {"name": "relational_attention", "hidden_channels": 24, "readout": "mean", "dropout": 0.4}
    rows, notes = planned(model=shared, models=["relational_attention", "concat", "hgt"], settings={"hgt": {"hidden_channels": 16}})
    assert rows["relational_attention"].section == shared
    assert rows["concat"].section == {"name": "concat", "hidden_channels": 24, "dropout": 0.4}
    assert rows["text only"].section == rows["concat"].section
    assert rows["hgt"].section["hidden_channels"] == 16
    assert not notes


def test_a_shared_setting_that_a_model_cannot_take_is_left_out_and_said() -> None:
    rows, notes = planned(model={"name": "relational_attention", "readout": "sample"}, models=["unit_sequence", "hgt"])
    assert rows["hgt"].section["readout"] == "sample"
    assert all("cannot take model." in note for note in notes)


def test_everything_that_is_wrong_with_the_names_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        planned(models=["concatt", "hgt", "gat"], baseline="textonly", settings={"hgt": {"headz": 2}, "nothing": {}})
    message = str(error.value)
    assert "'concatt' is not in models. Did you mean 'concat'?" in message
    assert "'gat' is not in models. Did you mean 'gatv2'?" in message
    assert "compare.settings.hgt.headz: is not a setting here. Did you mean 'heads'?" in message
    assert "compare.settings.nothing: is not a model of this comparison." in message
    assert "compare.baseline: 'textonly' is not a row of this comparison. Did you mean 'text only'?" in message


def test_one_thread_unless_a_number_is_named_so_that_workers_change_nothing() -> None:
    assert planned()[0]["concat"].train.threads == 1
    assert planned(train={"threads": 2})[0]["concat"].train.threads == 2


def test_the_majority_row_is_that_of_scikit_learn(tmp_path: Path) -> None:
    store, task = toy_store(tmp_path / "store"), Classification()
    found = majority_outputs(store, ("test",))["test"]
    train = store.batch(store.indices("train")).y.numpy()
    truth = store.batch(store.indices("test")).y.numpy()
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((len(train), 1)), train)
    np.testing.assert_allclose(found.logits[0][0].softmax(0), dummy.predict_proba([[0]])[0], rtol=1e-6)
    metrics = task.metrics(found.logits[0], found.targets(), store.target)
    assert metrics["macro_f1"] == pytest.approx(f1_score(truth, dummy.predict(np.zeros((len(truth), 1))), average="macro"))
    assert metrics["roc_auc"] == 0.5


def test_the_prior_of_labels_is_their_share_and_of_values_their_mean() -> None:
    labels = Multilabel().fit(pd.DataFrame({"p": [1, 0, 0, 0], "q": [1, 1, 1, 1], "r": [1, 1, 0, 0]}))
    share = prior_logits(labels).sigmoid()
    assert share.tolist() == pytest.approx([0.25, 0.875, 0.5])  # q: half a row of the other kind
    values = Regression().fit(pd.DataFrame({"u": [1.0, 5.0]}))
    metrics = Regression().metrics(prior_logits(values).expand(2, -1), torch.tensor([[1.0], [5.0]]), values)
    assert metrics["rmse"] == 2.0 and metrics["r2"] == 0.0


def test_the_baseline_is_chosen_on_validation_rows_alone() -> None:
    def results(name, validation, test):
        row = Row(name=name, kind="unimodal", stage="unimodal", section={"name": "concat"}, train=TrainSettings())
        record = {"metrics": {"validation": {"rmse": validation}, "test": {"rmse": test}}}
        return Results(row=row, records={0: record}, failures={}, outputs={})

    found = [results("a", 0.5, 0.1), results("b", 0.4, 0.9)]
    assert best_on_validation(found, "-rmse").row.name == "b"
    assert best_on_validation(found, "rmse").row.name == "a"
    assert best_on_validation(found, "accuracy") is None
    # what learned from validation rows too is not chosen by them, unless there is nothing else
    flattered = replace(results("c", 0.1, 0.8), learned_from_validation=True)
    assert best_on_validation([*found, flattered], "-rmse").row.name == "b"
    assert best_on_validation([flattered], "-rmse").row.name == "c"


def test_the_meter_sees_the_highest_growth_and_not_what_was_before() -> None:
    def use(size: int) -> None:
        """Take pages of the system's own and give them back: an allocator may keep what was freed, or have it already."""
        with mmap.mmap(-1, size) as pages:
            for start in range(0, size, mmap.PAGESIZE):
                pages[start] = 1

    use(60_000_000)
    meter = MemoryMeter()
    assert meter.peak_mb() < 20
    use(40_000_000)
    assert 35 < meter.peak_mb() < 60


def test_seconds_add_up_over_interruptions(tmp_path: Path) -> None:
    first = Stopwatch(tmp_path / "clock")
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    first.note()
    second = Stopwatch(tmp_path / "clock")
    assert second.seconds == first.seconds
    second.note()
    assert second.seconds["cpu"] >= first.seconds["cpu"] >= 0.05
    second.stop()
    assert not list(tmp_path.iterdir())


def test_each_way_to_end_is_told_apart() -> None:
    work = [Work(key=how, label=how, function=answer, arguments=(how,)) for how in ("fine", "mendable", "bug", "memory", "exit")]
    found = {piece.key: outcome for piece, outcome in run_isolated(work, workers=2, preload=[], progress=silent)}
    assert found["fine"].value == "FINE" and found["fine"].error is None
    assert (found["mendable"].error, found["mendable"].traceback) == ("The rule (got this). The way out.", "")
    assert found["bug"].error == "KeyError: 'lost'" and "Traceback" in found["bug"].traceback
    assert found["memory"].error.startswith("Memory does not suffice")
    assert found["exit"].error == "The process ended with exit code 3 and said nothing."


def test_who_stops_asking_ends_what_runs() -> None:
    work = [Work(key=seconds, label="wait", function=time.sleep, arguments=(seconds,)) for seconds in (0.0, 600.0)]
    pieces = run_isolated(work, workers=2, preload=[], progress=silent)
    assert next(pieces)[0].key == 0.0
    pieces.close()
    assert not multiprocessing.active_children()


def test_test_rows_of_one_group_are_found_again_in_the_data_set(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"id": [f"post-{n}" for n in range(80)], "event": ["", "", *(f"e{n // 3}" for n in range(78))], "label": ["a", "b"] * 40}
    )
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "posts.csv", index=False)
    store, section = toy_store(tmp_path / "store"), {"name": "table", "path": "posts.csv", "sample_id": "id", "target": "label"}
    experiment = toy_experiment(tmp_path)
    grouped = replace(experiment, dataset=Section(name="table", settings={**section, "group": "event", "split": {"by": "random"}}))
    numbers, notes = group_numbers(store, grouped)
    assert not notes
    events = table["event"].iloc[store.indices("test")].to_numpy()
    assert all((numbers[a] == numbers[b]) == (events[a] == events[b]) for a in range(24) for b in range(24))
    assert group_numbers(store, experiment) == (None, [])
    (tmp_path / "posts.csv").unlink()
    numbers, notes = group_numbers(store, grouped)
    assert numbers is None and "the data set cannot be read" in notes[0]


def test_groups_that_a_data_set_has_by_itself_count_as_well(tmp_path: Path) -> None:
    """Made posts come in stories: four that share their pictures and words."""
    settings = {"level": "easy", "path": "posts", "train_rows": 8, "validation_rows": 8, "test_rows": 8}
    experiment = replace(toy_experiment(tmp_path), dataset=Section(name="synthetic", settings=settings))
    manifest = build("datasets", experiment.dataset.to_dict(), "dataset").manifest(tmp_path)
    test = np.flatnonzero(manifest.samples["split"] == "test")
    store = SimpleNamespace(samples=manifest.samples[["sample_id"]], indices=lambda split: test)
    numbers, notes = group_numbers(store, experiment)
    assert not notes
    assert np.bincount(numbers).tolist() == [4, 4]


def test_a_row_without_a_group_is_one_of_its_own(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": [f"post-{n}" for n in range(80)], "event": [""] * 79 + ["e"], "label": ["a", "b"] * 40})
    table.to_csv(tmp_path / "posts.csv", index=False)
    settings = {"path": "posts.csv", "sample_id": "id", "target": "label", "group": "event", "split": {"by": "random"}}
    numbers, _ = group_numbers(
        toy_store(tmp_path / "store"), replace(toy_experiment(tmp_path), dataset=Section(name="table", settings=settings))
    )
    assert len(set(numbers)) == 24


@pytest.mark.parametrize(
    ("p", "low", "high", "higher", "expected"),
    [
        (0.01, 0.02, 0.1, True, "better"),
        (0.01, 0.02, 0.1, False, "worse"),
        (0.01, -0.1, -0.02, True, "worse"),
        (0.06, 0.02, 0.1, True, "alike"),
        (0.01, -0.01, 0.1, True, "alike"),
    ],
)
def test_better_needs_both_the_corrected_p_and_an_interval_that_leaves_0_out(p, low, high, higher, expected) -> None:
    row = {"against_baseline": {"difference": (low + high) / 2, "low": low, "high": high, "p_corrected": p}}
    assert verdict(row, higher) == expected


def test_nothing_is_said_of_a_row_that_was_not_held_against_the_baseline() -> None:
    assert verdict({"against_baseline": None}, True) == ""
