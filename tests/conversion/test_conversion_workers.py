"""Workers may die; nothing hangs and nothing is lost in silence."""

import os
import threading
from dataclasses import replace
from multiprocessing import Pipe
from types import SimpleNamespace

import pytest
from toy_plugins import contents, toy_json, toy_manifest, toy_recipe

from graphfuse.conversion import workers
from graphfuse.conversion.run import convert
from graphfuse.conversion.workers import modules_of
from graphfuse.core import processes
from graphfuse.core.errors import InputError, ResourceError
from graphfuse.core.processes import Child, ForkServer
from graphfuse.modalities.text import Text
from graphfuse.store.frames import read_frame
from graphfuse.store.graph_store import open_store


def run(folder, manifest, **options):
    recipe = toy_recipe(shard_size=5)
    return convert(manifest, recipe, None, folder, recipe_json=toy_json(recipe), workers=2, **options)


def test_rows_that_kill_their_worker_are_found_and_the_others_converted(tmp_path):
    summary = run(tmp_path, toy_manifest(14, row_7="it dies", row_11="is killed"))
    assert summary["rejections"] == {"crashed_worker": 2}
    assert summary["num_samples"] == 12
    quarantine = read_frame(tmp_path / "quarantine.parquet")
    assert quarantine["key"].tolist() == ["p7", "p11"]
    assert quarantine["dropped"].all()
    without = [row for row in range(14) if row not in (7, 11)]
    assert open_store(tmp_path).samples["sample_id"].tolist() == [f"p{row}" for row in without]


def test_what_every_worker_needs_is_imported_once_for_all():
    recipe = replace(toy_recipe(), modalities=(Text(encoder={"name": "hashed_ngrams"}), *toy_recipe().modalities))
    assert {"graphfuse.encoders.hashed_ngrams", "graphfuse.modalities.text", "toy_plugins"} <= set(modules_of(recipe))


def test_strict_makes_a_crash_an_error(tmp_path):
    with pytest.raises(InputError, match="crashed_worker 1"):
        run(tmp_path, toy_manifest(10, row_7="it dies"), strict=True)


def test_an_error_the_user_can_mend_keeps_its_kind_and_words(tmp_path):
    with pytest.raises(InputError, match="The rule, the value, the way out"):
        run(tmp_path, toy_manifest(row_9="refused"))


def test_a_bug_in_a_worker_comes_with_its_traceback(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*ZeroDivisionError: a bug"):
        run(tmp_path, toy_manifest(row_9="bug"))


def test_after_an_error_the_folder_can_be_resumed_to_the_same_bytes(tmp_path, monkeypatch):
    import toy_plugins

    recipe = toy_recipe(shard_size=5)
    manifest = toy_manifest(row_9="refused")
    with pytest.raises(InputError):
        convert(manifest, recipe, None, tmp_path / "resumed", recipe_json=toy_json(recipe), workers=2)
    monkeypatch.setattr(toy_plugins, "act", lambda text: None)
    for name in ("resumed", "whole"):
        convert(manifest, recipe, None, tmp_path / name, recipe_json=toy_json(recipe))
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")


class Threads:
    """A fork server whose processes are threads of this one."""

    def __init__(self, preload):
        self.started = []

    def start_several(self, count, function, *arguments):
        self.started += [count] if count else []
        return [self._child(function, arguments) for _ in range(count)]

    def _child(self, function, arguments):
        here, there = Pipe()
        threading.Thread(target=function, args=(there, *arguments), daemon=True).start()
        return Child(process=SimpleNamespace(kill=lambda: None, join=lambda: None, exitcode=0), pipe=here)


@pytest.fixture
def pool_of(monkeypatch):
    def made(count, attempt):
        monkeypatch.setattr(workers, "ForkServer", Threads)
        monkeypatch.setattr(workers, "_attempt", lambda job, kind, arguments: attempt(*arguments))
        return workers._Pool(SimpleNamespace(recipe=toy_recipe()), count)

    return made


def test_a_worker_has_its_next_task_before_its_answer_is_used(pool_of):
    begun = [threading.Event() for _ in range(3)]
    pool = pool_of(1, lambda number: (begun[number].set(), ("done", {}))[1])
    answers = pool.map((number, ("shard", (number,))) for number in range(3))
    assert next(answers) == (0, {})
    assert begun[1].wait(10)  # nobody has asked for a second answer yet
    assert not begun[2].is_set()  # a worker is at one task only, so that it is known which one ends it
    assert [number for number, _ in answers] == [1, 2]
    pool.close()


def test_no_more_workers_are_started_than_there_are_tasks_and_they_are_used_again(pool_of):
    pool = pool_of(3, lambda number: ("done", {}))
    for count, started in ((2, [2]), (1, [2]), (5, [2, 1]), (0, [2, 1])):
        assert sorted(number for number, _ in pool.map((number, ("shard", (number,))) for number in range(count))) == list(range(count))
        assert pool._server.started == started
    pool.close()


def say_pid(pipe):
    pipe.send(os.getpid())
    pipe.recv()


def test_processes_start_side_by_side_and_each_has_its_own_pipe():
    children = ForkServer([]).start_several(2, say_pid)
    assert [child.pipe.recv() for child in children] == [child.process.pid for child in children]
    processes.end_all(children)


def test_if_one_process_cannot_start_none_stays(monkeypatch):
    known = []

    def failing(child):
        known.append(child)
        if len(known) == 2:
            raise ResourceError("It could not start.")

    monkeypatch.setattr(processes, "_wait_until_ready", failing)
    with pytest.raises(ResourceError, match="could not start"):
        ForkServer([]).start_several(2, say_pid)
    assert [child.process.is_alive() for child in known] == [False, False]
