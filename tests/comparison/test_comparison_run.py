"""The protocol as a whole: rows, resuming, failing, refusing."""

import csv
import json
import multiprocessing
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import equal

from graphfuse.comparison.attempts import read_outputs
from graphfuse.comparison.conclusions import conclusions, signed, verdict
from graphfuse.comparison.run import _about_chance
from graphfuse.comparison.tables import cells, legend
from graphfuse.core.errors import ConfigError, InputError
from tests.comparison.toy_comparison import HERE, SPLITS, named, run, same, toy_store, written


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory):
    """A comparison of two models with two seeds."""
    folder = tmp_path_factory.mktemp("done")
    store = toy_store(folder / "store")
    return store, folder / "out", run(store, folder / "out", models=["concat", "relational_mean"], calibration=True)


def test_each_modality_alone_and_the_majority_are_always_there(done) -> None:
    _, _, comparison = done
    rows = named(comparison)
    assert list(rows) == ["concat", "relational_mean", "text only", "image only", "majority"]
    assert {row["kind"] for row in rows.values()} == {"model", "unimodal", "majority"}
    assert comparison["baseline"] in ("text only", "image only")
    assert rows[comparison["baseline"]]["against_baseline"] is None
    assert all(row["against_baseline"] for name, row in rows.items() if name != comparison["baseline"])
    assert all(row["seeds"] == [0, 1] and not row["failures"] for row in rows.values())
    assert all(len(row["test"]["macro_f1"]["values"]) == 2 for row in rows.values() if row["kind"] != "majority")
    assert rows["majority"]["parameters"] == 0
    assert min(rows["concat"][key] for key in ("train_seconds", "predict_seconds_per_1000", "parameters", "peak_memory_mb")) > 0
    assert [entry["name"] for entry in comparison["calibration"]] == list(rows)


def test_the_text_row_sees_no_picture(done) -> None:
    """Its predictions are those of the run on a store without pictures, and it does not find what only pictures show."""
    _, out, _ = done
    receipts = {name: json.loads((out / "runs" / name / "seed-0" / "receipt.json").read_text()) for name in ("text-only", "concat")}
    assert receipts["text-only"]["change"] == {"remove_modalities": ["image"]}
    assert receipts["concat"]["change"] == {}
    assert receipts["text-only"]["experiment"]["model"] == receipts["concat"]["experiment"]["model"]


def test_the_table_is_written_in_every_form(done) -> None:
    _, out, comparison = done
    assert json.loads((out / "comparison.json").read_text()) == json.loads(json.dumps(comparison))
    with (out / "comparison.csv").open(encoding="utf-8") as file:
        lines = {line["name"]: line for line in csv.DictReader(file)}
    for name, row in named(comparison).items():
        assert float(lines[name]["test_macro_f1_mean"]) == row["test"]["macro_f1"]["mean"]
    text = (out / "comparison.md").read_text()
    assert all(f"| {name} |" in text for name in ("concat", "text only", "majority"))
    assert "relational_mean" in (out / "comparison.html").read_text()


def test_what_is_rounded_to_zero_has_no_sign() -> None:
    assert [signed(value, 3) for value in (0.0004, -0.0004, 0.0006, -0.0006)] == ["0.000", "0.000", "+0.001", "-0.001"]


def test_what_is_done_is_not_done_again_and_more_can_be_asked_later(done) -> None:
    store, out, comparison = done
    before = written(out)
    assert same(run(store, out, models=["concat", "relational_mean"], calibration=True), comparison)
    assert written(out) == before
    more = run(store, out, models=["concat", "cross_attention"], seeds=3)
    assert list(named(more)) == ["concat", "cross_attention", "text only", "image only", "majority"]
    assert more["seeds"] == [0, 1, 2]
    after = written(out)
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[1] for name in after.keys() - before.keys() if "seed-0" in name} == {"cross_attention"}


def test_workers_change_nothing(done, tmp_path: Path) -> None:
    store, out, comparison = done
    several = run(store, tmp_path / "out", workers=3, models=["concat", "relational_mean"], calibration=True)
    assert same(several, comparison)
    one, other = (read_outputs(place / "attempts" / "concat" / "seed-1.safetensors") for place in (out, tmp_path / "out"))
    assert equal(one["test"].logits[0], other["test"].logits[0])


