"""A fusion method is one file: everything finds it, and nothing else is edited."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAXIMUM = '''"""Feature by feature the largest value that any modality has."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from graphfuse.core.sockets import FusionModel
from graphfuse.nn.fusion import FusionModule, FusionOutput
from graphfuse.nn.pooling import PooledInputs


@dataclass(frozen=True, kw_only=True)
class MaximumModel(FusionModel):
    """The strongest sign counts, whoever gives it."""

    stage: ClassVar[Literal["intermediate"]] = "intermediate"
    hidden_channels: int = 8

    def module(self, schema, decision):
        """Return the network for a schema."""
        return MaximumFusion(self, schema)


class MaximumFusion(FusionModule):
    """Mean per node type -> projection -> maximum; edges are not looked at."""

    def __init__(self, model, schema):
        super().__init__()
        self.out_channels = model.hidden_channels
        self.inputs = PooledInputs(schema, model.hidden_channels, 0.0)

    def forward(self, batch, edge_weight_dict=None, node_weight_dict=None):
        """Fuse a batch."""
        vectors, _ = self.inputs(batch, node_weight_dict)
        return FusionOutput(embedding=torch.stack(list(vectors.values())).amax(dim=0))
'''
PLAN = """from pathlib import Path

import graphs

import graphfuse
from graphfuse.comparison.plan import plan_rows
from graphfuse.config import Experiment
from graphfuse.core.build import build

EXPERIMENT = {
    "dataset": {"name": "synthetic"},
    "modalities": [{"name": "text", "column": "text", "encoder": {"name": "hashed_ngrams"}}],
    "task": {"name": "classification"},
    "model": {"name": "concat", "hidden_channels": 24},
}


def test_maximum_is_a_row_of_every_comparison():
    assert Path(graphfuse.__file__).parents[1] == Path(__file__).parents[2]
    rows, _ = plan_rows(Experiment.from_json(EXPERIMENT, Path(), ()), graphs.SCHEMA)
    (row,) = (row for row in rows if row.name == "maximum")
    assert (row.kind, row.stage, dict(row.section)) == ("model", "intermediate", {"name": "maximum", "hidden_channels": 24})


def test_maximum_is_built_from_its_section():
    assert build("models", {"name": "maximum", "hidden_channels": 6}, "model").module(graphs.SCHEMA, graphs.decision()).out_channels == 6
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package and of the contract tests, with one file more in `models` and nothing else changed."""
    house = tmp_path_factory.mktemp("house")
    for folder in ("graphfuse", "tests/contracts"):
        shutil.copytree(ROOT / folder, house / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", house)
    (house / "graphfuse" / "models" / "maximum.py").write_text(MAXIMUM, encoding="utf-8")
    (house / "tests" / "contracts" / "test_plan_of_maximum.py").write_text(PLAN, encoding="utf-8")
    return house


def ask(house: Path, *arguments: str) -> Sequence[str]:
    """Run a module of the copy and return the lines that it printed."""
    environment = os.environ | {"PYTHONPATH": str(house), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=house, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_list_shows_a_new_model_at_its_stage(house: Path) -> None:
    figures = json.loads(ask(house, "graphfuse", "list", "models", "--json")[-1])
    assert figures["models"]["maximum"] == "Feature by feature the largest value that any modality has."
    assert figures["stages"]["maximum"] == "intermediate"


def test_the_contract_tests_try_a_new_model_and_compare_plans_a_row_for_it(house: Path) -> None:
    lines = ask(house, "pytest", "tests/contracts", "-k", "maximum", "-p", "no:cacheprovider", "-vv")
    passed = [line for line in lines if "PASSED" in line]
    assert sum("test_contracts_models.py" in line and "maximum" in line for line in passed) >= 12
    assert sum("test_plan_of_maximum.py" in line for line in passed) == 2
