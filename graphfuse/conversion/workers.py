"""Shards on worker processes that may die: what they were doing is always known, and never lost in silence.

The end of a process (`core.processes`) tells which chunk it was at. A chunk that ends its process is tried once more on a
fresh one; if it ends that too, halves of it are tried until the rows that do it are found, and the chunk is converted without them.
"""

import contextlib
import itertools
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any, cast

from graphfuse.conversion.journal import Record
from graphfuse.conversion.recipe import Recipe
from graphfuse.conversion.shard import Job, convert_rows, convert_shard
from graphfuse.core.errors import ConfigError, GraphfuseError, ResourceError
from graphfuse.core.processes import Child, ForkServer, end_all
from graphfuse.core.sockets import Plugin
from graphfuse.core.tables import Manifest

Task = tuple[str, tuple[Any, ...]]
"""`shard` or `probe`, and the arguments."""


def convert_shards(job: Job, numbers: Iterable[int], chunk_of: Callable[[int], Manifest], workers: int) -> Iterator[Record]:
    """Yield the record of each shard as it is finished, in any order.

    Args:
        job: What all chunks share.
        numbers: Shards to convert.
        chunk_of: The chunk of a shard.
        workers: Processes; 1 converts in this one.

    Raises:
        GraphfuseError: What a chunk raised.
        ResourceError: If a chunk ends its worker and no row of it does so alone.
    """
    if workers == 1:
        for number in numbers:
            yield convert_shard(job, number, chunk_of(number))
        return
    pool = _Pool(job, workers)
    try:
        suspects: list[int] = []
        for number, record in pool.map((number, ("shard", (number, chunk_of(number)))) for number in numbers):
            if record is None:
                suspects.append(number)
            else:
                yield record
        for number in sorted(suspects):
            yield _without_crash(pool, number, chunk_of(number))
    finally:
        pool.close()


def _without_crash(pool: "_Pool", number: int, chunk: Manifest) -> Record:
    """Return the record of a chunk that ended its worker: tried again, then without the rows that do it."""
    record = pool.one(("shard", (number, chunk)))
    if record is None:
        rows = _crashing_rows(pool, chunk, list(range(len(chunk))))
        record = pool.one(("shard", (number, chunk, rows))) if rows else None
    if record is None:
        raise ResourceError(
            f"Shard {number} ({len(chunk)} rows) ends its worker process, though no row does so alone; memory may not suffice. "
            "Lower convert.shard_size or --workers."
        )
    return record


def _crashing_rows(pool: "_Pool", chunk: Manifest, rows: list[int]) -> list[int]:
    """Return those of some rows that end a process even alone."""
    if pool.one(("probe", (chunk.take(rows),))) is not None:
        return []
    if len(rows) == 1:
        return rows
    half = len(rows) // 2
    return _crashing_rows(pool, chunk, rows[:half]) + _crashing_rows(pool, chunk, rows[half:])


def modules_of(recipe: Recipe) -> list[str]:
    """Return the modules of a recipe's plug-ins and of their encoders, which else every worker would import anew."""
    encoders = recipe.encoders.values()
    plugins: list[Plugin] = [*recipe.modalities, *recipe.edges, recipe.task, *encoders]
    return [*(type(plugin).__module__ for plugin in plugins), *(encoder.imports for encoder in encoders if encoder.imports)]


@dataclass(kw_only=True)
class _Worker:
    child: Child
    number: int = -1
    """Of the task it is at."""


class _Pool:
    """Processes with one pipe each; started when first needed."""

    def __init__(self, job: Job, count: int) -> None:
        self._job = job
        self._count = count
        self._idle: list[_Worker] = []
        self._busy: dict[Any, _Worker] = {}
        self._server = ForkServer([__name__, *modules_of(job.recipe)])

    def map(self, tasks: Iterable[tuple[int, Task]]) -> Iterator[tuple[int, Record | None]]:
        """Yield (number, record) as tasks are done, None where the worker died; tasks are drawn as workers are free."""
        waiting = iter(tasks)
        self._hand_out(waiting)
        while self._busy:
            for pipe in connection.wait(list(self._busy)):
                worker = self._busy.pop(pipe)
                done = worker.number, self._answer(worker)
                self._hand_out(waiting)  # before the answer is used: the worker would wait for that
                yield done

    def one(self, task: Task) -> Record | None:
        """Return the record of one task while nothing else runs, or None if its worker died."""
        ((_, record),) = self.map([(0, task)])
        return record

    def close(self) -> None:
        """End all workers at once; what they were writing stays behind as temporary files, which the next start removes."""
        end_all([worker.child for worker in (*self._idle, *self._busy.values())])

    def _hand_out(self, waiting: Iterator[tuple[int, Task]]) -> None:
        """Give a task to every worker that has none, while there are tasks; workers that are missing are started."""
        given = list(itertools.islice(waiting, self._count - len(self._busy)))
        missing = max(len(given) - len(self._idle), 0)
        self._idle += [_Worker(child=child) for child in self._server.start_several(missing, _serve, self._job)]
        for number, task in given:
            worker = self._idle.pop()
            worker.number = number
            self._busy[worker.child.pipe] = worker
            with contextlib.suppress(OSError):  # it died while idle; its pipe is at its end, which `map` will see
                worker.child.pipe.send(task)

    def _answer(self, worker: _Worker) -> Record | None:
        try:
            kind, value = worker.child.pipe.recv()
        except (EOFError, OSError):
            worker.child.close()
            return None
        self._idle.append(worker)
        if kind == "refused":
            raise _mendable(*value)
        if kind == "failed":
            raise RuntimeError(f"A worker process failed:\n{value}")
        return cast(Record, value)


def _serve(pipe: "connection.Connection[Any, Any]", job: Job) -> None:
    """Do tasks until the pipe ends: the life of a worker."""
    while True:
        try:
            kind, arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(_attempt(job, kind, arguments))


def _attempt(job: Job, kind: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    """Return (outcome, value) of one task; errors travel as text, since not all of them survive being sent."""
    try:
        if kind == "shard":
            return "done", convert_shard(job, *arguments)
        convert_rows(job, *arguments)
    except GraphfuseError as error:
        return "refused", (type(error), str(error))
    except MemoryError:
        return "refused", (ResourceError, "Memory does not suffice for a chunk. Lower convert.shard_size or --workers.")
    except Exception:  # noqa: BLE001  (a bug, told to the parent with its traceback)
        return "failed", traceback.format_exc()
    return "done", {}


def _mendable(kind: type[GraphfuseError], message: str) -> GraphfuseError:
    """Return the error that a worker raised."""
    error = kind.__new__(kind)
    error.args = (message,)
    if isinstance(error, ConfigError):
        error.problems = message.splitlines()
    return error