def test_a_model_that_fails_is_reported_and_stops_nobody(tmp_path: Path) -> None:
    store, mended = toy_store(tmp_path / "store"), tmp_path / "mended"
    models, settings = [f"{HERE}:Broken", f"{HERE}:Deadly", "concat"], {f"{HERE}:Deadly": {"mended": str(mended)}}
    comparison = run(store, tmp_path / "out", models=models, settings=settings, seeds=1)
    rows = named(comparison)
    assert rows["concat"]["seeds"] == [0]
    assert rows[f"{HERE}:Broken"]["failures"] == [{"seed": 0, "error": "RuntimeError: no network today"}]
    assert rows[f"{HERE}:Broken"]["against_baseline"] is None
    assert "SIGKILL" in rows[f"{HERE}:Deadly"]["failures"][0]["error"]
    assert sum("failed with seed 0" in sentence for sentence in comparison["conclusions"]) == 2
    (record,) = (tmp_path / "out" / "attempts").glob("*Broken/seed-0.json")
    assert "in module" in json.loads(record.read_text())["traceback"]
    # repeated once the cause is gone
    mended.touch()
    before = written(tmp_path / "out")
    rows = named(run(store, tmp_path / "out", models=models, settings=settings, seeds=1))
    assert rows[f"{HERE}:Deadly"]["failures"] == [] and rows[f"{HERE}:Deadly"]["seeds"] == [0]
    assert {name: time for name, time in written(tmp_path / "out").items() if name in before} == before


