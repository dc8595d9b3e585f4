"""An experiment file says what is meant, and every mistake in it is reported at once."""

from pathlib import Path

import pytest

from graphfuse.config import Experiment, as_experiment, load_experiment
from graphfuse.core.errors import ConfigError, GraphfuseError, InputError, UnsafeError
from graphfuse.core.strict_yaml import parse_yaml

EXPERIMENT = """
dataset: {name: table, path: posts.csv, target: label}
modalities:
  - {name: text, column: text, encoder: {name: hashed_ngrams}}
edges:
  - {name: membership}
task: {name: classification}
model: {name: concat}
train: {epochs: 3, learning_rate: 1e-3}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "experiment.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def message(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "x.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("0x1F", 31),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("'12'", "12"),
        (".5", 0.5),
        ("[1, 2.0, a]", [1, 2.0, "a"]),
        ("{1: a, <<: b}", {"1": "a", "<<": "b"}),
        ("- &x {a: 1}\n- *x", [{"a": 1}, {"a": 1}]),
    ],
)
def test_yaml_1_2_values(text: str, value: object) -> None:
    assert parse_yaml(text, "x.yaml") == value
    assert type(parse_yaml(text, "x.yaml")) is type(value)


def test_a_duplicate_key_names_both_lines() -> None:
    assert message("a: 1\nb: 2\na: 3") == "x.yaml, line 3: the key 'a' stands here a second time (first in line 1). Remove one of them."


def test_all_duplicates_and_tags_are_reported_at_once() -> None:
    found = message("a: 1\na: 2\nb: !!python/name:os.system x\nb: 4\n")
    assert found.count("line ") >= 3
    assert "tags are not allowed" in found


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a:\n\tb: 1", "tab"),
        ("a: [1", "is not valid YAML"),
        ("a: .inf", "must be finite"),
        ("a: 1e999", "must be finite"),
        ("a: 1\n---\nb: 2", "second document"),
        ("a: *b", "no finished anchor"),
        ("a: &a [*a]", "no finished anchor"),
        ("[a, b]: 1", "a key must be plain text"),
        ("[" * 60 + "]" * 60, "deeper than 50"),
        ("a: &a [1]\nb: [" + ", ".join(["*a"] * 101) + "]", "more than 100 aliases"),
        ("a: \x00", "control character"),
        ('a: "\\ud83d"', "half a character"),
        ('"\\ud83d\\ude00": 1', "half a character"),
        ('a: "\\U00110000"', "is not valid YAML"),
    ],
)
def test_what_cannot_be_read_is_said_in_words(text: str, part: str) -> None:
    assert part in message(text)
    assert "x.yaml" in message(text)


def test_an_alias_bomb_is_refused_before_it_expands() -> None:
    levels = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 6)]
    assert "once aliases are expanded" in message("\n".join(levels))


def test_a_byte_order_mark_is_accepted_and_utf_16_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + EXPERIMENT.encode())
    assert load_experiment(path).train.epochs == 3
    path.write_bytes(EXPERIMENT.encode("utf-16"))
    with pytest.raises(ConfigError, match="must be UTF-8 text"):
        load_experiment(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at most 1,000,000 bytes"):
        load_experiment(write(tmp_path, "a: " + "x" * 1_000_001))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="graphfuse init TABLE"):
        load_experiment(tmp_path / "experiment.yaml")


def test_an_experiment_survives_json(tmp_path: Path) -> None:
    experiment = load_experiment(write(tmp_path, EXPERIMENT))
    assert experiment.train.learning_rate == 0.001
    assert Experiment.from_json(experiment.to_json(), tmp_path) == experiment


def test_settings_are_overridden_by_path_and_list_position(tmp_path: Path) -> None:
    overrides = ["train.epochs=7", "modalities.0.column=body", "model={name: concat}", "train.seeds=[1, 2]"]
    experiment = load_experiment(write(tmp_path, EXPERIMENT), overrides)
    assert experiment.train.epochs == 7
    assert experiment.train.seeds == (1, 2)
    assert experiment.modalities[0].settings["column"] == "body"


def test_overrides_that_do_not_fit_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(write(tmp_path, EXPERIMENT), ["epochs", "modalities.4.column=x", "model.name.deep=1"])
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "--set needs the form a.b=value (got 'epochs'). For example",
        "--set modalities.4.column",
        "--set model.name.deep",
    ]


def test_only_settings_are_offered(tmp_path: Path) -> None:
    text = """
