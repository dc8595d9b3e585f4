"""Processes from a fork server: quick to start, and gone when told."""

import gc
import signal
import time
from multiprocessing import forkserver

from graphfuse.core.processes import ForkServer, end_all


def tell_what_is_frozen(pipe):
    pipe.send(gc.get_freeze_count())


def sleep_long(pipe):
    time.sleep(600)


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
