"""Functions in processes that may die: each has its own pipe, whose end tells that the process has ended.

Processes come from a fork server (a clean process that has imported what they need and does nothing else: forking this one,
with its threads, may hang, and importing torch anew takes seconds).
"""

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, forkserver, parent_process, process
from types import FrameType
from typing import Any

from graphfuse.core.errors import ResourceError


@dataclass(kw_only=True)
class Child:
    """A process that runs one function, and our end of its pipe."""

    process: process.BaseProcess
    pipe: "connection.Connection[Any, Any]"

    def kill(self) -> None:
        """End it at once; what it was writing stays behind as temporary files."""
        end_all([self])

    def close(self) -> int | None:
        """Wait for its end, and return its exit code: the negative number of the signal that killed it."""
        self.process.join()
        self.pipe.close()
        return self.process.exitcode


def end_all(children: Sequence[Child]) -> None:
    """End processes at once, and wait until all are gone; together, since giving back its memory takes each of them a while."""
    for child in children:
        child.process.kill()
    for child in children:
        child.close()


class ForkServer:
    """Starts processes that have some modules imported.

    Args:
        preload: Names of modules.
    """

    def __init__(self, preload: Iterable[str]) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(sorted({__name__, *preload}))

    def run(self) -> None:
        """Start the server itself now, rather than with its first process: it imports while this process does other work.

        One that runs already stays as it is.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C is left to this process here, too
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def start(self, function: Callable[..., None], *arguments: Any) -> Child:
        """Start `function(pipe, *arguments)`; Ctrl-C is left to this process, and the child ends with it.

        Raises:
            ResourceError: If it cannot be started.
        """
        (child,) = self.start_several(1, function, *arguments)
        return child

    def start_several(self, count: int, function: Callable[..., None], *arguments: Any) -> list[Child]:
        """Start as many processes as `start` would one after another, side by side.

        Raises:
            ResourceError: If one of them cannot be started; then none stays.
        """
        if count == 0:
            return []
        self.run()
        children: list[Child] = []
        try:
            for _ in range(count):
                with _interrupted_later():
                    children.append(self._begun(function, arguments))
            for child in children:
                _wait_until_ready(child)
        except BaseException:  # Ctrl-C as well: nobody else knows of them
            end_all(children)
            raise
        return children

    def _begun(self, function: Callable[..., None], arguments: tuple[Any, ...]) -> Child:
        """Return a process that is about to run a function; it says so through its pipe."""
        here, there = self._context.Pipe()
        started = self._context.Process(target=_serve, args=(there, dict(os.environ), function, arguments), daemon=True)
        started.start()
        there.close()  # so that the pipe ends with the process
        return Child(process=started, pipe=here)


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Have Ctrl-C wait meanwhile: a process that was begun and not told what to do would complain, and nobody would know of it."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield  # it does not come here, or is ignored
        return
    asked: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *call: asked.append(call))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if asked:
            before(*asked[0])


def _wait_until_ready(child: Child) -> None:
    try:
        child.pipe.recv()
    except (EOFError, OSError) as error:
        child.process.join()
        raise ResourceError(
            f"A worker process could not start (exit code {child.process.exitcode}). In a script, call graphfuse under "
            "`if __name__ == '__main__':`; or use --workers 1."
        ) from error


def _serve(
    pipe: "connection.Connection[Any, Any]", environment: dict[str, str], function: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    os.environ.update(environment)  # the fork server may have been started under another one
    gc.freeze()  # collecting garbage writes to every object that came with the fork, and so copies all of that memory
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe.send("ready")
    function(pipe, *arguments)


def _end_with_parent() -> None:
    """Leave when the parent is gone: nobody waits for what would be done, and its folder would stay locked."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
