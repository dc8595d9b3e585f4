"""Every experiment that lies in `experiments/` can be run as it stands."""

from pathlib import Path

import pytest

import graphfuse
from graphfuse.config import load_experiment
from graphfuse.conversion.recipe import Recipe

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "experiments").glob("*/*.yaml"))
MADE = [path for path in FILES if "name: synthetic" in path.read_text(encoding="utf-8")]
TINY = ["train_rows=24", "validation_rows=8", "test_rows=8"]
every_experiment = pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")


@every_experiment
def test_its_settings_hold_and_its_parts_fit_together(path: Path) -> None:
    experiment = load_experiment(path)
    assert Recipe.build(experiment).node_types
    assert experiment.analyses


@every_experiment
def test_it_says_how_to_run_it_and_what_came_of_it(path: Path) -> None:
    text = (path.parent / "README.md").read_text(encoding="utf-8")
    assert "graphfuse " in text or "python experiments/" in text
    assert "|" in text, "a result table"


@pytest.mark.parametrize("path", MADE, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_on_made_posts_it_runs_from_table_to_metrics(path: Path, tmp_path: Path) -> None:
    overrides = [f"dataset.path={tmp_path / 'posts'}", *(f"dataset.{rows}" for rows in TINY)]
    overrides += ["train.epochs=1", "train.seeds=[0]", "train.batch_size=16"]
    graphfuse.convert(path, tmp_path / "store", overrides=overrides)
    found = graphfuse.train(path, tmp_path / "store", tmp_path / "run", overrides=overrides)
    assert found["splits"]["test"]["labelled"] == 8
