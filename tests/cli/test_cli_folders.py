"""A folder of one kind where another is asked: the message says what it is, and its next step can be done."""

import re
import shutil
from pathlib import Path

import pytest
from cli_toys import answer


@pytest.fixture(scope="module")
def house(line: Path) -> Path:
    """One folder of each kind, and what holds no table."""
    status, _, words = answer("analyse", line / "run", "--store", line / "store", "--out", line / "looks")
    assert status == 0, words
    shutil.copytree(line / "run", line / "comparison" / "runs" / "concat" / "seed-0")
    for name in ("inputs.json", "comparison.json"):
        (line / "comparison" / name).write_text("{}", encoding="utf-8")
    (line / "begun").mkdir()
    (line / "begun" / "plan.json").write_text("{}", encoding="utf-8")
    shutil.copytree(line / "store", line / "lost")
    (line / "lost" / "index.json").unlink()
    return line


def told(house: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> tuple[str, str]:
    """Run a command line in the house that has to be refused; return code and message."""
    monkeypatch.chdir(house)
    status, figures, _ = answer(*command.split())
    assert status == 2
    return figures["error"]["code"], figures["error"]["message"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (
            "analyse run --store run --out new",
            "a folder that convert made (got 'run', which is a run). Give the folder that convert wrote.",
        ),
        ("train experiment.yaml --store run --out new", "(got 'run', which is a run). Give the folder that convert wrote."),
        ("inspect run", "(got 'run', which is a run). Give the folder that convert wrote."),
        ("inspect posts.csv", "(got 'posts.csv', which is a file). Give the folder that convert wrote."),
        (
            "predict looks --input posts.csv --out p.parquet",
            "a folder that train made (got 'looks', which is an analysis). Give the folder that train",
        ),
        (
            "predict store --input posts.csv --out p.parquet",
            "a folder that train made (got 'store', which is a store). Give the folder that train",
        ),
        (
            "predict run --input . --out p.parquet",
            "(got '.', which is a folder of something else). Name the table in it, such as posts.csv.",
        ),
        (
            "predict run --input looks --out p.parquet",
            "(got 'looks', which is an analysis). Give the table, or the folder that convert wrote.",
        ),
        ("export images --format csv --out p", "(it is a folder of something else). Give one; to make one, run: graphfuse analyse RUN "),
        ("train experiment.yaml --store store --out store", "train writes into a new folder; store holds a store. Give another --out."),
        ("train experiment.yaml --store store --out looks", "train writes into a new folder; looks holds an analysis."),
        ("init images/0.png --out new.yaml", "(got '0.png'; known are .csv, .tsv, .tab, .jsonl, .ndjson, .parquet, .pq). Give a table"),
        ("predict run --input experiment.yaml --out p.parquet", "or set `format` in what convert reads."),
    ],
)
def test_a_folder_of_another_kind_is_told_by_name(house: Path, monkeypatch: pytest.MonkeyPatch, command: str, says: str) -> None:
    code, words = told(house, monkeypatch, command)
    assert code == "E_INPUT"
    assert says in words


@pytest.mark.parametrize("verb", ["inspect {}", "export {} --format csv --out p.parquet", "predict run --input {} --out p.parquet"])
def test_a_store_that_is_not_whole_says_whether_convert_can_go_on(house: Path, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    for folder, step in (("begun", "Repeat convert; it resumes."), ("lost", "Repeat convert into a new folder.")):
        code, words = told(house, monkeypatch, verb.format(folder))
        assert code == "E_INTEGRITY"
        assert words.endswith(step)


def test_a_comparison_offers_a_run_of_it_that_predicts(house: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    control = house / "comparison" / "runs" / "a-control" / "seed-0"
    control.mkdir(parents=True)
    (control / "receipt.json").write_text('{"change": {"edges": "none"}}', encoding="utf-8")  # predicts nothing of plain rows
    _, words = told(house, monkeypatch, "predict comparison --input posts.csv --out p.parquet")
    (offered,) = re.findall(r"such as (.*)\.$", words)
    assert answer("predict", offered, "--input", "posts.csv", "--out", tmp_path / "p.parquet")[0] == 0


def test_a_run_that_is_to_be_exported_is_analysed_first(house: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, words = told(house, monkeypatch, "export run --format csv --out p")
    (step,) = re.findall(r"run: graphfuse (.*)$", words)
    out = str(tmp_path / "analysis")
    assert answer(*step.replace("STORE", "store").replace("ANALYSIS", out).split())[0] == 0
    assert answer("export", out, "--format", "csv", "--out", tmp_path / "scores.csv")[0] == 0
