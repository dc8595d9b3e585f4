"""Nothing in a table, store or run makes the command line run code, or open what lies outside its folder."""

import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from cli_toys import answer, make_posts

from graphfuse.core.files import write_json
from graphfuse.store.index import seal

PARTS = ("dataset", "modalities", "edges", "task", "model", "analyses")
OUTSIDE = (
    *("/etc/passwd", "../users.csv", "a/../../users.csv", "..", "~/x.png", "..\\users.csv", "C:\\x.png", "C:/x.png", "//host/x.png"),
    *("file:///etc/passwd", "http://10.0.0.1/x.png", "https://example.org/x.png"),
)
NOT_THERE = ("%2e%2e/users.csv", ".", "images", "\u202e.png", "a" * 5000 + ".png")


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module in the current folder that leaves a file behind when it is imported; returns that file."""
    left = tmp_path / "imported"
    (tmp_path / "canary.py").write_text(f"open({str(left)!r}, 'w').close()\nclass Canary: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return left


def name_canary(settings: dict[str, object], part: str) -> None:
    """Let a part of an experiment name the canary, as somebody who means harm would."""
    section = settings[part]
    (section[0] if isinstance(section, list) else section)["name"] = "canary:Canary"  # type: ignore[index]


@pytest.mark.parametrize("part", PARTS)
def test_a_run_that_names_a_module_does_not_get_it_imported(line: Path, tmp_path: Path, canary: Path, part: str) -> None:
    run = Path(shutil.copytree(line / "run", tmp_path / "run"))
    settings = json.loads((run / "experiment.json").read_text())
    name_canary(settings, part)
    write_json(run / "experiment.json", settings)
    content = (run / "experiment.json").read_bytes()
    receipt = json.loads((run / "receipt.json").read_text())
    receipt["files"]["experiment.json"] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    write_json(run / "receipt.json", receipt)
    status, figures, words = answer("predict", run, "--input", line / "posts.csv", "--out", tmp_path / "p.parquet")
    assert (status, figures["error"]["code"]) == (2, "E_UNSAFE")
    assert "only when you name their package (got 'canary:Canary'). If you trust it, add --allow-plugin canary." in words
    answer("analyse", run, "--store", line / "store", "--out", tmp_path / "looks")
    assert not canary.exists()


@pytest.mark.parametrize("part", PARTS)
def test_a_store_that_names_a_module_does_not_get_it_imported(line: Path, tmp_path: Path, canary: Path, part: str) -> None:
    store = Path(shutil.copytree(line / "store", tmp_path / "store"))
    index = json.loads((store / "index.json").read_text())
    del index["sha256"]
    name_canary(index["recipe"], part)
    (store / "index.json").write_bytes(seal(index))
    for command in (
        ["inspect", store, "--sample", "p0"],
        ["export", store, "--format", "csv", "--out", tmp_path / "export"],
        ["predict", line / "run", "--input", store, "--out", tmp_path / "p.parquet"],
        ["train", line / "experiment.yaml", "--store", store, "--out", tmp_path / "run"],
    ):
        answer(*command)
    assert not canary.exists()


def test_hostile_picture_names_are_counted_and_their_rows_stay(tmp_path: Path) -> None:
    posts = make_posts(tmp_path / "posts")
    rows = pd.read_csv(posts / "posts.csv", dtype=str)
    hostile = pd.concat([rows.head(1).assign(id=f"b{number}", image=name) for number, name in enumerate((*OUTSIDE, *NOT_THERE))])
    pd.concat([rows, hostile]).to_csv(posts / "posts.csv", index=False)
    whole_cells = ["--set", "dataset.pictures.separator=null"]
    status, figures, words = answer("convert", posts / "experiment.yaml", "--out", tmp_path / "store", *whole_cells)
    assert status == 0, words
    assert figures["num_samples"] == len(rows) + len(hostile)
    assert figures["rejections"] == {"path_outside": len(OUTSIDE) - 3, "remote_image": 3, "picture_missing": len(NOT_THERE)}


def test_hostile_lines_of_json_are_counted_and_the_other_rows_stay(tmp_path: Path) -> None:
    posts = make_posts(tmp_path / "posts")
    rows = pd.read_csv(posts / "posts.csv", dtype=str).to_dict("records")
    hostile = ['{"id": "deep", "text": ' + "[" * 200_000 + "]" * 200_000 + "}", '{"id": "x", "id": "y"}', '"text"', "[1]", "{", "\x00"]
    (posts / "posts.jsonl").write_text("\n".join([*map(json.dumps, rows), *hostile]))
    changed = ["--set", "dataset.path=posts.jsonl"]
    status, figures, words = answer("convert", posts / "experiment.yaml", "--out", tmp_path / "store", *changed)
    assert status == 0, words
    assert (figures["num_samples"], figures["rejections"]) == (len(rows), {"bad_row": len(hostile)})
