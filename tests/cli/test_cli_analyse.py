"""A report that lacks pictures says so, and what to do."""

from pathlib import Path

import pytest
from cli_toys import answer

from graphfuse.cli.analyse import lines


def test_pictures_that_could_not_be_shown_are_counted_until_their_folder_is_given(
    line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where `images`, the picture folder of the data set, is not
    command = ("analyse", line / "run", "--store", line / "store", "--out", tmp_path / "looks")
    _, without, _ = answer(*command)
    assert without["pictures_not_shown"] == 3
    assert list(lines(without))[-1] == "3 pictures not shown: give --pictures FOLDER, the one that their paths are relative to"
    _, shown, _ = answer(*command, "--pictures", line / "images")
    assert shown["pictures_not_shown"] == 0
    assert "not shown" not in " ".join(lines(shown))
    assert "not shown" not in (tmp_path / "looks" / "report.html").read_text(encoding="utf-8")
