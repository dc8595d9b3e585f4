"""The line, end to end, through the command line: what is converted is trained on, predicted, shown and exported."""

import contextlib
import io
import json
import re
import runpy
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import graphfuse
from graphfuse.cli.main import run

ROOT = Path(__file__).parents[1]
POSTS = ROOT / "data" / "posts"
QUICK = ["--set", "train.epochs=2", "--set", "model.hidden_channels=16", "--set", "modalities.0.encoder.channels=64"]


def figures(*arguments: str) -> dict[str, Any]:
    """Run one command line that has to succeed, and return its figures."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        status = run([*arguments, "--json", "-q"])
    assert status == 0, output.getvalue()
    return dict(json.loads(output.getvalue().splitlines()[-1]))


def readme_block(title: str, language: str = "") -> str:
    """Return the first block of code below a title of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text[text.index(title) :], flags=re.DOTALL)[0]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a table went down the whole line, by the commands of the README (made quick)."""
    folder = tmp_path_factory.mktemp("line")
    shutil.copytree(POSTS, folder / "data" / "posts")
    commands = [shlex.split(command) for command in readme_block("in six commands").splitlines()]
    assert [command[:2] for command in commands] == [
        ["graphfuse", verb] for verb in ("init", "convert", "train", "predict", "analyse", "compare")
    ]
    with contextlib.chdir(folder):
        for _, verb, *options in commands:
            figures(verb, *options, *(QUICK if verb in ("convert", "train", "compare") else []))
    return folder


def test_the_python_of_the_readme_runs(line: Path) -> None:
    (line / "snippet.py").write_text(readme_block("From Python", "python"), encoding="utf-8")
    with contextlib.chdir(line):
        found = runpy.run_path("snippet.py")
    assert found["graph"].number_of_nodes() == found["store"].sample(0).num_nodes


def test_every_row_becomes_a_graph(line: Path) -> None:
    found = figures("inspect", str(line / "stores" / "posts"))
    assert found["num_samples"] == len(pd.read_csv(POSTS / "posts.csv"))
    assert found["dropped"] == 0
    assert found["samples"] == {"test": 12, "train": 40, "validation": 12}
    assert {"text_span", "image_region", "user", "interaction", "sample"} == set(found["nodes"])
    assert found["edges"]["text_span__may_match__image_region"] > 0


def test_one_sample_can_be_read(line: Path) -> None:
    found = figures("inspect", str(line / "stores" / "posts"), "--sample", "p000002")
    assert found["nodes"]["text_span"][0]["text"] == "Mia kept a green cross."
    assert found["sample"]["source_row"] == 2


def test_predictions_of_the_raw_test_rows_are_the_evaluations_to_the_last_bit(line: Path) -> None:
    rows = pd.read_csv(line / "data" / "posts" / "posts.csv", dtype=str, keep_default_na=False)
    rows[rows["split"] == "test"].drop(columns=["split"]).to_csv(line / "data" / "posts" / "new.csv", index=False)
    figures(
        "predict", str(line / "runs" / "first"), "--input", str(line / "data" / "posts" / "new.csv"), "--out", str(line / "new.parquet")
    )
    new, evaluated = pd.read_parquet(line / "new.parquet"), pd.read_parquet(line / "runs" / "first" / "predictions-test.parquet")
    pd.testing.assert_frame_equal(new, evaluated, check_exact=True)


def test_new_rows_need_no_target_and_may_have_strangers_and_no_picture(line: Path) -> None:
    rows = pd.DataFrame(
        {"post_id": ["a", "b"], "text": ["Someone drew a red cross.", ""], "image": ["", "gone.png"], "author": ["nobody", ""]}
    )
    rows.to_csv(line / "data" / "posts" / "strangers.csv", index=False)
    found = figures(
        "predict",
        str(line / "runs" / "first"),
        "--input",
        str(line / "data" / "posts" / "strangers.csv"),
        "--out",
        str(line / "strangers.parquet"),
    )
    predictions = pd.read_parquet(line / "strangers.parquet")
    assert list(predictions["sample_id"]) == ["a", "b"]
    assert np.isfinite(predictions.filter(like="probability_").to_numpy()).all()
    assert found["rejections"]["picture_missing"] == 1
    assert len(pd.read_parquet(line / "strangers.quarantine.parquet")) == sum(found["rejections"].values())


def test_a_store_is_predicted_like_its_rows(line: Path) -> None:
    found = figures("predict", str(line / "runs" / "first"), "--input", str(line / "stores" / "posts"), "--out", str(line / "all.parquet"))
    assert found["samples"] == 64


def test_the_analysis_is_whole_and_its_report_needs_no_network(line: Path) -> None:
    receipt = json.loads((line / "runs" / "first-analysis" / "receipt.json").read_text())
    assert set(receipt["files"]) == {"attention.parquet", "occlusion.parquet", "fidelity.parquet", "report.html"}
    page = (line / "runs" / "first-analysis" / "report.html").read_text(encoding="utf-8")
    assert "text span may match image region" in page
    assert "data:image/jpeg" in page
    assert 'src="http' not in page


@pytest.mark.parametrize("form", ["graphml", "gexf", "json", "csv", "pyg", "networkx-json"])
def test_a_sample_is_exported_in_every_format(line: Path, form: str) -> None:
    found = figures(
        "export", str(line / "stores" / "posts"), "--format", form, "--out", str(line / f"export-{form}"), "--sample", "p000002"
    )
    assert found["format"] == form
    assert (line / f"export-{form}").exists()


def test_the_scores_of_an_analysis_are_exported(line: Path) -> None:
    found = figures("export", str(line / "runs" / "first-analysis"), "--format", "csv", "--out", str(line / "scores.csv"))
    assert found["rows"] == len(pd.read_csv(line / "scores.csv"))


def test_samples_to_draw_have_to_be_test_rows(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--store", str(line / "stores" / "posts"), "--out", str(line / "other"), "--samples", "p000002"]
    assert run(["analyse", str(line / "runs" / "first"), *options]) == 2
    assert "'p000002' is in 'train'" in capsys.readouterr().err


def test_an_analysis_does_not_write_over_something_else(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(["analyse", str(line / "runs" / "first"), "--store", str(line / "stores" / "posts"), "--out", str(line / "runs" / "first")])
        == 2
    )
    assert "Give another --out" in capsys.readouterr().err
    assert (line / "runs" / "first" / "receipt.json").exists()


def test_training_refuses_graphs_that_other_settings_made(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = ["--set", "modalities.0.unit=word"]
    options = ["--store", str(line / "stores" / "posts"), "--out", str(line / "refused")]
    assert run(["train", str(line / "experiment.yaml"), *options, *QUICK, *changed]) == 2
    assert 'modalities.0.unit: the store was converted with "sentence" (got "word")' in capsys.readouterr().err


def test_init_never_overwrites(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(line / "data" / "posts" / "posts.csv"), "--out", str(line / "experiment.yaml")]) == 2
    assert "never overwrites" in capsys.readouterr().err


def test_a_strict_conversion_stops_at_what_cannot_be_used(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(line / "data" / "posts", line / "broken")
    (line / "broken" / "images" / "00000.png").write_bytes(b"not a picture")
    broken = ["--set", "dataset.path=broken/posts.csv", *QUICK]
    assert run(["convert", str(line / "experiment.yaml"), "--out", str(line / "strict"), "--strict", *broken]) == 2
    assert "--strict" in capsys.readouterr().err


@pytest.fixture
def my_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of one's own with an encoder."""
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "__init__.py").write_text("")
    (tmp_path / "my_lab" / "encoders.py").write_text(
        "from dataclasses import dataclass\nfrom graphfuse.encoders.hashed_ngrams import HashedNgrams\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Mine(HashedNgrams):\n    channels: int = 16\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("my_lab")
def test_an_encoder_of_ones_own_works_by_name_and_a_run_alone_cannot_import_it(
    line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = tmp_path / "experiment.yaml"
    text = (line / "experiment.yaml").read_text(encoding="utf-8")
    text = text.replace("encoder: {name: hashed_ngrams, channels: 384}", "encoder: {name: 'my_lab.encoders:Mine'}")
    experiment.write_text(text.replace("path: data", f"path: {line}/data"), encoding="utf-8")
    quick = ["--set", "train.epochs=1", "--set", "model.hidden_channels=8", "--set", "convert.shard_size=40"]
    figures("convert", str(experiment), "--out", str(tmp_path / "store"), "--workers", "2", *quick)
    figures("train", str(experiment), "--store", str(tmp_path / "store"), "--out", str(tmp_path / "run"), *quick)
    new = [str(tmp_path / "run"), "--input", str(line / "data" / "posts" / "posts.csv"), "--out", str(tmp_path / "new.parquet")]
    assert run(["predict", *new]) == 2
    assert "--allow-plugin my_lab" in capsys.readouterr().err
    assert figures("predict", *new, "--allow-plugin", "my_lab")["samples"] == 64


def test_the_demo_compares_and_can_be_repeated(tmp_path: Path) -> None:
    rows = ["dataset.train_rows=16", "dataset.validation_rows=8", "dataset.test_rows=8"]
    small = [*rows, "train.epochs=1", "model.hidden_channels=8"]
    found = graphfuse.demo(tmp_path / "demo", overrides=small)
    assert list(found["test"]) == ["fused", "text only", "image only"]
    assert found["num_samples"] == 32
    assert "data:image/jpeg" in Path(found["report"]).read_text(encoding="utf-8")
    assert graphfuse.demo(tmp_path / "demo", overrides=small) == found
