"""One row of the table: a work, its peer, its limit, and what was measured of them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from clock import Times

DISTURBED = 1.3
"""Where wall and processor time of two contestants differ by more than this factor, something else was running."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was measured of one work."""

    work: str
    peer: str
    """What a user would run instead."""
    ours: Times
    peers: Times
    goal: float
    """Ratio to the peer that the work should reach."""
    floor: float
    """Ratio to the peer below which something is broken, on any machine; asked of quick runs."""
    equal: str
    """What was found equal before timing."""
    limit: str = ""
    """What the machine cannot do faster, where there is such a thing."""
    limits: Times | None = None
    goal_limit: float | None = None
    """Most times the limit that the work should take."""
    by: Literal["cpu", "wall"] = "cpu"
    """What ratios are of; wall where work waits for disks or other processes."""
    note: str = ""

    @property
    def ratio(self) -> float:
        """Return how many times faster than the peer."""
        return getattr(self.peers, self.by) / getattr(self.ours, self.by)

    @property
    def times_limit(self) -> float | None:
        """Return how many times the limit ours takes."""
        return None if self.limits is None else getattr(self.ours, self.by) / getattr(self.limits, self.by)

    @property
    def disturbed(self) -> bool:
        """Return whether the contestants were not disturbed alike."""
        waits = [each.wall / max(each.cpu, 1e-9) for each in (self.ours, self.peers, self.limits) if each is not None]
        return self.by == "cpu" and max(waits) / min(waits) > DISTURBED

    @property
    def reached(self) -> bool:
        """Return whether the goals are reached."""
        far = self.goal_limit is not None and self.times_limit is not None and self.times_limit > self.goal_limit
        return self.ratio >= self.goal and not far

    def to_json(self) -> dict[str, Any]:
        """Return all of it, ratios included."""
        figures = {"ratio_to_peer": self.ratio, "ratio_to_limit": self.times_limit, "disturbed": self.disturbed, "reached": self.reached}
        return {**asdict(self), **figures}


Runs = Sequence[Row]
"""The same row as each of several runs found it, at least one."""


def middle(runs: Runs) -> Row:
    """Return the row with the median ratio to the peer, of an even number the lower: the one that tables show."""
    return sorted(runs, key=lambda row: row.ratio)[(len(runs) - 1) // 2]


def markdown(measured: Iterable[Runs]) -> str:
    """Return the table, and below it what must be known of some rows."""
    measured = list(measured)
    lines = [
        "| work | ours | peer | x peer (goal) | limit | x limit (goal) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rows = [middle(runs) for runs in measured]
    for row, runs in zip(rows, measured, strict=True):
        limit, times = "", ""
        if row.limits is not None:
            limit = f"{row.limit}: {_time(getattr(row.limits, row.by))}"
            times = f"{row.times_limit:.2g}" + ("" if row.goal_limit is None else f" (≤ {row.goal_limit:g})")
        ours = _time(getattr(row.ours, row.by)) + (" wall" if row.by == "wall" else "")
        lines.append(f"| {row.work} | {ours} | {row.peer}: {_time(getattr(row.peers, row.by))} | {_ratio(runs)} | {limit} | {times} |")
    notes = {
        note: dict.fromkeys(row.work for row in rows if row.note == note) for note in dict.fromkeys(row.note for row in rows if row.note)
    }
    return "\n".join([*lines, *([""] if notes else []), *(f"- {'; '.join(works)}: {note}" for note, works in notes.items())])


def summary(measured: Iterable[Runs]) -> str:
    """Return the table with ratios only."""
    lines = ["| work | beside | times as fast (goal) | times the limit (goal) |", "| --- | --- | --- | --- |"]
    for runs in measured:
        row = middle(runs)
        limit = "" if row.times_limit is None else f"{row.times_limit:.2g}" + (f" (≤ {row.goal_limit:g})" if row.goal_limit else "")
        lines.append(f"| {row.work} | {row.peer} | {_ratio(runs)} | {limit} |")
    return "\n".join(lines)


def _ratio(runs: Runs) -> str:
    row, found = middle(runs), [each.ratio for each in runs]
    span = f" [{_round(min(found))}, {_round(max(found))}]" if len(runs) > 1 else ""
    missed, disturbed = "" if row.reached else " ✗", " disturbed" if row.disturbed else ""
    return f"**{_round(row.ratio)}**{span} (≥ {_round(row.goal)}){missed}{disturbed}"


def _round(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.3g}"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:,.3g} {unit}" if seconds / size < 1000 else f"{seconds / size:,.0f} {unit}"
    return f"{seconds / 1e-6:.3g} µs"
