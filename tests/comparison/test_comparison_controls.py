"""Controls ask of a model what it can be asked, and their sentences say what the figures say."""

from dataclasses import replace

import pytest
import torch
from store_of_posts import FORWARD, MATCH, SCHEMA, store_of_posts

from graphfuse.comparison.changes import changed_store
from graphfuse.comparison.controls import control_rows, finding, findings, list_controls
from graphfuse.comparison.plan import Row
from graphfuse.comparison.significance import Resampler
from graphfuse.core.schema import GraphSchema, TargetSchema, edge_name
from graphfuse.core.settings import TrainSettings
from graphfuse.tasks.classification import Classification

ROW = Row(name="gatv2", kind="model", stage="graph", section={"name": "gatv2", "heads": 2}, train=TrainSettings(epochs=3))


def named(name):
    return next(control for control in list_controls(ROW, SCHEMA) if control.name == name)


def told(name, difference, low, high, *, metric="macro_f1", higher_is_better=True):
    figures = {"difference": difference, "low": low, "high": high, "p": 0.01}
    return finding("gatv2", named(name), figures, metric=metric, higher_is_better=higher_is_better)


def test_a_graph_model_is_asked_about_edges_modalities_and_kinds():
    names = [control.name for control in list_controls(ROW, SCHEMA)]
    assert names[:3] == ["no edges", "edges shuffled", "fully connected"]
    for modality in ("text", "image", "user"):
        assert f"without {modality}" in names
        assert f"noise for {modality}" in names
        assert (f"{modality} of another sample" in names) == (modality != "text")
    assert [name for name in names if "__" in name] == [f"without {edge_name(kind)}" for kind in FORWARD]
    assert len(set(names)) == len(names)


def test_a_model_without_a_graph_is_not_asked_about_edges():
    names = [control.name for control in list_controls(replace(ROW, stage="late"), SCHEMA)]
    assert names == [
        "image of another sample",
        "user of another sample",
        *("without text", "without image", "without user"),
        *("noise for text", "noise for image", "noise for user"),
    ]


def test_the_only_modality_and_the_only_kind_are_not_removed():
    schema = GraphSchema(
        channels_by_node_type={"image_region": 4},
        modality_by_node_type={"image_region": "image"},
        edge_types=(("image_region", "near", "image_region"), ("image_region", "rev_near", "image_region")),
    )
    names = [control.name for control in list_controls(ROW, schema)]
    assert names == ["no edges", "edges shuffled", "fully connected", "image of another sample", "noise for image"]


def test_every_control_is_a_change_that_the_store_knows(tmp_path):
    folder = store_of_posts(tmp_path, 12)
    for control, row in control_rows(ROW, SCHEMA, seed=3):
        assert changed_store(folder, row.change).batch([0, 1]).num_graphs == 2, control.name


def test_a_control_is_the_same_model_under_the_same_protocol():
    rows = [row for _, row in control_rows(ROW, SCHEMA)]
    assert {row.kind for row in rows} == {"control"}
    assert all(row.section == ROW.section and row.train == ROW.train for row in rows)
    assert rows[0].name == "gatv2, no edges"
    assert len({row.folder for row in rows}) == len(rows)


def test_a_control_of_a_row_without_some_modalities_is_without_them_too():
    row = replace(ROW, stage="early", change={"remove_modalities": ["image"]})
    changes = {control.name: found.change for control, found in control_rows(row, SCHEMA)}
    assert changes["without text"] == {"remove_modalities": ["image", "text"]}
    assert changes["noise for text"] == {"remove_modalities": ["image"], "replace": ["text"], "seed": 0}
    assert not any("image" in name for name in changes)


def test_the_draws_have_the_seed_that_was_asked_for():
    assert {control.change["seed"] for control in list_controls(ROW, SCHEMA, seed=7) if "seed" in control.change} == {7}


