"""The command line keeps its promises: help with examples, one JSON line, exit status, no traceback for a mistake."""

import json
from pathlib import Path

import pytest
import typer

from graphfuse.cli.console import perform
from graphfuse.cli.main import app, run
from graphfuse.core.errors import ConfigError, ResourceError

ROOT = Path(__file__).parents[2]
VERBS = ("demo", "init", "convert", "inspect", "train", "predict", "compare", "analyse", "export", "list")


@pytest.mark.parametrize("verb", [*VERBS, "analyze"])
def test_every_verb_has_help_with_a_worked_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert f"graphfuse {'analyse' if verb == 'analyze' else verb}" in text
    assert "--json" in text
    assert "-q, --quiet" in text
    assert "-v, --verbose" in text


def test_every_verb_is_named_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [verb for verb in VERBS if f"graphfuse {verb}" not in readme]


def test_no_verb_is_missing_or_made_up() -> None:
    assert {command.name for command in app.registered_commands} == {*VERBS, "analyze"}


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == "0.1.0\n"


def test_list_shows_rooms_names_and_summaries(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "models"]) == 0
    text = capsys.readouterr().out
    assert "relational_attention" in text
    assert "similarity" not in text


def test_the_last_line_is_the_json_of_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "edges", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(figures) == {"edges"}
    assert "similarity" in figures["edges"]


def test_an_unknown_room_offers_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "modles", "--json"]) == 2
    output = capsys.readouterr()
    assert "Did you mean 'models'?" in output.err
    assert json.loads(output.out)["error"] == {"code": "E_CONFIG", "message": "'modles' is not a room. Did you mean 'models'?"}


def test_a_wrong_command_line_is_exit_status_2_without_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convrt", "--json"]) == 2
    output = capsys.readouterr()
    assert "Did you mean 'convert'?" in output.err
    assert "Traceback" not in output.err
    assert json.loads(output.out)["error"]["code"] == "E_CONFIG"


def test_a_missing_experiment_is_exit_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", str(tmp_path / "none.yaml"), "--out", str(tmp_path / "store"), "--json"]) == 2
    output = capsys.readouterr()
    assert "graphfuse init TABLE" in output.err
    assert json.loads(output.out.splitlines()[-1])["error"]["code"] == "E_INPUT"
    assert not (tmp_path / "store").exists()


def performed(error: BaseException, **options: bool) -> int:
    def verb(_: object) -> dict[str, object]:
        raise error

    with pytest.raises(typer.Exit) as caught:
        perform(verb, lambda _: [], as_json=True, **options)
    return caught.value.exit_code


@pytest.mark.parametrize(
    ("error", "status", "code", "words"),
    [
        (ConfigError(["a: wrong.", "b: wrong too."]), 2, "E_CONFIG", "  - b: wrong too."),
        (ResourceError("no space"), 2, "E_RESOURCE", "no space"),
        (OSError(28, "No space left on device", "x"), 2, "E_RESOURCE", "free space"),
        (PermissionError(13, "Permission denied", "/x"), 2, "E_INPUT", "your rights"),
        (KeyboardInterrupt(), 130, "E_INTERRUPTED", "repeat the command to resume"),
        (KeyError("x"), 1, "E_BUG", "This is a bug in graphfuse"),
    ],
)
def test_each_error_has_its_exit_status_and_code(
    error: BaseException, status: int, code: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert performed(error) == status
    output = capsys.readouterr()
    assert json.loads(output.out.splitlines()[-1])["error"]["code"] == code
    assert words in output.err
    assert ("Traceback" in output.err) == (status == 1)


def test_verbose_shows_where_an_error_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert performed(ConfigError("a: wrong."), verbose=True) == 2
    assert "Traceback" in capsys.readouterr().err


def test_progress_is_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def verb(progress: object) -> dict[str, object]:
        assert callable(progress)
        for done in range(101):
            progress(done, 100, "convert")
        return {"auc": float("nan"), "all": [1.0, float("inf")]}

    perform(verb, lambda figures: [f"{len(figures)} figures"], as_json=True)
    output = capsys.readouterr()
    assert output.err.splitlines()[:2] == ["convert: 0 of 100", "convert: 10 of 100"]
    assert len(output.err.splitlines()) == 11
    assert output.out.splitlines() == ["2 figures", '{"auc": null, "all": [1.0, null]}']


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    def verb(progress: object) -> dict[str, object]:
        assert callable(progress)
        progress(1, 2, "convert")
        return {}

    perform(verb, lambda _: ["done"], as_json=False, quiet=True)
    assert capsys.readouterr() == ("", "")


def test_controls_in_data_are_shown_and_not_obeyed_by_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    perform(lambda _: {"name": "a\x1b[2J\rb\x9b"}, lambda figures: [figures["name"]], as_json=False)
    assert capsys.readouterr().out == "a\ufffd[2J\ufffdb\ufffd\n"
    assert performed(ConfigError("Known names: \x1b]0;owned\x07.")) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_list_with_a_head_of_its_own_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert performed(ConfigError("These differ (then -> now):\n  train.epochs: 1 -> 3\nPut them back.")) == 2
    assert capsys.readouterr().err == "graphfuse: These differ (then -> now):\n  train.epochs: 1 -> 3\nPut them back.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["convert", "x.yaml", "--out", "s", "--workers", "0"], "'--workers': must be greater than or equal to 1. See: graphfuse convert"),
        (["convert", "x.yaml"], "Missing option '--out'. See: graphfuse convert --help"),
        (["convrt"], "Did you mean 'convert'? See: graphfuse --help"),
    ],
)
def test_a_wrong_option_says_the_rule_and_whose_help_to_read(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert message in capsys.readouterr().err
