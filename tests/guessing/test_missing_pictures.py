"""Rows without a picture, in each way in which tables say so."""

import json
from pathlib import Path

import pytest
from guessing_toys import cycle, pictures, sentences

from graphfuse.core.strict_yaml import parse_yaml
from graphfuse.guessing.experiment_text import guess_experiment

MISSING = [k % 5 in (1, 3) for k in range(60)]


def lists(folder: Path, names: list[str]) -> Path:
    """Write JSON lines whose rows list their pictures, some of them none."""
    found = [[] if missing else [f"{name}.png"] for missing, name in zip(MISSING, names, strict=True)]
    rows = zip(sentences(60), found, cycle(["a", "b"]), strict=True)
    lines = [json.dumps({"id": f"p{k}", "text": text, "photos": photos, "label": label}) for k, (text, photos, label) in enumerate(rows)]
    (folder / "posts.jsonl").write_text("\n".join(lines))
    return folder / "posts.jsonl"


def words(folder: Path, names: list[str], word: str) -> Path:
    """Write a CSV in which a word stands where there is no picture."""
    cells = [word if missing else f"{name}.png" for missing, name in zip(MISSING, names, strict=True)]
    lines = [f"p{k},{text},{cell},{'ab'[k % 2]}" for k, (text, cell) in enumerate(zip(sentences(60), cells, strict=True))]
    (folder / "posts.csv").write_text("\n".join(["id,text,photos,label", *lines]))
    return folder / "posts.csv"


@pytest.mark.parametrize("word", [None, "", "[]", "NA", "null"])
def test_rows_without_a_picture_share_none(tmp_path, word):
    names = [f"shot{k}" for k in range(60)]
    pictures(tmp_path / "media", names)
    text = guess_experiment(lists(tmp_path, names) if word is None else words(tmp_path, names, word))
    experiment = parse_yaml(text, "x")
    assert experiment["dataset"]["pictures"]["columns"] == ["photos"]
    assert experiment["dataset"]["split"]["by"] == "random"
    assert "group" not in experiment["dataset"]
    assert "Beware" not in text
    assert "# Rows without a picture stay: they have no image nodes." in text
    assert experiment["train"]["modality_dropout"] == {"image": 0.3}


@pytest.mark.parametrize("word", [None, "NA"])
def test_of_rows_with_a_picture_those_that_share_it_are_still_grouped(tmp_path, word):
    names = [f"{k // 10}_{k % 5}" for k in range(60)]
    pictures(tmp_path / "media", sorted(set(names)))
    text = guess_experiment(lists(tmp_path, names) if word is None else words(tmp_path, names, word))
    assert parse_yaml(text, "x")["dataset"]["group"] == "photos"
    assert "100.0% of the rows share their pictures" in text


def test_rows_whose_text_is_a_word_for_nothing_share_none(tmp_path):
    texts = ["NA" if missing else text for missing, text in zip(MISSING, sentences(60), strict=True)]
    lines = [f"p{k},{text},{'ab'[k % 2]}" for k, text in enumerate(texts)]
    (tmp_path / "posts.csv").write_text("\n".join(["id,text,label", *lines]))
    assert "Beware" not in guess_experiment(tmp_path / "posts.csv")
