"""Interrupted and resumed is the same as uninterrupted, to the byte (contract 3)."""

from dataclasses import replace
from pathlib import Path

import pytest
from toy_training import EXPERIMENT, SETTINGS, Killed, contents, made_store, train

from graphfuse.core.errors import ConfigError, InputError, IntegrityError
from graphfuse.core.files import read_json
from graphfuse.training.checkpoint import read_tensors, write_tensors


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def whole(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    train(store, out)
    return contents(out)


def kill_after(epochs):
    def progress(done, total, label):
        if done == epochs:
            raise Killed

    return progress


def test_two_runs_are_equal_to_the_byte(store, whole, tmp_path):
    train(store, tmp_path / "run")
    assert contents(tmp_path / "run") == whole


@pytest.mark.parametrize("epoch", [1, 2, 3, 4, 5, 8])
def test_a_run_killed_after_an_epoch_resumes_to_the_same_bytes(store, whole, tmp_path, epoch):
    with pytest.raises(Killed):
        train(store, tmp_path / "run", progress=kill_after(epoch))
    assert not (tmp_path / "run" / "receipt.json").exists()
    train(store, tmp_path / "run", resume=True)
    assert contents(tmp_path / "run") == whole


def test_a_resumed_run_can_be_killed_and_resumed_again(store, whole, tmp_path):
    for number, epoch in enumerate([1, 2, 3, 6]):
        with pytest.raises(Killed):
            train(store, tmp_path / "run", resume=number > 0, progress=kill_after(epoch))
    train(store, tmp_path / "run", resume=True)
    assert contents(tmp_path / "run") == whole


def test_a_run_killed_in_the_middle_of_an_epoch_resumes_to_the_same_bytes(store, whole, tmp_path, monkeypatch):
    read = type(store).batches

    def batches(self, split=None, *, epoch=0, **settings):
        for number, batch in enumerate(read(self, split, epoch=epoch, **settings)):
            if epoch == 3 and number == 1:
                raise Killed
            yield batch

    monkeypatch.setattr(type(store), "batches", batches)
    with pytest.raises(Killed):
        train(store, tmp_path / "run")
    monkeypatch.undo()
    train(store, tmp_path / "run", resume=True)
    assert contents(tmp_path / "run") == whole


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_any_write_is_healed_by_resuming(store, tmp_path, monkeypatch, moment):
    settings = replace(SETTINGS, epochs=2, seeds=(3,))
    train(store, tmp_path / "whole", settings)
    replace_file = Path.replace
    number = writes = 0

    def counted(self, target):
        nonlocal writes
        writes += 1
        if writes == number and moment == "before":
            raise Killed
        result = replace_file(self, target)
        if writes == number:
            raise Killed
        return result

    monkeypatch.setattr(Path, "replace", counted)
    while True:
        number, writes = number + 1, 0
        out = tmp_path / f"run-{number}"
        try:
            train(store, out, settings)
        except Killed:
            number_of_kill, number = number, 0
            train(store, out, settings, resume=True)
            number = number_of_kill
        else:
            break
        assert contents(out) == contents(tmp_path / "whole")
    assert number > 12


def test_resuming_a_finished_run_gives_its_figures(store, tmp_path):
    first = train(store, tmp_path / "run")
    before = contents(tmp_path / "run")
    assert train(store, tmp_path / "run", resume=True) == first
    assert contents(tmp_path / "run") == before


def test_other_settings_are_refused_with_every_difference(store, tmp_path):
    with pytest.raises(Killed):
        train(store, tmp_path / "run", progress=kill_after(1))
    with pytest.raises(ConfigError) as error:
        train(store, tmp_path / "run", replace(SETTINGS, learning_rate=0.5, seeds=(0, 2)), resume=True)
    assert "train.learning_rate: 0.01 -> 0.5" in str(error.value)
    assert "train.seeds.1: 1 -> 2" in str(error.value)
    assert "give another --out" in str(error.value)


def test_another_store_is_refused(store, tmp_path):
    with pytest.raises(Killed):
        train(store, tmp_path / "run", progress=kill_after(1))
    other = made_store(tmp_path / "store", labels=["a", "b"] * 24)
    with pytest.raises(ConfigError, match=r"(?m)^  store: "):
        train(other, tmp_path / "run", resume=True)


def test_other_analyses_do_not_hinder_resuming(store, whole, tmp_path):
    with pytest.raises(Killed):
        train(store, tmp_path / "run", progress=kill_after(1))
    train(store, tmp_path / "run", resume=True, experiment={**EXPERIMENT, "analyses": [{"name": "attention"}]})
    assert contents(tmp_path / "run") == whole


def test_a_folder_with_a_run_is_not_overwritten(store, tmp_path):
    with pytest.raises(Killed):
        train(store, tmp_path / "run", progress=kill_after(1))
    with pytest.raises(InputError, match=r"holds a run that was interrupted. Give another --out, or add --resume"):
        train(store, tmp_path / "run")
    train(store, tmp_path / "run", resume=True)
    with pytest.raises(InputError, match="holds a finished run"):
        train(store, tmp_path / "run")


def test_files_of_others_are_neither_written_over_nor_listed_nor_removed(store, tmp_path):
    (tmp_path / "mine").mkdir()
    for name in ("schema.json", ".notes.tmp"):
        (tmp_path / "mine" / name).write_text("mine")
    with pytest.raises(InputError, match=r"train writes into a new folder \(got '.*mine', with '.notes.tmp' in it\)"):
        train(store, tmp_path / "mine")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [".notes.tmp", "schema.json"]
    # and what somebody lays beside a run is no part of it
    with pytest.raises(Killed):
        train(store, tmp_path / "run", progress=kill_after(1))
    (tmp_path / "run" / "notes.txt").write_text("a note")
    train(store, tmp_path / "run", resume=True)
    assert "notes.txt" not in read_json(tmp_path / "run" / "receipt.json")["files"]


def test_a_folder_in_which_a_process_was_killed_at_its_first_write_is_as_good_as_new(store, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".inputs.json.4711.tmp").write_text("{")
    train(store, tmp_path / "run", replace(SETTINGS, epochs=1))
    assert not list((tmp_path / "run").glob(".*.tmp"))


@pytest.mark.parametrize("place", [0.02, 0.3, 0.6, 0.99])
def test_a_damaged_checkpoint_is_named_with_the_way_out(store, tmp_path, place):
    with pytest.raises(Killed):
        train(store, tmp_path / "run", progress=kill_after(1))
    path = tmp_path / "run" / "seed-0" / "checkpoint.safetensors"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"checkpoint.safetensors .*Delete the file and repeat train with --resume"):
        train(store, tmp_path / "run", resume=True)
    path.unlink()
    train(store, tmp_path / "run", resume=True)


def test_a_checkpoint_of_another_network_is_refused(store, tmp_path):
    with pytest.raises(Killed):
        train(store, tmp_path / "run", progress=kill_after(1))
    path = tmp_path / "run" / "seed-0" / "checkpoint.safetensors"
    tensors, info = read_tensors(path)
    del tensors["weights.head.bias"]
    write_tensors(path, tensors, info)
    with pytest.raises(IntegrityError, match=r"must be a checkpoint of this network .*head.bias.* Delete the file"):
        train(store, tmp_path / "run", resume=True)
