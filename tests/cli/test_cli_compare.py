"""`graphfuse compare` as a person meets it: the table, what is wrong with a command line, an interruption."""

import contextlib
import io
import json
import signal
from pathlib import Path

import pytest
from cli_toys import answer, make_posts, started

import graphfuse as gf
from graphfuse.cli.main import run
from graphfuse.core.errors import InputError

SHORT = ("--models", "concat", "--seeds", "2", "--set", "compare.resamples=99")


@pytest.fixture(scope="module")
def compared(line: Path) -> Path:
    """A comparison of one model."""
    status, figures, words = answer("compare", line / "experiment.yaml", "--store", line / "store", "--out", line / "compared", *SHORT)
    assert status == 0, words
    assert figures["rows"][0]["name"] == "concat"
    return line


def arguments(line: Path, *more: str) -> list[str]:
    return ["compare", str(line / "experiment.yaml"), "--store", str(line / "store"), "--out", str(line / "compared"), *more]


def test_the_table_and_plain_sentences_are_shown(compared: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        assert run(arguments(compared, *SHORT)) == 0
    shown = out.getvalue()
    for name in ("concat", "text only", "image only", "user only", "interaction only", "majority"):
        assert any(line.startswith(name) for line in shown.splitlines()), name
    assert "Best on validation rows: concat" in shown
    assert "may be chance" in shown or "beyond chance" in shown
    assert "comparison.html" in shown


def test_the_figures_are_those_of_the_file(compared: Path) -> None:
    status, figures, _ = answer(*arguments(compared, *SHORT))
    assert status == 0
    written = json.loads((compared / "compared" / "comparison.json").read_text())
    assert {key: figures[key] for key in written} == written


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--seeds", "0"), "compare.seeds: must be at least 1 (got '0')"),
        (("--models", "concatt"), "compare.models: 'concatt' is not in models. Did you mean 'concat'?"),
        (("--models", " , "), "--models takes names with commas between them (got ' , '). Give one, or leave it out."),
        (("--noise", "--examined", "concta"), "compare.examined: 'concta' is not a row of this comparison. Did you mean 'concat'?"),
        (("--baseline", "txt only"), "'txt only' is not a row of this comparison. Did you mean 'text only'?"),
        (("--set", "compare.settings={concat: {dropout: 2}}"), "compare.settings.concat.dropout: must be below 1 (got '2')"),
        (("--set", "compare.resample=9"), "compare.resample: is not a setting here. Did you mean 'resamples'?"),
        (("--set", "train.epochs=2"), "train.epochs: 1 -> 2"),
        (("--groups", "authr"), "compare.groups: the data set has no column 'authr'. Did you mean 'author'?"),
    ],
)
def test_what_is_wrong_is_said_in_one_message(compared: Path, more: tuple[str, ...], words: str) -> None:
    status, figures, _ = answer(*arguments(compared, *SHORT, *more))
    assert status == 2
    assert figures["error"]["code"] == "E_CONFIG"
    assert words in figures["error"]["message"]


def test_several_unknown_models_are_said_at_once(compared: Path) -> None:
    status, figures, _ = answer(*arguments(compared, "--models", "concatt,hgtt"))
    assert status == 2
    assert "'concat'?" in figures["error"]["message"] and "'hgt'?" in figures["error"]["message"]


def test_another_store_in_the_folder_is_refused(compared: Path, tmp_path: Path) -> None:
    other = make_posts(tmp_path / "posts")
    table = (other / "posts.csv").read_text().replace("number 1.", "number one.")
    (other / "posts.csv").write_text(table)
    assert answer("convert", other / "experiment.yaml", "--out", other / "store")[0] == 0
    place = ("--store", str(other / "store"), "--out", str(compared / "compared"))
    status, figures, _ = answer("compare", other / "experiment.yaml", *place, *SHORT)
    assert status == 2
    assert "A comparison goes on only with what it was begun with" in figures["error"]["message"]


def test_a_store_without_test_rows_is_refused_before_any_training(tmp_path: Path) -> None:
    posts = make_posts(tmp_path / "posts")
    (posts / "posts.csv").write_text((posts / "posts.csv").read_text().replace(",test", ",train"))
    assert answer("convert", posts / "experiment.yaml", "--out", posts / "store")[0] == 0
    status, figures, _ = answer(*arguments(posts, *SHORT))
    assert status == 2
    assert "needs rows of the split 'test' with a target" in figures["error"]["message"]
    assert not (posts / "compared").exists()


def test_an_interrupted_comparison_says_how_to_go_on_and_leaves_no_process(line: Path, tmp_path: Path) -> None:
    command = ["compare", str(line / "experiment.yaml"), "--store", str(line / "store"), "--out", str(tmp_path / "out"), *SHORT]
    process = started(*command, "--workers", "2")
    assert process.stderr is not None
    next(line for line in process.stderr if ": 3 of " in line)
    process.send_signal(signal.SIGINT)
    out, words = process.communicate(timeout=60)
    assert process.returncode == 130, words
    assert words.splitlines()[-1] == "graphfuse: Interrupted. What is done is kept: repeat the command to resume."
    assert json.loads(out)["error"]["code"] == "E_INTERRUPTED"
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("runs/*/*/receipt.json")}
    assert finished
    status, figures, words = answer(*command)
    assert status == 0, words
    assert all(row["seeds"] == [0, 1] for row in figures["rows"])
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_a_run_on_a_changed_store_predicts_and_explains_nothing_else(compared: Path, tmp_path: Path) -> None:
    alone = next(
        path.parent for path in sorted((compared / "compared").glob("runs/*/*/receipt.json")) if json.loads(path.read_text())["change"]
    )
    store = compared / "store"
    for command in (
        ("predict", alone, "--input", store, "--out", tmp_path / "predictions.parquet"),
        ("analyse", alone, "--store", store, "--out", tmp_path / "analysis"),
    ):
        status, figures, _ = answer(*command)
        assert status == 2
        assert "is a control of a comparison, trained and measured on a changed store" in figures["error"]["message"]
    with pytest.raises(InputError, match="must have seen graphs as they are"):
        gf.open_predictor(alone, folder=compared)


def test_predicting_with_a_comparison_names_one_of_its_runs(compared: Path, tmp_path: Path) -> None:
    status, figures, _ = answer("predict", compared / "compared", "--input", compared / "store", "--out", tmp_path / "p.parquet")
    assert (status, figures["error"]["code"]) == (2, "E_INPUT")
    assert figures["error"]["message"].endswith(f"Give one of its runs, such as {compared / 'compared' / 'runs' / 'concat' / 'seed-0'}.")


def test_names_beyond_ascii_reach_the_comparison_as_they_are(line: Path, tmp_path: Path) -> None:
    more = ("--groups", "\U0001f600")
    status, figures, _ = answer(
        "compare", line / "experiment.yaml", "--store", line / "store", "--out", tmp_path / "c", "--models", "concat", *more
    )
    assert status == 2
    assert figures["error"]["message"].startswith("compare.groups: the data set has no column '\U0001f600'.")
