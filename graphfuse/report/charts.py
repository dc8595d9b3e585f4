"""Bars, dots and curves as numbers: what the page's drawings need to know, and no more."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from graphfuse.report.data import Curve, Estimate, Metric, Worth

Scale = Callable[[float], float]
"""A value -> its place in the drawing."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A bar from zero with its interval, in the units of a drawing `width` wide."""

    x: float
    width: float
    zero: float
    low: float | None
    high: float | None
    end: float
    """Where the value lies."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """An edge kind or modality with its bars."""

    worth: Worth
    drop: Bar | None
    share: Bar | None
    blind_share: float | None
    """Where the share of top edges would end if edges were chosen blindly."""


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A model's metric on a common scale."""

    name: str
    estimate: Estimate
    x: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class DotPlot:
    """One metric of several models."""

    metric: str
    dots: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, kw_only=True)
class Path:
    """A fidelity curve and the band of its intervals."""

    chosen_by: str
    line: str
    band: str
    dots: tuple[tuple[float, float, str], ...]
    label: tuple[float, float]
    """Where its name stands."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One side of fidelity."""

    side: str
    paths: tuple[Path, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


def figure(value: float | None, like: float | None = None) -> str:
    """Return a number as people read it: three or so digits, or as many as another one has, and a true minus sign."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value if like is None else like)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = "0"
    return text.replace("-", "−")


def fixed(value: float | None, digits: int = 2) -> str:
    """Return a number with a fixed number of digits, for columns."""
    if value is None:
        return "–"
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")  # + 0.0: no negative zero


def tick(value: float) -> str:
    """Return a number on an axis, as short as it is exact."""
    return f"{value:g}".replace("-", "−")


def interval(estimate: Estimate | None) -> str:
    """Return a number with its interval: '0.93 (0.91 to 0.95)'."""
    if estimate is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return figure(estimate.value)
    low, high = (figure(end, like=estimate.value) for end in (estimate.low, estimate.high))
    return f"{figure(estimate.value)} ({low} to {high})"


def worth_rows(worths: Sequence[Worth], width: float) -> tuple[Row, ...]:
    """Return bars on one scale for all rows."""
    drops = _bars([worth.drop for worth in worths], width)
    shares = _bars([worth.top_share for worth in worths], width, blind=[worth.edge_share for worth in worths])
    most = max([*_ends(worth.top_share for worth in worths), *(worth.edge_share or 0 for worth in worths), 1e-9])
    return tuple(
        Row(worth=worth, drop=drop, share=share, blind_share=None if worth.edge_share is None else worth.edge_share / most * width)
        for worth, drop, share in zip(worths, drops, shares, strict=True)
    )


def dot_plot(metric: Metric, width: float) -> DotPlot:
    """Return one metric's dots on a scale that holds all intervals."""
    ends = _ends(estimate for _, estimate in metric.models)
    # a scale that is too fine would make chance look like a difference
    room = max(0.0, 0.1 * max(map(abs, ends)) - (max(ends) - min(ends))) / 2
    ticks = round_ticks(min(ends) - room, max(ends) + room, 4)
    low, high = min(ticks[0], *ends), max(ticks[-1], *ends)

    def at(value: float | None) -> float | None:
        return None if value is None else (value - low) / (high - low) * width

    dots = [
        Dot(name=name, estimate=estimate, x=at(estimate.value) or 0.0, low=at(estimate.low), high=at(estimate.high))
        for name, estimate in metric.models
    ]
    return DotPlot(metric=metric.name, dots=tuple(dots), ticks=tuple((at(value) or 0.0, tick(value)) for value in ticks))


def panels(curves: Sequence[Curve], width: float, height: float) -> tuple[Panel, ...]:
    """Return fidelity+ and fidelity- on one scale, so that they can be compared."""
    if not curves:
        return ()
    fractions = sorted({fraction for curve in curves for fraction, _ in curve.points})
    ends = [0.0, *_ends(estimate for curve in curves for _, estimate in curve.points)]
    ticks = round_ticks(min(ends), max(ends), 5)
    low, high = min(ticks[0], *ends), max(ticks[-1], *ends)
    right = max(fractions)

    def x(fraction: float) -> float:
        return fraction / right * width

    def y(value: float) -> float:
        return height - (value - low) / (high - low) * height

    found = []
    for side in ("fidelity_plus", "fidelity_minus"):
        # random first, so that it lies below
        members = sorted((curve for curve in curves if curve.side == side), key=lambda curve: curve.chosen_by != "random")
        paths = _apart([_path(curve, x, y) for curve in members])
        found.append(
            Panel(
                side=side,
                paths=tuple(paths),
                x_ticks=tuple((x(fraction), f"{fraction:.0%}") for fraction in _spread(fractions, right)),
                y_ticks=tuple((y(value), tick(value)) for value in ticks),
            )
        )
    return tuple(found)


def _path(curve: Curve, x: Scale, y: Scale) -> Path:
    """Return one curve; scales are functions of a fraction and of a value."""
    points = [(x(fraction), y(estimate.value)) for fraction, estimate in curve.points]
    upper = [(x(fraction), y(estimate.value if estimate.high is None else estimate.high)) for fraction, estimate in curve.points]
    lower = [(x(fraction), y(estimate.value if estimate.low is None else estimate.low)) for fraction, estimate in curve.points]
    dots = [(px, py, f"{fraction:.0%}: {interval(estimate)}") for (px, py), (fraction, estimate) in zip(points, curve.points, strict=True)]
    return Path(
        chosen_by=curve.chosen_by,
        line="M" + " L".join(f"{px:.1f} {py:.1f}" for px, py in points),
        band="M" + " L".join(f"{px:.1f} {py:.1f}" for px, py in [*upper, *reversed(lower)]) + " Z",
        dots=tuple(dots),
        label=(points[-1][0] + 10, points[-1][1] + 4),
    )


def _apart(paths: list[Path]) -> list[Path]:
    """Move the names of curves that end close together, so that both can be read."""
    if len(paths) != 2 or abs(paths[0].label[1] - paths[1].label[1]) >= 16:
        return paths
    middle = (paths[0].label[1] + paths[1].label[1]) / 2
    first_above = paths[0].label[1] <= paths[1].label[1]
    shifted = [(-8 if first_above else 8), (8 if first_above else -8)]
    return [replace(path, label=(path.label[0], middle + shift)) for path, shift in zip(paths, shifted, strict=True)]


def _spread(fractions: Sequence[float], right: float) -> list[float]:
    """Return the fractions that have room for their names."""
    kept: list[float] = []
    for fraction in reversed(fractions):
        if not kept or (kept[-1] - fraction) / right >= 0.1:
            kept.append(fraction)
    return kept[::-1]


def _bars(estimates: Sequence[Estimate | None], width: float, blind: Sequence[float | None] = ()) -> list[Bar | None]:
    ends = [0.0, *_ends(estimates), *(share for share in blind if share is not None)]
    low, high = min(ends), max(ends)
    scale = width / (high - low) if high > low else 0.0
    bars: list[Bar | None] = []
    for estimate in estimates:
        if estimate is None:
            bars.append(None)
            continue
        zero, end = -low * scale, (estimate.value - low) * scale
        bars.append(
            Bar(
                x=min(zero, end),
                width=abs(end - zero),
                zero=zero,
                low=None if estimate.low is None else (estimate.low - low) * scale,
                high=None if estimate.high is None else (estimate.high - low) * scale,
                end=end,
            )
        )
    return bars


def _ends(estimates: Iterable[Estimate | None]) -> list[float]:
    values = [
        value
        for estimate in estimates
        if estimate is not None
        for value in (estimate.value, estimate.low, estimate.high)
        if value is not None
    ]
    return values or [0.0]


def round_ticks(low: float, high: float, about: int) -> list[float]:
    """Return round numbers that span the range."""
    if high <= low:
        low, high = low - 0.05, high + 0.05
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    # a range that leaves its last tick by little needs no further one
    first, last = math.floor(low / step + 0.3), math.ceil(high / step - 0.3)
    return [round(number * step, 10) for number in range(first, last + 1)]
