"""Every experiment of the repository can be read on a machine without its data, and says how it is run."""

import re
from pathlib import Path

import pytest

import graphfuse
from graphfuse.cli.main import app
from graphfuse.config import load_experiment
from graphfuse.conversion.recipe import Recipe
from graphfuse.core.build import build

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "experiments").glob("*/*.yaml"))
MADE = [path for path in FILES if "name: synthetic" in path.read_text(encoding="utf-8")]
TINY = ["train_rows=24", "validation_rows=8", "test_rows=8"]
by_name = pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")


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
    assert experiment.analyses


@by_name
def test_its_folder_says_how_it_is_run_and_what_came_of_it(path):
    lines = commands(path)
    assert re.search(r"^\|[ :|-]+\|$", (path.parent / "README.md").read_text(encoding="utf-8"), re.MULTILINE), "a result table"
    assert any(f"experiments/{path.parent.name}/" in line for line in lines)
    verbs = {command.name for command in app.registered_commands}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in lines:
        for named in re.findall(r"experiments/[\w./-]+", line):
            assert (ROOT / named).exists(), line
        assert set(re.findall(r"graphfuse (\w+)", line)) <= verbs, line
        assert set(re.findall(r"^make (\w+)", line)) <= targets, line


@pytest.mark.parametrize("path", MADE, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_on_made_posts_it_runs_from_table_to_metrics(path, tmp_path):
    overrides = [f"dataset.path={tmp_path / 'posts'}", *(f"dataset.{rows}" for rows in TINY)]
    overrides += ["train.epochs=1", "train.seeds=[0]", "train.batch_size=16"]
    graphfuse.convert(path, tmp_path / "store", overrides=overrides)
    found = graphfuse.train(path, tmp_path / "store", tmp_path / "run", overrides=overrides)
    assert found["splits"]["test"]["labelled"] == 8
