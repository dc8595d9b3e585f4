"""What the house promises about itself, read from its source."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from graphfuse.core.registry import ROOMS, names, summary

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "graphfuse"
FILES = sorted(PACKAGE.rglob("*.py"))
PLUGINS = [(room, name) for room in ROOMS for name in names(room)]

UNSAFE_CALLS = {
    "eval",
    "exec",
    "__import__",
    "pickle.load",
    "pickle.loads",
    "torch.load",
    "joblib.load",
    "yaml.load",
    "yaml.unsafe_load",
    "os.system",
}
UNSAFE_MODULES = {"pickle", "joblib", "shelve", "marshal", "dill", "cloudpickle"}
UNSAFE_ARGUMENTS = {"trust_remote_code": True, "allow_pickle": True, "shell": True}


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_in_the_package_can_run_what_it_loads(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not {name.partition(".")[0] for name in imports(tree)} & UNSAFE_MODULES
    for name, call in calls(tree):
        assert name not in UNSAFE_CALLS, f"line {call.lineno}: {name}"
        for argument in call.keywords:
            if argument.arg in UNSAFE_ARGUMENTS:
                assert ast.unparse(argument.value) == "False", f"line {call.lineno}: {argument.arg}"


@pytest.mark.parametrize(("room", "name"), PLUGINS)
def test_a_plugin_says_in_one_sentence_what_it_is(room: str, name: str) -> None:
    text = summary(room, name)
    assert text[:1].isupper()
    assert text.endswith(".")
    assert len(text) > 15


@pytest.mark.parametrize(("room", "name"), PLUGINS)
def test_plugins_do_not_see_each_other(room: str, name: str) -> None:
    others = {f"graphfuse.{room}.{other}" for room, other in PLUGINS} - {f"graphfuse.{room}.{name}"}
    assert not set(imports(ast.parse((PACKAGE / room / f"{name}.py").read_text(encoding="utf-8")))) & others


def test_a_name_means_one_kind_of_thing() -> None:
    """A room may share a name with another (the text modality, a text encoder), never within itself or with its helpers."""
    for room in ROOMS:
        assert not [name for name, count in Counter(names(room)).items() if count > 1]
        assert all(name.isidentifier() and name == name.lower() for name in names(room))


def test_arrows_point_down() -> None:
    """Asked of import-linter, whose contract stands in pyproject.toml."""
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_every_package_that_is_imported_is_declared() -> None:
    """A dependency of a dependency may leave any day."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {re.split(r"[<>=\[ ]", entry)[0].lower() for entries in lists for entry in entries}
    modules = {name.partition(".")[0] for path in FILES for name in imports(ast.parse(path.read_text(encoding="utf-8")))}
    outside = modules - set(sys.stdlib_module_names) - {"graphfuse"}
    packages = packages_distributions()
    names = {module: {name.lower().replace("_", "-") for name in packages.get(module, [module])} for module in outside}
    assert not {module for module, known in names.items() if not (known | {module.replace("_", "-")}) & declared}


def test_files_stay_short_enough_to_read() -> None:
    long = {str(path.relative_to(ROOT)): count for path in FILES if (count := len(path.read_text(encoding="utf-8").splitlines())) > 300}
    assert not long


def test_no_address_of_a_package_index_is_written_down() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        assert "://" not in path.read_text(encoding="utf-8"), path.name
        assert "--index" not in path.read_text(encoding="utf-8"), path.name
