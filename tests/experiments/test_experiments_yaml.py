"""Every experiment of the repository can be read on a machine without its data, and says how it is run."""

import re
from pathlib import Path

import pytest

from graphfuse.cli.main import app
from graphfuse.config import load_experiment
from graphfuse.conversion.recipe import Recipe
from graphfuse.core.build import build

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "experiments").glob("*/experiment.yaml"))
by_name = pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)


def commands(path: Path) -> list[str]:
    """Return the lines of a README's code blocks, without comments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", (path.parent / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.split("#")[0].strip()]


@by_name
def test_an_experiment_is_read_and_checked_without_its_data(path, tmp_path):
    copy = tmp_path / "experiment.yaml"
    copy.write_bytes(path.read_bytes())
    experiment = load_experiment(copy)
    assert Recipe.build(experiment).edge_types
    build("models", experiment.model.to_dict(), "model")


@by_name
def test_its_folder_says_how_it_is_run(path):
    lines = commands(path)
    assert any(f"experiments/{path.parent.name}/" in line for line in lines)
    verbs = {command.name for command in app.registered_commands}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in lines:
        for named in re.findall(r"experiments/[\w./-]+", line):
            assert (ROOT / named).exists(), line
        assert set(re.findall(r"graphfuse (\w+)", line)) <= verbs, line
        assert set(re.findall(r"^make (\w+)", line)) <= targets, line
