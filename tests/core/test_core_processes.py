"""Processes from a fork server: quick to start, and gone when told."""

import gc
import os
import signal
import time
from multiprocessing import forkserver
from pathlib import Path

import pytest

from graphfuse.core.processes import ForkServer, end_all


def tell_what_is_frozen(pipe):
    pipe.send(gc.get_freeze_count())


def sleep_long(pipe):
    time.sleep(600)


def children_of_the_server():
    server = forkserver._forkserver._forkserver_pid
    stats = [(path.parent.name, path.read_text().rpartition(")")[2].split()) for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    return [pid for pid, (state, parent, *_) in stats if int(parent) == server and state != "Z"]


def test_what_came_with_the_fork_is_never_looked_at_for_garbage():
    child = ForkServer([]).start(tell_what_is_frozen)
    assert child.pipe.recv() > 1000
    child.close()


def test_all_are_ended_together():
    children = [ForkServer([]).start(sleep_long) for _ in range(2)]
    end_all(children)
    assert [child.process.exitcode for child in children] == [-signal.SIGKILL] * 2
    assert all(child.pipe.closed for child in children)


def test_a_server_that_runs_is_not_started_again():
    server = ForkServer([])
    server.run()
    first = forkserver._forkserver._forkserver_pid
    server.run()
    assert first is not None
    assert forkserver._forkserver._forkserver_pid == first
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="children are looked up in /proc")
def test_an_interruption_while_a_process_begins_leaves_none_and_no_complaint(monkeypatch, capfd):
    connect = forkserver.connect_to_new_process

    def interrupted(fds):
        ends = connect(fds)
        os.kill(os.getpid(), signal.SIGINT)  # forked, but not told yet what to do
        return ends

    ForkServer([]).start(tell_what_is_frozen).close()
    monkeypatch.setattr(forkserver, "connect_to_new_process", interrupted)
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have it ignored
        with pytest.raises(KeyboardInterrupt):
            ForkServer([]).start(sleep_long)
    finally:
        signal.signal(signal.SIGINT, before)
    time.sleep(0.5)  # for the server to fork in
    assert children_of_the_server() == []
    assert capfd.readouterr().err == ""


def test_an_interruption_that_is_ignored_stays_so(monkeypatch):
    connect = forkserver.connect_to_new_process
    monkeypatch.setattr(forkserver, "connect_to_new_process", lambda fds: (os.kill(os.getpid(), signal.SIGINT), connect(fds))[1])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = ForkServer([]).start(tell_what_is_frozen)
    finally:
        signal.signal(signal.SIGINT, before)
    assert child.pipe.recv() > 1000
    child.close()
