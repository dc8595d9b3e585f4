"""Shards made ready by a thread while the ones before them are used."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from graphfuse.core.tables import IntArray
from graphfuse.store.columns import Shard


class ReadAhead:
    """Opens the shards of the next window (reading, digest, checks: all of which let other threads run) one window ahead.

    Args:
        open_one: Opens the shard of a number, for good or with an error.
    """

    def __init__(self, open_one: Callable[[int], Shard]) -> None:
        self._open_one = open_one
        self._ready: dict[int, Shard] = {}

    def take(self, number: int) -> Shard | None:
        """Return the shard of a number, if it waits here, and forget it."""
        return self._ready.pop(number, None)

    def windows(self, shards: Sequence[Sequence[int]], spans: Sequence[IntArray]) -> Iterator[IntArray]:
        """Yield the spans of each window as soon as its shards are open; those of the next are opened meanwhile.

        Args:
            shards: Numbers of the shards of each window that will be taken; one that is not would wait here until the loop ends.
            spans: Anything else of each window.

        Raises:
            IntegrityError: When a window is reached of which a shard is not as it was written.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        try:
            coming = {number: thread.submit(self._open_one, number) for number in shards[0]}
            for span, following in zip(spans, [*shards[1:], ()], strict=True):
                self._ready.update({number: one.result() for number, one in coming.items()})
                coming = {number: thread.submit(self._open_one, number) for number in following}
                yield span
        finally:  # also where the loop over batches ends early
            self._ready.clear()
            with suppress(RuntimeError):  # a loop that nobody holds may be collected by its own thread, which cannot wait for itself
                thread.shutdown(cancel_futures=True)
