"""A conversion that is killed at any durable operation goes on to the same bytes."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from toy_plugins import contents, toy_json, toy_manifest, toy_recipe

from graphfuse.conversion.inputs import MADE_WITH
from graphfuse.conversion.journal import Journal
from graphfuse.conversion.recipe import Recipe
from graphfuse.conversion.run import convert
from graphfuse.core.errors import ConfigError, ResourceError
from graphfuse.core.versions import installed_versions


class Killed(BaseException):
    """Stands for the end of the process: nothing in graphfuse catches it."""


def run(folder):
    recipe = toy_recipe(shard_size=4)
    return convert(toy_manifest(7, row_5="broken"), recipe, None, folder, recipe_json=toy_json(recipe))


def failing(function, at, error):
    """Return the function, but raising at its n-th call."""
    count = itertools.count(1)

    def wrapped(*args, **options):
        if next(count) == at:
            raise error
        return function(*args, **options)

    return wrapped


@pytest.mark.parametrize(("owner", "name"), [(os, "fsync"), (Path, "replace")])
def test_killed_at_any_durable_operation_the_repeated_command_gives_the_same_bytes(owner, name, tmp_path, monkeypatch):
    run(tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    original = getattr(owner, name)
    for at in itertools.count(1):
        folder = tmp_path / f"killed-{at}"
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, failing(original, at, Killed()))
            try:
                run(folder)
                break
            except Killed:
                pass
        run(folder)
        assert contents(folder) == whole, f"differs after a kill at {name} number {at}"
    assert at > 15


@pytest.mark.parametrize("package", ["graphfuse", "torch"])
def test_begun_before_an_upgrade_it_is_not_finished_after_it(package, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "fsync", failing(os.fsync, 12, Killed()))
        run(tmp_path)
    begun = contents(tmp_path)
    before = installed_versions(MADE_WITH)
    monkeypatch.setattr("graphfuse.conversion.run.installed_versions", lambda packages: {**before, package: "99.0"})
    with pytest.raises(ConfigError, match=rf"{package} was {before[package]}, is 99\.0.*or give another --out"):
        run(tmp_path)
    assert contents(tmp_path) == begun


def test_begun_with_an_encoder_that_has_changed_since_it_is_not_finished(tmp_path, monkeypatch):
    identity = "words on a GPU"
    monkeypatch.setattr(Recipe, "encoders", property(lambda _: {"word": SimpleNamespace(identity=lambda: identity)}))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "fsync", failing(os.fsync, 12, Killed()))
        run(tmp_path)
    identity = "words"
    with pytest.raises(ConfigError, match=r"the encoder of word was words on a GPU, is words.*or give another --out"):
        run(tmp_path)
    identity = "words on a GPU"
    run(tmp_path)


def test_a_plan_that_names_no_versions_is_of_an_older_one(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "fsync", failing(os.fsync, 12, Killed()))
        run(tmp_path)
    plan = json.loads((tmp_path / "plan.json").read_text())
    del plan["versions"]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(ConfigError, match="python was not noted"):
        run(tmp_path)
    (tmp_path / "plan.json").write_text(json.dumps({**plan, "versions": "all"}))
    with pytest.raises(ConfigError, match="python was not noted"):
        run(tmp_path)


def test_killed_while_cleaning_up_the_repeated_command_finishes_it(tmp_path, monkeypatch):
    run(tmp_path / "whole")
    for at in (1, 2):
        folder = tmp_path / f"killed-{at}"
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", failing(Path.unlink, at, Killed()))
            with pytest.raises(Killed):
                run(folder)
        assert (folder / "plan.json").exists()
        run(folder)
        assert contents(folder) == contents(tmp_path / "whole")


def test_a_full_disk_is_said_in_words_and_resumed(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(os.fsync, 9, OSError(28, "No space left on device")))
        with pytest.raises(ResourceError, match=r"no space left.*Make room and repeat the command \(train: with --resume\); it resumes"):
            run(tmp_path / "full")
    run(tmp_path / "full")
    run(tmp_path / "whole")
    assert contents(tmp_path / "full") == contents(tmp_path / "whole")


def interrupted(tmp_path, monkeypatch):
    """Return a folder in which the conversion stopped before the index was written."""
    with monkeypatch.context() as patch:
        patch.setattr("graphfuse.conversion.run.finish_store", failing(lambda: None, 1, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "stopped")
    return tmp_path / "stopped"


def test_ctrl_c_leaves_a_folder_that_goes_on_where_it_was(tmp_path, monkeypatch):
    folder = interrupted(tmp_path, monkeypatch)
    assert not (folder / ".lock").exists()
    assert run(folder)["resumed_shards"] == 2


def test_a_torn_last_line_of_the_journal_is_done_again(tmp_path, monkeypatch):
    folder = interrupted(tmp_path, monkeypatch)
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    assert run(folder)["resumed_shards"] == 1
    run(tmp_path / "whole")
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.parametrize("name", ["shards/00001.safetensors", "parts/samples-00001.parquet", "parts/contents-00001.parquet"])
def test_a_shard_that_changed_after_it_was_written_is_done_again(name, tmp_path, monkeypatch):
    folder = interrupted(tmp_path, monkeypatch)
    (folder / name).write_bytes((folder / name).read_bytes()[:-1] + b"!")
    figures = run(folder)
    assert (figures["resumed_shards"], figures["redone_steps"]) == (1, 1)
    run(tmp_path / "whole")
    assert contents(folder) == contents(tmp_path / "whole")


def test_damaged_lines_of_a_journal_are_steps_to_be_done(tmp_path):
    (tmp_path / "journal.jsonl").write_bytes(b'{"step": "a", "files": {}}\nnot json\n[1]\n{"step": "b"')
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.done("a") is not None
    assert journal.done("b") is None
    assert (tmp_path / "journal.jsonl").read_bytes().endswith(b"[1]\n")


def test_killed_for_good_while_workers_write_it_resumes_to_the_same_bytes(tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from toy_plugins import *\n"
        "from graphfuse.conversion.run import convert\n"
        "if __name__ == '__main__':\n"
        "    recipe = toy_recipe(shard_size=2)\n"
        "    convert(toy_manifest(40), recipe, None, Path(sys.argv[2]), recipe_json=toy_json(recipe), workers=int(sys.argv[3]))\n"
    )
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, str(tmp_path / "script.py"), str(Path(__file__).parent)]
    started = subprocess.Popen([*command, str(tmp_path / "killed"), "2"], start_new_session=True)
    journal = tmp_path / "killed" / "journal.jsonl"
    while started.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 5):
        time.sleep(0.01)
    os.killpg(started.pid, signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "index.json").exists()
    recipe = toy_recipe(shard_size=2)
    for name in ("killed", "whole"):
        figures = convert(toy_manifest(40), recipe, None, tmp_path / name, recipe_json=toy_json(recipe))
        assert (figures["resumed_shards"] > 0) == (name == "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
