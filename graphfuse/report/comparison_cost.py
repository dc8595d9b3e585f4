"""Skill against what it costs: which methods nothing cheaper beats."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from graphfuse.report.charts import figure, round_ticks, tick
from graphfuse.report.comparison_curves import svg_path
from graphfuse.report.comparison_rows import Ladder, colour_of
from graphfuse.report.comparison_words import duration
from graphfuse.report.words import text_width

LINE = 13.0
"""Height of a name, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A method in the picture of cost."""

    name: str
    words: str
    group: str
    colour: int
    x: float
    y: float
    label: tuple[float, float, str] | None
    """Where its name stands, and how it is anchored; only of those that nothing cheaper beats."""


@dataclass(frozen=True, kw_only=True)
class CostPlot:
    """Skill against a cost on a logarithmic axis."""

    title: str
    points: tuple[Point, ...]
    frontier: str
    """The line through those that nothing cheaper beats."""
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


def cost_plot(ladder: Ladder, cost: str, title: str, width: float, height: float) -> CostPlot | None:
    """Return skill against one of the costs of the rows; None where fewer than two rows have both.

    Args:
        ladder: The rows.
        cost: A field of a row, in seconds.
        title: What the axis is.
        width: Of the plot, in pixels.
        height: Of the plot, in pixels.
    """
    known = [
        (row, row.test.value, float(paid)) for row in ladder.rows if row.test is not None and (paid := getattr(row, cost)) and paid > 0
    ]
    if len(known) < 2:
        return None
    skills, costs = [skill for _, skill, _ in known], [paid for _, _, paid in known]
    ticks = round_ticks(min(skills), max(skills), 5)
    low, high = min(ticks[0], *skills), max(ticks[-1], *skills)
    first, last = math.log10(min(costs)), math.log10(max(costs))
    room = max(0.08 * (last - first), 0.15)
    first, last = first - room, last + room

    def x(value: float) -> float:
        return (math.log10(value) - first) / (last - first) * width

    def y(value: float) -> float:
        return height - (value - low) / (high - low) * height

    best = _frontier([(paid, skill if ladder.higher_is_better else -skill) for _, skill, paid in known])
    places = [(x(paid), y(skill)) for _, skill, paid in known]
    labels = _labels([(known[number][0].name, *places[number]) for number in best], places, width)
    points = tuple(
        Point(
            name=row.name,
            words=f"{figure(skill)}, {duration(paid)}",
            group=row.group,
            colour=colour_of(row.group),
            x=place[0],
            y=place[1],
            label=labels.get(row.name),
        )
        for (row, skill, paid), place in zip(known, places, strict=True)
    )
    return CostPlot(
        title=title,
        points=points,
        frontier=svg_path([places[number] for number in best]),
        x_ticks=tuple((x(value), duration(value).replace(".0 ", " ")) for value in _decades(first, last)),
        y_ticks=tuple((y(value), tick(value)) for value in ticks),
    )


def _frontier(costs: Sequence[tuple[float, float]]) -> list[int]:
    """Return which points nothing beats that costs as much or less, cheapest first; points are (cost, skill)."""
    best, found = -math.inf, []
    for place in sorted(range(len(costs)), key=lambda place: (costs[place][0], -costs[place][1])):
        if costs[place][1] > best:
            best = costs[place][1]
            found.append(place)
    return found


def _labels(
    named: Sequence[tuple[str, float, float]], marks: Sequence[tuple[float, float]], width: float
) -> dict[str, tuple[float, float, str]]:
    """Return where names stand beside their points: at the first of four places where nothing else stands, the best method first."""
    placed: dict[str, tuple[float, float, str]] = {}
    taken: list[tuple[float, float, float]] = []  # left, right and foot of a name
    for name, x, y in reversed(named):
        wide = text_width(name[:24], 11.5)
        for anchor, down in (("end", -5.0), ("start", 13.0), ("start", -5.0), ("end", 13.0)):
            left, foot = (x - wide - 8 if anchor == "end" else x + 8), y + down
            right = left + wide
            beside = all(right < mark_x - 5 or left > mark_x + 5 or not foot - LINE < mark_y < foot + 5 for mark_x, mark_y in marks)
            apart = all(right < other[0] or left > other[1] or abs(foot - other[2]) >= LINE for other in taken)
            if left >= 0 and right <= width + 60 and beside and apart:
                placed[name] = (x - 8 if anchor == "end" else x + 8, foot, anchor)
                taken.append((left, right, foot))
                break
    return placed


def _decades(first: float, last: float) -> list[float]:
    """Return round numbers on a logarithmic axis from 10^first to 10^last."""
    steps = (1.0,) if last - first > 3 else (1.0, 3.0) if last - first > 1 else (1.0, 2.0, 5.0)
    values = [step * 10.0**power for power in range(math.floor(first), math.ceil(last) + 1) for step in steps]
    return [value for value in values if first <= math.log10(value) <= last]
