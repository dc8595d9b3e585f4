"""The door is light: importing graphfuse, asking for help and listing plug-ins load nothing heavy."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "torch",
    "torch_geometric",
    "torchvision",
    "transformers",
    "pandas",
    "numpy",
    "pyarrow",
    "sklearn",
    "scipy",
    "networkx",
    "yaml",
    "PIL",
}
TEXT_ONLY = """
dataset: {{name: table, path: {posts}, sample_id: post_id, target: label, split: {{by: column, column: split}}}}
modalities: [{{name: text, encoder: {{name: hashed_ngrams, channels: 16}}}}]
edges: [{{name: sequence}}, {{name: membership}}]
task: {{name: classification}}
model: {{name: relational_mean, hidden_channels: 8}}
train: {{epochs: 1, threads: 1}}
"""


def python(code: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout


def modules(code: str) -> set[str]:
    """Return the modules that are loaded after running some code."""
    return set(json.loads(python(code + "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))").splitlines()[-1]))


def loaded(code: str) -> set[str]:
    """Return the top-level modules that are loaded after running some code."""
    return {name.partition(".")[0] for name in modules(code)}


@pytest.mark.parametrize(
    "code",
    [
        "import graphfuse; graphfuse.__version__; dir(graphfuse)",
        "from graphfuse.cli.main import run; run(['--help'])",
        "from graphfuse.cli.main import run; run(['train', '--help'])",
        "from graphfuse.cli.main import run; run(['list'])",
        "from graphfuse.cli.main import run; run(['list', 'models', '--json'])",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert not loaded(code) & HEAVY


def test_help_loads_neither_rich_nor_pydantic() -> None:
    """Typer itself loads pydantic as soon as a verb has options to check."""
    assert not {"rich", "pydantic"} & loaded("from graphfuse.cli.main import run; run(['--help'])")


def test_list_loads_no_rich() -> None:
    assert "rich" not in loaded("from graphfuse.cli.main import run; run(['list'])")


def test_verbs_load_nothing_that_they_do_not_use(tmp_path: Path) -> None:
    """PyG itself loads transformers and PIL, so that these say nothing about us."""
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text(TEXT_ONLY.format(posts=ROOT / "data" / "posts" / "posts.csv"), encoding="utf-8")
    store, run = tmp_path / "store", tmp_path / "run"
    call = "from graphfuse.cli.main import run; assert run({arguments!r}) == 0"
    converting = modules(call.format(arguments=["convert", str(experiment), "--out", str(store), "-q"]))
    training = modules(call.format(arguments=["train", str(experiment), "--store", str(store), "--out", str(run), "-q"]))
    predicting = modules(call.format(arguments=["predict", str(run), "--input", str(store), "--out", str(tmp_path / "p.parquet"), "-q"]))
    everywhere = {"torchvision", "optuna", "matplotlib", "graphfuse.comparison", "graphfuse.report", "graphfuse.modalities.image"}
    assert not (converting | training | predicting) & everywhere
    assert not converting & {"tensorboard", "graphfuse.training.fit"}
    assert not training & {"graphfuse.conversion.run", "graphfuse.models.hgt"}
    assert not predicting & {"tensorboard", "graphfuse.training.fit"}


def test_help_costs_at_most_twenty_empty_pythons() -> None:
    """Best of several, so that a busy machine does not decide."""

    def seconds(code: str) -> float:
        start = time.perf_counter()
        python(code)
        return time.perf_counter() - start

    empty = min(seconds("pass") for _ in range(5))
    shown = min(seconds("from graphfuse.cli.main import run; run(['--help'])") for _ in range(5))
    assert shown <= 20 * empty


def test_public_names_are_found_and_an_unknown_one_is_an_attribute_error() -> None:
    import graphfuse

    assert set(graphfuse.__all__) <= set(dir(graphfuse))
    for name in graphfuse.__all__:
        assert getattr(graphfuse, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        graphfuse.nothing  # noqa: B018