@pytest.mark.parametrize(
    ("name", "figures", "sentence"),
    [
        ("no edges", (-0.12, -0.15, -0.08), "Without edges, macro F1 falls by 0.120 [0.080, 0.150]: the edges help."),
        ("no edges", (0.05, 0.01, 0.09), "Without edges, macro F1 rises by 0.050 [0.010, 0.090]: the edges hurt."),
        ("no edges", (-0.01, -0.04, 0.02), "Without edges, macro F1 falls by 0.010 [-0.020, 0.040]: the difference may be chance."),
        ("no edges", (-0.0002, -0.04, 0.0003), "Without edges, macro F1 changes by 0.000 [-0.040, 0.000]: the difference may be chance."),
        ("no edges", (0.02, -0.0001, 0.04), "Without edges, macro F1 rises by 0.020 [0.000, 0.040]: the difference may be chance."),
        ("no edges", (0.0, 0.0, 0.0), "Without edges, macro F1 stays the same: it makes no difference."),
        ("no edges", (-0.3, None, None), "Without edges, macro F1 falls by 0.300: the difference may be chance."),
        ("without image", (-0.2, -0.3, -0.1), "Without image, macro F1 falls by 0.200 [0.100, 0.300]: image helps."),
    ],
)
def test_a_sentence_says_what_the_interval_shows(name, figures, sentence):
    assert told(name, *figures)["sentence"] == sentence


def test_one_of_many_comparisons_has_to_show_more():
    figures = {"difference": -0.1, "low": -0.2, "high": -0.01}
    sentences = [
        finding("gatv2", named("no edges"), {**figures, "p": p, "p_corrected": 4 * p}, metric="accuracy", higher_is_better=True)["sentence"]
        for p in (0.01, 0.02, 0.2)
    ]
    assert sentences[0].endswith("[0.010, 0.200]: the edges help.")
    assert sentences[1].endswith("[0.010, 0.200]: among so many comparisons, the difference may be chance.")
    assert sentences[2].endswith("[0.010, 0.200]: the difference may be chance.")


def test_where_less_is_better_a_rise_is_a_loss():
    entry = told("edges shuffled", 0.2, 0.1, 0.3, metric="rmse", higher_is_better=False)
    assert entry["sentence"] == "With edges shuffled, RMSE rises by 0.200 [0.100, 0.300]: it matters which nodes are joined."


def test_findings_are_of_the_control_minus_the_model_over_their_common_seeds():
    y = torch.arange(200) % 2
    right = torch.stack([1.0 - y, y.float()], dim=1)
    half = torch.where(torch.arange(200)[:, None] < 100, right, right.flip(1))
    target = TargetSchema(kind="classification", columns=("label",), classes=("no", "yes"))
    resampler = Resampler(Classification(), target, "accuracy", y, None, 400)
    controls = [
        (named("no edges"), {0: half, 2: half}),
        (named("fully connected"), {0: right, 1: right}),
        (named("without text"), {5: half}),
    ]
    entries = findings("gatv2", {0: right, 1: right, 2: right}, controls, resampler, metric="accuracy", higher_is_better=True)
    assert [entry["control"] for entry in entries] == ["no edges", "fully connected"]
    assert entries[0]["difference"] == -0.5
    assert entries[0]["low"] < -0.5 < entries[0]["high"] < 0
    assert entries[0]["p_corrected"] == 2 * entries[0]["p"]
    assert entries[0]["sentence"].endswith(": the edges help.")
    assert entries[1]["sentence"] == "With all pairs joined, accuracy stays the same: it makes no difference."


def test_an_entry_holds_the_figures_and_the_part_it_is_about():
    entry = told(f"without {edge_name(MATCH)}", -0.1, -0.2, -0.05)
    assert entry["model"] == "gatv2"
    assert entry["edge_kind"] == edge_name(MATCH)
    assert (entry["difference"], entry["low"], entry["high"], entry["p"]) == (-0.1, -0.2, -0.05, 0.01)
    assert entry["sentence"].startswith("Without the edges 'text span may match image region', macro F1 falls by")
    assert "modality" not in entry
    assert told("without image", -0.1, -0.2, 0.0)["modality"] == "image"