@pytest.mark.parametrize(
    "damaged", ["attempts/concat/seed-0.safetensors", "attempts/concat/seed-0.json", "runs/concat/seed-0/metrics.json"]
)
@pytest.mark.parametrize("how", ["changed", "cut short", "gone"])
def test_an_attempt_that_is_not_whole_any_more_is_made_again(done, tmp_path: Path, damaged: str, how: str) -> None:
    store, out, whole = done
    copy = Path(shutil.copytree(out, tmp_path / "copy"))
    path = copy / damaged
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        changed = content.replace(b'"macro_f1": 0', b'"macro_f1": 9') if path.suffix == ".json" else content[:-1] + bytes([content[-1] ^ 1])
        path.write_bytes(changed if how == "changed" else content[: len(content) // 2])
    again = run(store, copy, models=["concat", "relational_mean"], calibration=True)
    assert [row["test"] for row in again["rows"]] == [row["test"] for row in whole["rows"]]
    others = {name: time for name, time in written(out).items() if "concat/" not in name}
    assert {name: time for name, time in written(copy).items() if name in others} == others


def test_what_learned_from_validation_rows_is_marked_and_not_chosen_by_them(tmp_path: Path) -> None:
    store = toy_store(tmp_path / "store")
    comparison = run(store, tmp_path / "out", models=["stacking", "concat"], seeds=1)
    assert {name: row["learned_from_validation"] for name, row in named(comparison).items()} == {
        "stacking": True,
        "concat": False,
        "text only": False,
        "image only": False,
        "majority": False,
    }
    assert any(
        note.startswith("Learned from validation rows too, so that figures on them flatter: stacking.") for note in comparison["notes"]
    )
    marked = {cells(row, comparison)[0]: cells(row, comparison)[1] for row in comparison["rows"]}
    assert (marked["stacking"], marked["concat"]) == ("late *", "early")
    assert legend(comparison)[0] == "Best on validation rows first; those with * learned from these rows too, which flatters them."
    # however good it looks there
    named(comparison)["stacking"]["validation"]["macro_f1"]["mean"] = 2.0
    assert conclusions(comparison)[0].startswith("Best on validation rows: concat, ")
    alone = {**comparison, "rows": [named(comparison)["stacking"]]}
    assert conclusions(alone)[0].startswith("Best on validation rows (which it learned from too, so this flatters it): stacking, ")


def test_a_choice_by_test_rows_says_whether_validation_rows_or_only_their_value_is_missing(done) -> None:
    _, _, comparison = done

    def said(validation) -> str:
        rows = [{**row, "validation": validation} for row in comparison["rows"]]
        return conclusions({**comparison, "rows": rows})[0]

    assert said({}).startswith("Best on test rows (there are no validation rows with a target, so this flatters it): ")
    accuracy = {"accuracy": named(comparison)["concat"]["validation"]["accuracy"]}
    assert said(accuracy).startswith("Best on test rows (the validation rows give no macro_f1, so this flatters it): ")
    rows = [{**row, "validation": accuracy} for row in comparison["rows"]]
    assert legend({**comparison, "rows": rows})[0] == "Best on test rows first."


def test_where_swaps_are_too_few_to_tell_anything_a_note_says_so(tmp_path: Path) -> None:
    store = toy_store(tmp_path / "store")
    comparison = run(store, tmp_path / "out", seeds=2, resamples=99, models=["concat", "pca", "product"])
    assert "No row can be told from the baseline: with 99 swaps, p corrected for 5 rows is 0.05 or more." in comparison["notes"][0]
    assert not any("No row can be told" in note for note in run(store, tmp_path / "out", seeds=2, models=["concat"])["notes"])


def test_with_one_seed_no_row_is_called_better_or_worse(tmp_path: Path) -> None:
    comparison = run(toy_store(tmp_path / "store"), tmp_path / "out", seeds=1, models=["concat", "pca"])
    assert "No row can be told from the baseline: with one seed, " in comparison["notes"][0]
    assert {verdict(row, higher_is_better=True) for row in comparison["rows"]} == {""}
    assert not any("Beyond chance" in sentence for sentence in comparison["conclusions"])
    assert all(row["against_baseline"]["difference"] is not None for row in comparison["rows"] if row["name"] == "concat")


@pytest.mark.parametrize(("units", "said"), [(5, "with test rows of 5 groups, p corrected for 1 rows is 0.06 or more"), (6, "")])
def test_too_few_groups_to_tell_anything_are_said(units: int, said: str) -> None:
    resampler = SimpleNamespace(resamples=1999, num_units=units, unit="groups")
    assert said in "".join(_about_chance([{"p": 0.5}, None], resampler, num_seeds=5))
    assert bool(_about_chance([{"p": 0.5}, None], resampler, num_seeds=5)) == bool(said)


def test_a_row_whose_tuning_failed_is_not_trained_with_other_settings(tmp_path: Path) -> None:
    store = toy_store(tmp_path / "store")
    rows = named(run(store, tmp_path / "out", models=["concat", f"{HERE}:Broken"], seeds=1, trials=1))
    (failure,) = rows[f"{HERE}:Broken"]["failures"]
    assert "Tuning failed: model.name: none of 1 trials" in failure["error"] and "no network today" in failure["error"]
    assert rows["concat"]["seeds"] == [0]
    assert not list((tmp_path / "out" / "attempts").glob("*Broken*"))


def test_nothing_that_can_be_trained_is_an_error_with_its_reasons(tmp_path: Path) -> None:
    store = toy_store(tmp_path / "store")
    with pytest.raises(InputError, match=r"Every training failed:\n  - concat: .*Early stopping needs"):
        run(toy_store(tmp_path / "other", splits=["train"] * 40 + ["test"] * 8), tmp_path / "out", seeds=1)
    with pytest.raises(InputError, match=r"needs rows of the split 'test' with a target \(the store has 0 of 56\)"):
        run(toy_store(tmp_path / "third", splits=SPLITS[:56]), tmp_path / "out-2")
    assert not (tmp_path / "out-2").exists()
    assert len(store) == len(SPLITS)


def test_an_interruption_ends_the_children_and_is_resumed(tmp_path: Path) -> None:
    store, started = toy_store(tmp_path / "store"), []

    def stop(done: int, total: int, label: str) -> None:
        started.append(label)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(store, tmp_path / "out", workers=2, progress=stop)
    assert not multiprocessing.active_children()
    assert not (tmp_path / "out" / "comparison.json").exists()
    before = written(tmp_path / "out")
    assert before
    comparison = run(store, tmp_path / "out")
    assert {name: time for name, time in written(tmp_path / "out").items() if name in before} == before
    assert same(comparison, run(store, tmp_path / "whole"))


def test_another_store_or_experiment_is_refused_with_what_differs(done, tmp_path: Path) -> None:
    store, out, _ = done
    other = toy_store(tmp_path / "store", splits=[*SPLITS, "test"])
    with pytest.raises(ConfigError, match=r"goes on only with what it was begun with.*\n  store: "):
        run(other, out)
    with pytest.raises(ConfigError, match=r"train\.epochs: 2 -> 3"):
        run(store, out, train={"epochs": 3})
    with pytest.raises(ConfigError, match=r"concat\.model\.dropout: None -> 0\.2"):
        run(store, out, settings={"concat": {"dropout": 0.2}})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    with pytest.raises(InputError, match="holds something else"):
        run(store, tmp_path / "full")


def test_all_else_that_can_be_asked_is_answered_from_the_same_runs(tmp_path: Path) -> None:
    store, asked = toy_store(tmp_path / "store"), {"controls": True, "missing": True, "noise": True, "calibration": True, "trials": 2}
    asked |= {"rates": [1.0], "noise_scales": [2.0], "seeds": 1, "examined": ["relational_mean"], "models": ["relational_mean"]}
    comparison = run(store, tmp_path / "out", workers=2, **asked)
    assert {entry["model"] for entry in comparison["controls"]} == {"relational_mean"}
    assert {"no edges", "without text", "noise for image"} <= {entry["control"] for entry in comparison["controls"]}
    assert {curve["where"] for curve in comparison["missing"]["curves"]} == {"test", "training", "training and test"}
    assert {curve["modality"] for curve in comparison["noise"]["curves"]} == {"text", "image"}
    whole = named(comparison)["relational_mean"]["test"]["macro_f1"]["mean"]
    assert all(curve["mean"][0] == whole for part in ("missing", "noise") for curve in comparison[part]["curves"])
    assert [entry["name"] for entry in comparison["tuning"]] == ["relational_mean", "text only", "image only"]
    settings = next(entry["best_settings"] for entry in comparison["tuning"] if entry["name"] == "relational_mean")
    of_model = {key: value for key, value in settings.items() if not key.startswith("train.")}
    assert of_model and of_model.items() <= named(comparison)["relational_mean"]["settings"].items()
    trials = list((tmp_path / "out" / "tuning").glob("*/trial-*/run/predictions-test.parquet"))
    assert not trials  # chosen without a look at the test rows
    before = written(tmp_path / "out")
    assert same(run(store, tmp_path / "out", **asked), comparison)
    assert written(tmp_path / "out") == before