dataset: {name: table, path: posts.csv}
modalities: [{name: text, column: text, node_type: x}]
task: {name: classification}
model: {name: concat, stage: early}
convert: {xyz: 1}
"""
    with pytest.raises(ConfigError) as caught:
        load_experiment(write(tmp_path, text))
    found = str(caught.value)
    assert "convert.xyz: is not a setting here. Known names: dtype, fit_samples, shard_size." in found
    assert "'node_type'" not in found
    assert "'stage'" not in found


def test_every_error_comes_at_once_with_its_path_and_the_nearest_name(tmp_path: Path) -> None:
    text = """
dataset: {name: tabel, path: posts.csv}
modalities:
  - {name: text, colum: text}
  - text
edge: []
task: {name: classification}
model: {name: concat, hidden_chanels: 3}
train: {epochs: many}
convert: 3
"""
    with pytest.raises(ConfigError) as caught:
        load_experiment(write(tmp_path, text))
    found = str(caught.value)
    assert "edge: is not a part of an experiment. Did you mean 'edges'?" in found
    assert "dataset.name: 'tabel' is not in datasets. Did you mean 'table'?" in found
    assert "modalities.0.colum: is not a setting here. Did you mean 'column'?" in found
    assert "modalities.1: must hold 'name: ...' and settings (got 'text')." in found
    assert "model.hidden_chanels: is not a setting here. Did you mean 'hidden_channels'?" in found
    assert "train.epochs: " in found
    assert "convert: must hold settings by name (got '3')." in found


def test_needed_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(write(tmp_path, "edges: []"))
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["dataset", "modalities", "task", "model"]


OUTSIDE = EXPERIMENT.replace("{name: concat}", "{name: 'canary_lab.models:Canary'}")


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that leaves a file behind when it is imported."""
    package = tmp_path / "site" / "canary_lab"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(
        "from dataclasses import dataclass\nfrom pathlib import Path\nfrom graphfuse.models.concat import ConcatModel\n"
        f"Path({str(tmp_path / 'imported')!r}).touch()\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Canary(ConcatModel):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "imported"


def test_a_plugin_named_in_the_file_that_is_passed_is_imported(tmp_path: Path, canary: Path) -> None:
    experiment = load_experiment(write(tmp_path, OUTSIDE))
    assert canary.exists()
    assert experiment.allowed == ("canary_lab",)


def test_a_plugin_named_inside_an_artefact_is_refused_without_permission(tmp_path: Path, canary: Path) -> None:
    value = load_experiment(write(tmp_path, EXPERIMENT)).to_json() | {"model": {"name": "canary_lab.models:Canary"}}
    with pytest.raises(UnsafeError, match="--allow-plugin canary_lab"):
        Experiment.from_json(value, tmp_path)
    assert not canary.exists()
    assert Experiment.from_json(value, tmp_path, ("canary_lab",)).model.name == "canary_lab.models:Canary"


def test_errors_are_of_one_family() -> None:
    assert issubclass(ConfigError, GraphfuseError)


def test_one_override_and_one_package_need_no_list(tmp_path: Path) -> None:
    experiment = load_experiment(write(tmp_path, EXPERIMENT), overrides="train.epochs=7", allowed="mine")
    assert (experiment.train.epochs, experiment.allowed) == (7, ("mine",))
    again = as_experiment(experiment, "train.epochs=8", "ours")
    assert (again.train.epochs, again.allowed) == (8, ("mine", "ours"))
