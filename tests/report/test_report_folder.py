"""A folder is known to be an analysis's from the first file on, and holds the files of one analysis only."""

import json

import pandas as pd
import pytest

from graphfuse.core.errors import InputError, IntegrityError, LockedError
from graphfuse.report.folder import INPUTS, RECEIPT, REPORT, begun, score_files, write_receipt
from graphfuse.store.frames import write_frame


def inputs(*names):
    return {"format": 1, "analyses": {name: {"name": name} for name in names}}


def analysed(out, *names):
    with begun(out, inputs(*names)):
        for name in names:
            write_frame(out / f"{name}.parquet", pd.DataFrame({"score": [1.0]}))
        (out / REPORT).write_text("report")
        write_receipt(out, inputs(*names))
    return out


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_interrupted_analysis_can_be_repeated_into_the_same_folder(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt), begun(out, inputs("occlusion", "gradient")):
        (out / "occlusion.parquet").write_text("the first half")
        (out / ".gradient.parquet.7.tmp").write_text("killed while writing")
        raise KeyboardInterrupt
    with begun(out, inputs("attention")):
        assert names_in(out) == [".lock", INPUTS]
    assert names_in(analysed(out, "attention")) == ["attention.parquet", INPUTS, RECEIPT, REPORT]


def test_the_files_of_an_earlier_analysis_go_and_those_of_others_stay(tmp_path):
    analysed(tmp_path, "occlusion", "gradient")
    (tmp_path / "notes.parquet").write_text("mine")
    analysed(tmp_path, "attention")
    assert names_in(tmp_path) == ["attention.parquet", INPUTS, "notes.parquet", RECEIPT, REPORT]


def test_an_analysis_that_has_a_receipt_and_no_inputs_can_be_written_anew(tmp_path):
    (analysed(tmp_path, "occlusion") / INPUTS).unlink()  # as earlier versions left it
    assert names_in(analysed(tmp_path, "attention")) == ["attention.parquet", INPUTS, RECEIPT, REPORT]


def test_no_name_in_a_receipt_removes_a_file_outside_the_folder(tmp_path):
    (tmp_path / "mine.parquet").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / RECEIPT).write_text(json.dumps(inputs("../mine")))
    analysed(tmp_path / "out", "attention")
    assert (tmp_path / "mine.parquet").read_text() == "mine"


@pytest.mark.parametrize("found", [{"notes.txt": "mine"}, {INPUTS: "{}"}, {RECEIPT: "{}", REPORT: "x"}, {".lock": "", ".x.1.tmp": "mine"}])
def test_a_folder_with_anything_else_is_refused_and_left_as_it_is(tmp_path, found):
    for name, text in found.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=r"over an earlier analysis .* holds something else"), begun(tmp_path, inputs("occlusion")):
        pass
    assert {name: (tmp_path / name).read_text() for name in found if name != ".lock"} == {k: v for k, v in found.items() if k != ".lock"}


def test_two_analyses_into_one_folder_at_a_time_are_refused(tmp_path):
    with (
        begun(tmp_path, inputs("occlusion")),
        pytest.raises(LockedError, match="Only one command may write to"),
        begun(tmp_path, inputs("occlusion")),
    ):
        pass


def test_the_score_files_are_those_of_the_receipt(tmp_path):
    analysed(tmp_path, "occlusion", "attention")
    write_frame(tmp_path / "another.parquet", pd.DataFrame({"score": [2.0]}))
    assert [path.name for path in score_files(tmp_path)] == ["attention.parquet", "occlusion.parquet"]


def test_scores_of_an_analysis_that_is_not_whole_are_refused(tmp_path):
    analysed(tmp_path, "occlusion")
    (tmp_path / "occlusion.parquet").write_text("another run's")
    with pytest.raises(IntegrityError, match=r"occlusion\.parquet has changed .* Repeat the same analyse command"):
        score_files(tmp_path)
    (tmp_path / "occlusion.parquet").unlink()
    with pytest.raises(IntegrityError, match=r"occlusion\.parquet must be as analyse wrote it .*No such file.*Repeat"):
        score_files(tmp_path)
    (tmp_path / RECEIPT).unlink()
    with pytest.raises(IntegrityError, match=r"is not whole: the analysis was interrupted\. Repeat"):
        score_files(tmp_path)
