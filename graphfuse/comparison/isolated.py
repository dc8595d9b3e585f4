"""Work in processes of their own, several at a time: what fails or dies is told apart from what is done, and stops nothing else."""

import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

from graphfuse.core.errors import GraphfuseError
from graphfuse.core.processes import Child, ForkServer
from graphfuse.core.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Work:
    """A call to make in a process of its own; function and arguments must be such that they can be sent."""

    key: Any
    """By which the caller knows it."""
    label: str
    """What people read."""
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of it."""

    value: Any = None
    error: str | None = None
    """Why it failed, for people; None where it did not."""
    traceback: str = ""


def run_isolated(
    work: Sequence[Work], *, workers: int, preload: Sequence[str], progress: Progress, done: int = 0
) -> Iterator[tuple[Work, Outcome]]:
    """Yield each piece of work with its outcome, in the order in which they end.

    All processes are ended when the caller stops asking, by an interruption or otherwise.

    Args:
        work: What to do, started in this order.
        workers: How many processes at a time.
        preload: Modules that the processes need.
        progress: Called as each starts.
        done: What was done before, so that progress goes on from there.
    """
    waiting, total = deque(work), done + len(work)
    server = ForkServer([__name__, *preload])
    running: dict[Any, tuple[Child, Work]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                piece = waiting.popleft()
                progress(total - len(waiting) - len(running) - 1, total, piece.label)
                child = server.start(_serve, piece)
                running[child.pipe] = child, piece
            for pipe in connection.wait(list(running)):
                child, piece = running[pipe]
                outcome = _outcome(child)
                del running[pipe]
                yield piece, outcome
    finally:
        for child, _ in running.values():
            child.kill()


def _outcome(child: Child) -> Outcome:
    """Return what a process sent; if it sent nothing, how it ended."""
    try:
        return Outcome(**child.pipe.recv())
    except (EOFError, OSError):
        return Outcome(error=_death(child.close()))
    finally:
        child.close()


def _death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"The process ended with exit code {code} and said nothing."
    name = signal.Signals(-code).name
    hint = " Memory may not suffice: lower train.batch_size or --workers." if name == "SIGKILL" else ""
    return f"The process was ended by {name}.{hint}"


def _serve(pipe: "connection.Connection[Any, Any]", piece: Work) -> None:
    """Do the work: the life of a process. Errors travel as text, since not all of them survive being sent."""
    try:
        answer = {"value": piece.function(*piece.arguments)}
    except GraphfuseError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "Memory does not suffice. Lower train.batch_size or --workers.", "traceback": traceback.format_exc()}
    except Exception as error:  # noqa: BLE001  (whatever a model comes to, the others go on)
        answer = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    pipe.send(answer)
