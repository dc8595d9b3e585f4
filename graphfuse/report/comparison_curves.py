"""Curves of a comparison as numbers: skill under damage, and confidence against what is true."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphfuse.report.charts import figure, round_ticks, tick
from graphfuse.report.comparison_rows import number, span_of
from graphfuse.report.data import Estimate

COLOURED = 7
"""Curves with a colour and a name; further ones are grey, and named in the table."""
WHERE = ("test", "training", "training and test")
"""Where a modality was missing, in the order of a modality's panels."""
LINE = 13.0
"""Height of a curve's name, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A method's curve with the band of its interval."""

    name: str
    colour: int
    """-1 for grey."""
    path: str
    band: str
    dots: tuple[tuple[float, float, str], ...]
    label: tuple[float, float] | None
    area: float | None


@dataclass(frozen=True, kw_only=True)
class CurvePanel:
    """One modality under one kind of damage."""

    modality: str
    where: str
    lines: tuple[Line, ...]
    """Grey ones first, so that they lie below."""
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Confidence against what is true."""

    name: str
    ece: float | None
    low: float | None
    high: float | None
    bins: tuple[tuple[float, float, float, str], ...]
    """(x, y, radius, words)."""


def curve_panels(
    curves: Sequence[Mapping[str, Any]], names: Sequence[str], width: float, height: float, label: Callable[[float], str]
) -> tuple[CurvePanel, ...]:
    """Return one panel per modality and kind of damage, all on one scale.

    Args:
        curves: As in `comparison.json`: name, modality, where, rates, mean, low, high, area.
        names: Methods in the order in which they are given colours, for as long as there are some.
        width: Of a plot, in pixels.
        height: Of a plot, in pixels.
        label: A rate -> its words.
    """
    curves = [curve for curve in curves if _points(curve)]
    if not curves:
        return ()
    rates = sorted({rate for curve in curves for rate, *_ in _points(curve)})
    span = span_of([Estimate(value=mean) for curve in curves for _, mean, _, _ in _points(curve)])
    ends = [min(max(value, span[0]), span[1]) for curve in curves for _, *found in _points(curve) for value in found]
    ticks = round_ticks(min(ends), max(ends), 5)
    low, high, right = min(ticks[0], *ends), max(ticks[-1], *ends), max(rates) or 1.0

    def x(rate: float) -> float:
        return rate / right * width

    def y(value: float) -> float:
        return height - (min(max(value, low), high) - low) / (high - low) * height  # a band goes no further than the axis

    def order(where: str) -> tuple[int, str]:
        return WHERE.index(where) if where in WHERE else len(WHERE), where

    modalities = list(dict.fromkeys(str(curve.get("modality", "")) for curve in curves))
    colours = {name: place if place < COLOURED else -1 for place, name in enumerate(names)}
    panels: dict[tuple[str, str], list[Line]] = {}
    for curve in curves:
        place = str(curve.get("modality", "")), str(curve.get("where", ""))
        panels.setdefault(place, []).append(_line(curve, x, y, label, colours[str(curve["name"])]))
    return tuple(
        CurvePanel(
            modality=modality,
            where=where,
            lines=_apart(sorted(lines, key=lambda line: line.colour >= 0), height),
            x_ticks=tuple((x(rate), label(rate)) for rate in _roomy(rates, right)),
            y_ticks=tuple((y(value), tick(value)) for value in ticks),
        )
        for (modality, where), lines in sorted(panels.items(), key=lambda item: (modalities.index(item[0][0]), order(item[0][1])))
    )


def reliabilities(found: Sequence[Mapping[str, Any]], size: float) -> tuple[Reliability, ...]:
    """Return a diagram per method, best calibrated first, in a square of `size` pixels."""
    diagrams = []
    for item in found:
        most = max((float(place.get("count", 0)) for place in item.get("bins", ())), default=0.0) or 1.0
        bins = [
            (
                float(place["confidence"]) * size,
                size - float(place["accuracy"]) * size,
                2.0 + 4.0 * math.sqrt(float(place.get("count", 0)) / most),
                f"{float(place['confidence']):.0%} sure, {float(place['accuracy']):.0%} came true, {int(place.get('count', 0)):,} predictions",
            )
            for place in item.get("bins", ())
            if number(place.get("confidence")) is not None and number(place.get("accuracy")) is not None and place.get("count", 1)
        ]
        ece, low, high = (number(item.get(key)) for key in ("ece", "low", "high"))
        diagrams.append(Reliability(name=str(item["name"]), ece=ece, low=low, high=high, bins=tuple(bins)))
    return tuple(sorted(diagrams, key=lambda diagram: (diagram.ece is None, diagram.ece, diagram.name)))


def _points(curve: Mapping[str, Any]) -> list[tuple[float, float, float, float]]:
    """Return (rate, mean, low, high); the mean where there is no interval."""
    points = []
    means = curve.get("mean") or ()
    lows, highs = curve.get("low") or [None] * len(means), curve.get("high") or [None] * len(means)
    for rate, mean, low, high in zip(curve.get("rates") or (), means, lows, highs, strict=False):
        value, place = number(mean), number(rate)
        if value is not None and place is not None:
            below, above = number(low), number(high)
            points.append((place, value, value if below is None else below, value if above is None else above))
    return sorted(points)


def _line(
    curve: Mapping[str, Any], x: Callable[[float], float], y: Callable[[float], float], label: Callable[[float], str], colour: int
) -> Line:
    points = _points(curve)
    places = [(x(rate), y(mean)) for rate, mean, _, _ in points]
    band = [(x(rate), y(high)) for rate, _, _, high in points] + [(x(rate), y(low)) for rate, _, low, _ in reversed(points)]
    return Line(
        name=str(curve["name"]),
        colour=colour,
        path=svg_path(places),
        band=svg_path(band) + " Z",
        dots=tuple((px, py, f"{label(rate)}: {figure(mean)}") for (px, py), (rate, mean, _, _) in zip(places, points, strict=True)),
        label=None if colour < 0 else (places[-1][0] + 9, places[-1][1] + 4),
        area=number(curve.get("area")),
    )


def svg_path(points: Sequence[tuple[float, float]]) -> str:
    """Return a line through points."""
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _apart(lines: Sequence[Line], height: float) -> tuple[Line, ...]:
    """Move the names of curves that end close together, so that all can be read."""
    named = sorted((line for line in lines if line.label is not None), key=lambda line: line.label[1] if line.label else 0.0)
    places: list[float] = []
    for line in named:
        wanted = line.label[1] if line.label else 0.0
        places.append(max(wanted, places[-1] + LINE) if places else wanted)
    too_low = max(0.0, places[-1] - (height + 8)) if places else 0.0
    for place in reversed(range(len(places))):  # push back up what was pushed out below
        limit = height + 8 if place == len(places) - 1 else places[place + 1] - LINE
        places[place] = min(places[place], limit) if too_low else places[place]
    moved = {id(line): place for line, place in zip(named, places, strict=True)}
    return tuple(replace(line, label=(line.label[0], moved[id(line)])) if line.label else line for line in lines)


def _roomy(rates: Sequence[float], right: float) -> list[float]:
    """Return the rates that have room for their names."""
    kept: list[float] = []
    for rate in reversed(rates):
        if not kept or (kept[-1] - rate) / right >= 0.16:
            kept.append(rate)
    return kept[::-1]
