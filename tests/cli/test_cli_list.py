import json
import os
import subprocess
import sys

import pytest

from graphfuse.cli.main import run
from graphfuse.core.registry import class_constant, load, names


@pytest.mark.parametrize("name", names("models"))
def test_the_stage_that_is_read_from_the_file_is_that_of_the_class(name: str) -> None:
    assert class_constant("models", name, "stage") == load("models", name).stage


def test_what_no_class_sets_is_empty() -> None:
    assert class_constant("edges", "similarity", "stage") == ""


def test_list_groups_the_models_by_their_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("models, early ")
    (graph,) = (i for i, line in enumerate(lines) if line.startswith("  graph "))
    concat, attention = (next(i for i, line in enumerate(lines) if f" {name} " in line) for name in ("concat", "relational_attention"))
    assert 1 <= concat < graph <= attention


def test_rooms_without_stages_are_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "edges"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("edges  ")
    assert not any(line.strip() and not line.startswith(" ") for line in lines[2:])


def test_the_stages_are_in_the_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "models", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(figures["stages"]) == set(figures["models"])
    assert figures["stages"]["hgt"] == "graph"  # set in the helper that it inherits from


def test_a_reader_that_stops_early_is_no_mistake() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run([sys.executable, "-m", "graphfuse", "list"], stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_mistake_stays_one_when_nobody_reads_its_json() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        command = [sys.executable, "-m", "graphfuse", "inspect", "nowhere", "--json"]
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
@pytest.mark.parametrize("arguments", [("list",), ("list", "--json", "-q"), ("inspect", "nowhere", "--json")])
def test_a_full_disk_behind_standard_output_is_told_without_a_traceback(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-m", "graphfuse", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if arguments[0] == "list":
        assert "Standard output must take what is written to it (No space left on device)" in done.stderr
