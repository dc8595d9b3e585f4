"""What lies at a path is told by the files that mark it."""

from pathlib import Path

import pytest

from graphfuse.core.files import write_json
from graphfuse.core.folders import what_is


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ((), "an empty folder"),
        ((".lock",), "an empty folder"),
        (("posts.csv",), "a folder of something else"),
        (("index.json", "samples.parquet", "shards"), "a store"),
        (("plan.json", "journal.jsonl", "shards"), "a store that is not finished"),
        (("samples.parquet", "shards"), "a store that lost its index.json"),
        (("inputs.json", "experiment.json", "receipt.json"), "a run"),
        (("inputs.json", "experiment.json"), "a run"),
        (("inputs.json", "receipt.json"), "a run"),
        (("inputs.json", "comparison.json", "runs"), "a comparison"),
        (("receipt.json", "report.html", "attention.parquet"), "an analysis"),
    ],
)
def test_a_folder_is_known_by_its_files(tmp_path: Path, files: tuple[str, ...], found: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert what_is(tmp_path) == found


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ({"rows": {}, "train": {}}, "a comparison"),
        ({"analyses": {}, "run": ""}, "an analysis"),
        ({"train": {}, "change": {}}, "a run"),
    ],
)
def test_what_was_only_begun_is_known_by_what_it_was_begun_with(tmp_path: Path, inputs: dict[str, object], found: str) -> None:
    write_json(tmp_path / "inputs.json", inputs)
    assert what_is(tmp_path) == found


def test_a_file_and_nothing_are_no_folders(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert (what_is(tmp_path / "file"), what_is(tmp_path / "none"), what_is(tmp_path / "file" / "in it")) == (
        "a file",
        "nothing",
        "nothing",
    )
