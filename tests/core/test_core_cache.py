"""The feature cache is made by whoever comes first, also where several come at once."""

import sqlite3
import threading

import numpy as np
import pytest

from graphfuse.core.cache import FeatureCache, _write_ahead


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
