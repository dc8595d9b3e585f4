"""The feature cache is made by whoever comes first, also where several come at once."""

import sqlite3
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from graphfuse.core.cache import FeatureCache, _write_ahead, open_cache


def encode(folder, key="a key"):
    (found,) = FeatureCache(folder).encode([key], lambda positions: [np.full((1, 2), len(key), dtype=np.float32)])
    return found.tolist()


class Refusing:
    """A connection that refuses some times before it does what it is asked."""

    def __init__(self, times, code):
        self.times, self.code, self.asked = times, code, 0

    def execute(self, statement):
        self.asked += 1
        if self.asked <= self.times:
            error = sqlite3.OperationalError("refused")
            error.sqlite_errorcode = self.code
            raise error


def test_a_file_that_another_process_is_making_is_waited_for():
    connection = Refusing(3, sqlite3.SQLITE_BUSY)

    _write_ahead(connection)

    assert connection.asked == 4


def test_it_is_not_waited_for_longer_than_a_minute(monkeypatch):
    monkeypatch.setattr("graphfuse.core.cache.WAIT", 0.05)

    with pytest.raises(sqlite3.OperationalError, match="refused"):
        _write_ahead(Refusing(10**6, sqlite3.SQLITE_BUSY))


def test_what_waiting_does_not_mend_is_told_at_once():
    connection = Refusing(3, sqlite3.SQLITE_READONLY)

    with pytest.raises(sqlite3.OperationalError, match="refused"):
        _write_ahead(connection)
    assert connection.asked == 1


def test_several_may_come_at_once_to_a_folder_without_a_cache(tmp_path):
    together, found = threading.Barrier(8), {}

    def come(number):
        together.wait()
        found[number] = encode(tmp_path, "k" * (number + 1))

    threads = [threading.Thread(target=come, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {number: [[number + 1.0] * 2] for number in range(8)}
    cache = FeatureCache(tmp_path)
    cache.encode(["k" * (number + 1) for number in range(8)], lambda positions: [])
    assert (cache.hits, cache.misses) == (8, 0)


def rubbish(file):
    file.write_bytes(b"rubbish" * 700)


def damaged_page(file):
    with sqlite3.connect(file) as connection:  # several pages, so that the first, with all that tells what is in the file, stays whole
        rows = [(f"key {number}", bytes(3000)) for number in range(50)]
        connection.executemany("INSERT INTO features VALUES (?, ?)", rows)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [rubbish, damaged_page])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(damage, tmp_path):
    encode(tmp_path)
    damage(tmp_path / "features.sqlite")
    content = (tmp_path / "features.sqlite").read_bytes()

    with pytest.warns(UserWarning, match=r"features.sqlite is damaged. It is set aside as features.sqlite.damaged, and a new one is begun"):
        assert encode(tmp_path) == [[5.0] * 2]

    assert (tmp_path / "features.sqlite.damaged").read_bytes() == content
    cache = FeatureCache(tmp_path)
    cache.encode(["a key"], lambda positions: [])
    assert cache.hits == 1


def test_a_new_file_that_another_process_has_begun_is_not_set_aside(tmp_path, monkeypatch):
    rubbish(tmp_path / "features.sqlite")
    connect = FeatureCache._connect

    def replaced_meanwhile(cache, path):
        monkeypatch.undo()
        try:
            return connect(cache, path)
        finally:
            path.rename(tmp_path / "aside")
            encode(tmp_path)

    monkeypatch.setattr(FeatureCache, "_connect", replaced_meanwhile)
    assert encode(tmp_path) == [[5.0] * 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aside", "features.sqlite"]


def test_an_entry_of_another_type_is_computed_again(tmp_path):
    encode(tmp_path)
    with sqlite3.connect(tmp_path / "features.sqlite") as connection:
        connection.execute("UPDATE features SET value = 7")
    connection.close()
    assert encode(tmp_path) == [[5.0] * 2]


def refusing(code, words):
    def connect(*_, **__):
        error = sqlite3.OperationalError(words)
        error.sqlite_errorcode = code
        raise error

    return connect


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_FULL, "database or disk is full"),
        (sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
        (sqlite3.SQLITE_CANTOPEN, "unable to open database file"),
        (sqlite3.SQLITE_BUSY, "database is locked"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_once_and_gone_without(code, words, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite3, "connect", refusing(code, words))

    with pytest.warns(UserWarning, match=f"{tmp_path} cannot be used .{words}.; .*GRAPHFUSE_CACHE") as told:
        assert [encode(tmp_path), encode(tmp_path, "another")] == [[[5.0] * 2], [[7.0] * 2]]
    assert len(told) == 1


def test_a_folder_that_cannot_be_made_is_told_and_gone_without(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match=r"cannot be used .*GRAPHFUSE_CACHE"):
        assert encode(tmp_path / "file" / "cache") == [[5.0] * 2]


def test_nobody_needs_a_home(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("GRAPHFUSE_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr("graphfuse.core.cache._unusable", set())
    with pytest.warns(UserWarning, match=r"Could not determine home directory.*GRAPHFUSE_CACHE"):
        first = open_cache()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_cache().encode(["k"], lambda positions: [np.ones((1, 2), dtype=np.float32)])[0].tolist() == [[1.0, 1.0]]
    assert first.encode(["k"], lambda positions: [np.ones((1, 2), dtype=np.float32)])[0].tolist() == [[1.0, 1.0]]


def test_what_goes_wrong_while_features_are_computed_is_no_matter_of_the_cache(tmp_path):
    def compute(positions):
        raise OSError("a picture cannot be read")

    with pytest.raises(OSError, match="a picture cannot be read"):
        FeatureCache(tmp_path).encode(["k"], compute)
