"""Timing by turns: every contestant once per round, so that what disturbs one disturbs all."""

import gc
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import torch
from device import wait

Contestant = Callable[[int], object]
"""Does the work once; it is given the number of the round, so that rounds can differ in what they work on."""

FEWEST_ROUNDS = 5
"""However long a round takes, fewer would be no median."""
WARM_UP = 1
"""Rounds that are not counted: the first call allocates and reads."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """Medians over the rounds, in seconds."""

    cpu: float
    """Of all threads of this process."""
    wall: float
    rounds: int


def race(contestants: Mapping[str, Contestant], *, seconds: float, fewest: int = FEWEST_ROUNDS) -> dict[str, Times]:
    """Let contestants take turns for some seconds, and return each one's median times.

    Their order is drawn anew for each round: what one leaves in the cache serves or hinders the next.

    Args:
        contestants: Work by name.
        seconds: How long the race lasts; the round begun last is finished.
        fewest: Rounds that are run whatever they take.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for number in range(WARM_UP):
        for work in contestants.values():
            work(number)
    until, number = time.monotonic() + seconds, WARM_UP
    while number - WARM_UP < fewest or time.monotonic() < until:
        for name in random.Random(number).sample(list(contestants), len(contestants)):
            found[name].append(clocked(contestants[name], number))
        number += 1
    return {name: times(spent) for name, spent in found.items()}


def clocked(work: Contestant, number: int = 0) -> tuple[float, float]:
    """Return processor and wall seconds of one call; no garbage is collected within it."""
    gc.collect(0)
    gc.disable()
    try:
        wait()
        wall, cpu = time.perf_counter(), time.process_time()
        work(number)
        wait()
        return time.process_time() - cpu, time.perf_counter() - wall
    finally:
        gc.enable()


def times(spent: list[tuple[float, float]]) -> Times:
    """Return the medians of (processor, wall) seconds."""
    cpu, wall = (median(part) for part in zip(*spent, strict=True))
    return Times(cpu=cpu, wall=wall, rounds=len(spent))


class Canary:
    """Two fixed pieces of work, a matrix product and a copy, timed before and after: if they change, so did the machine."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        self._left, self._right = torch.randn(512, 384, generator=draw), torch.randn(384, 1536, generator=draw)
        self._source = torch.zeros(13 * 2**20 // 4)
        self._target = torch.empty_like(self._source)
        self.before = self._sing()

    def moved(self) -> float:
        """Return by what factor the slower of the two has changed since the start, 1 or more."""
        after = self._sing()
        return max(max(a / b, b / a) for a, b in zip(self.before, after, strict=True))

    def _sing(self) -> tuple[float, float]:
        found = race({"product": lambda _: self._left @ self._right, "copy": lambda _: self._target.copy_(self._source)}, seconds=0.4)
        return found["product"].wall, found["copy"].wall
