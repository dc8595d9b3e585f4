"""A store larger than memory is opened one window ahead, and damage or an early end of the loop does no harm."""

import os
import threading
from pathlib import Path

import pytest
from store_toys import toy_store

from graphfuse.core.errors import IntegrityError
from graphfuse.store.graph_store import open_store
from graphfuse.store.integrity import forget
from graphfuse.store.read_ahead import ReadAhead


@pytest.fixture
def folder(tmp_path):
    return toy_store(tmp_path, [[[1, 1, 1]] * 8] * 6)


def windowed(folder, shards=1.5):
    return open_store(folder, memory_budget=int(shards * (folder / "shards/00000.safetensors").stat().st_size))


def threads_ahead():
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def test_epoch_is_the_same_as_without_reading_ahead(folder):
    ahead = windowed(folder)
    plain = open_store(folder)

    for batch in ahead.batches(batch_size=5, shuffle=True, seed=1):
        expected = plain.batch(batch.position)
        assert all(batch[name].x.equal(expected[name].x) for name in plain.schema.node_types)


def test_a_window_is_ready_when_it_is_reached_and_no_shard_is_opened_twice(folder, monkeypatch):
    opened = []
    whole = open_store.__globals__["open_shard"]
    monkeypatch.setattr(
        "graphfuse.store.graph_store.open_shard",
        lambda path, index, number, entities, **how: (
            opened.append((number, threading.current_thread().name.split("_")[0])) or whole(path, index, number, entities, **how)
        ),
    )

    for _ in windowed(folder).batches(batch_size=8, shuffle=True):
        pass

    assert sorted(opened) == [(number, "read-ahead") for number in range(6)]


def test_shards_without_samples_of_the_split_are_not_read(tmp_path, monkeypatch):
    splits = ["train"] * 16 + ["test"] * 32
    store = windowed(toy_store(tmp_path, [[[1, 1, 1]] * 8] * 6, splits=splits))
    opened, read = [], store._ahead._open_one
    monkeypatch.setattr(store._ahead, "_open_one", lambda number: opened.append(number) or read(number))

    for _ in store.batches("train", batch_size=8, shuffle=True):
        assert len(store._ahead._ready) <= 2

    assert sorted(opened) == [0, 1]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux lists a process's open files")
def test_an_open_shard_holds_no_file_open(folder):
    before = len(os.listdir("/proc/self/fd"))
    store = open_store(folder)
    store.batch(range(len(store)))

    assert len(store._open) == 6
    assert len(os.listdir("/proc/self/fd")) == before


def test_damage_is_told_when_its_window_is_reached(folder):
    path = folder / "shards/00003.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    forget()
    store = windowed(folder)
    seen = []

    with pytest.raises(IntegrityError, match=r"00003.safetensors has changed"):
        for batch in store.batches(batch_size=8, shuffle=True):
            seen += batch.position.tolist()

    assert all(position // 8 != 3 for position in seen)
    assert threads_ahead() == []


def test_a_loop_that_ends_early_leaves_no_thread_and_no_shard_behind(folder):
    store = windowed(folder)

    for _ in store.batches(batch_size=5, shuffle=True):
        break

    assert threads_ahead() == []
    assert store._ahead._ready == {}


def test_a_loop_that_its_own_thread_collects_ends_in_silence(folder, monkeypatch):
    complaints, idle, dropped = [], threading.Event(), threading.Event()
    monkeypatch.setattr("sys.unraisablehook", complaints.append)
    loops = []

    def open_one(number):
        if number == 1:
            assert idle.wait(10)
            loops.clear()
            dropped.set()
        return number

    ahead = ReadAhead(open_one)
    loops.append(ahead.windows([[0], [1]], [None, None]))
    next(loops[0])
    idle.set()

    assert dropped.wait(10)
    assert (complaints, ahead._ready) == ([], {})


def test_two_loops_over_one_store_do_not_disturb_each_other(folder):
    store = windowed(folder, 2.5)

    pairs = zip(store.batches(batch_size=5, shuffle=True, seed=1), store.batches(batch_size=5, shuffle=True, seed=2), strict=True)
    seen = [(one.position.tolist(), other.position.tolist()) for one, other in pairs]

    for side in (0, 1):
        assert sorted(position for batch in seen for position in batch[side]) == list(range(48))


def test_shards_of_a_batch_that_are_opened_side_by_side_stand_in_order(folder):
    store, one_by_one = open_store(folder), open_store(folder)
    for number in range(6):
        one_by_one.sample(8 * number)

    asked = [47, 0, 20, 9, 33, 25]
    both = store.batch(asked), one_by_one.batch(asked)

    assert both[0].position.tolist() == asked
    assert both[0]["text_span"].x.equal(both[1]["text_span"].x)
