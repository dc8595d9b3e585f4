"""Figures of growth -> fitted exponents, a table and a picture."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Found = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Stage -> size -> figures."""
FIRST = 10_000
"""The exponent is fitted from this size on; below it, what a stage costs whatever the size is much of its time."""
COLOURS = {"convert": "#0072b2", "open": "#767676", "load": "#009e73", "train": "#d55e00", "predict": "#b0478c", "analyse": "#9a6c00"}
"""Of the stages that are shown, in the order of the line; readable on white."""
INK = "#595959"
"""Of axes."""
ON_DISK = "store on disk"
"""Drawn beside memory, so that one sees which of the two grows."""
WIDTH, HEIGHT = 330, 300
"""Of one panel."""
LEFT, TOP, GAP, NAMES = 66, 58, 192, 150
"""Room for the axis, the title, between panels, and for the names of lines."""
LINE = 15
"""Least distance between two names."""


def exponent(sizes: Sequence[float], values: Sequence[float], first: float = 0) -> float | None:
    """Return the slope of log(value) over log(size) by least squares, 1 being a straight line; None with fewer than two sizes.

    Args:
        sizes: Numbers of samples.
        values: Seconds or bytes, above 0.
        first: Sizes below are left out.
    """
    points = [(math.log(size), math.log(value)) for size, value in zip(sizes, values, strict=True) if size >= first and value > 0]
    if len({x for x, _ in points}) < 2:
        return None
    mean_x, mean_y = (sum(part) / len(points) for part in zip(*points, strict=True))
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def series(found: Found, stage: str, figure: str) -> tuple[list[int], list[float]]:
    """Return the sizes of a stage, ascending, and one of its figures."""
    sizes = sorted(map(int, found.get(stage, {})))
    return sizes, [float(found[stage][str(size)][figure]) for size in sizes]


def per_sample(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return what one further sample costs: the slope between the last two sizes, or the whole of the only one divided by its size."""
    if len(sizes) < 2:
        return values[-1] / sizes[-1]
    return (values[-1] - values[-2]) / (sizes[-1] - sizes[-2])


def markdown(found: Found) -> str:
    """Return two tables: processor time, and memory above what the process started with."""
    sizes = sorted({int(size) for stage in COLOURS for size in found.get(stage, {})})
    names = [stage for stage in COLOURS if stage in found]
    heads = " | ".join(short(size) for size in sizes)
    rule = "|---|" + "--:|" * (len(sizes) + 3)
    lines = [
        f"| processor time | {heads} | exponent from {short(FIRST)} | exponent from {short(min(sizes, default=0))} | a further sample |",
        rule,
    ]
    for stage in names:
        at, values = series(found, stage, "cpu_seconds")
        cells = [seconds(dict(zip(at, values, strict=True)).get(size)) for size in sizes]
        fits = [shown(exponent(at, values, FIRST)), shown(exponent(at, values))]
        lines.append(f"| {stage} | {' | '.join(cells)} | {' | '.join(fits)} | {seconds(max(per_sample(at, values), 0))} |")
    lines += ["", f"| private memory | {heads} | exponent from {short(FIRST)} | of mapped files, at most | a further sample |", rule]
    for stage in names:
        at, values = series(found, stage, "private_bytes")
        mapped = max(peak - own for peak, own in zip(series(found, stage, "peak_bytes")[1], values, strict=True))
        cells = [size_of(dict(zip(at, values, strict=True)).get(size)) for size in sizes]
        further = f"{max(per_sample(at, values), 0):,.0f} B"
        lines.append(f"| {stage} | {' | '.join(cells)} | {shown(exponent(at, values, FIRST))} | {size_of(max(mapped, 0))} | {further} |")
    return "\n".join(lines)


def short(size: float) -> str:
    """Return a number of samples, such as `10 k`."""
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if size >= unit:
            return f"{size / unit:g}{name}"
    return f"{size:g}"


def seconds(value: float | None) -> str:
    """Return a time with three digits."""
    if value is None:
        return ""
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if value >= unit:
            return f"{value / unit:.3g} {name}" if value < 1000 else f"{value:,.0f} s"
    return f"{value / 1e-6:.3g} µs"


def size_of(value: float | None) -> str:
    """Return an amount of memory in whole MB."""
    return "" if value is None else f"{value / 1e6:,.0f} MB"


def shown(fitted: float | None) -> str:
    """Return an exponent with two digits behind the point."""
    return "" if fitted is None else f"{fitted:.2f}"


def drawn(found: Found) -> str:
    """Return the picture: time and memory over the number of samples, all axes logarithmic."""
    width, height = LEFT + 2 * WIDTH + GAP + NAMES, TOP + HEIGHT + 52
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" fill="#222">',
        '<rect width="100%" height="100%" rx="6" fill="#fff"/>',
        *panel(found, "cpu_seconds", "processor time", "behind each name its exponent: 1 is a straight line", LEFT),
        *panel(found, "private_bytes", "memory of its own", "above what the process had after its imports", LEFT + WIDTH + GAP),
        "</svg>",
        "",
    ]
    return "\n".join(parts)


def panel(found: Found, figure: str, title: str, subtitle: str, left: float) -> Iterator[str]:
    """Yield one panel whose upper left corner lies at (`left`, TOP)."""
    time = figure == "cpu_seconds"
    unit, least = (1.0, 1e-4) if time else (1e6, 1.0)
    lines = {stage: series(found, stage, figure) for stage in COLOURS if found.get(stage)}
    if not time and "convert" in lines:
        lines[ON_DISK] = series(found, "convert", "stored_bytes")
    lines = {stage: (sizes, [max(value / unit, least) for value in values]) for stage, (sizes, values) in lines.items()}
    every = [value for _, values in lines.values() for value in values] or [1.0]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)) + 1e-9)
    steps = sorted({size for sizes, _ in lines.values() for size in sizes}) or [1, 10]
    first, wide = math.log10(steps[0]), max(math.log10(steps[-1] / steps[0]), 1e-9)

    def x(size: float) -> float:
        return left + (math.log10(size) - first) / wide * WIDTH

    def y(value: float) -> float:
        return TOP + HEIGHT - (math.log10(value) - low) / max(high - low, 1) * HEIGHT

    yield f'<text x="{left}" y="24" font-size="14" font-weight="bold">{title}</text>'
    yield f'<text x="{left}" y="42" fill="{INK}">{subtitle}</text>'
    for value in (10.0**power for power in range(low, high + 1)):
        yield f'<path d="M{left} {y(value):.1f} h{WIDTH}" stroke="#ddd"/>'
        yield _text(left - 8, y(value) + 4, seconds(value) if time else f"{value:,g} MB", "end")
    for size in steps:
        yield f'<path d="M{x(size):.1f} {TOP} v{HEIGHT}" stroke="#eee"/>'
        yield _text(x(size), TOP + HEIGHT + 18, short(size))
    yield _text(left + WIDTH / 2, TOP + HEIGHT + 38, "samples")
    for stage, (sizes, values) in lines.items():
        points = [(x(size), y(value)) for size, value in zip(sizes, values, strict=True)]
        path = "M" + " L".join(f"{px:.1f} {py:.1f}" for px, py in points)
        dashes = ' stroke-dasharray="5 4"' if stage == ON_DISK else ""
        colour = COLOURS.get(stage, INK)
        yield f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
        yield from (f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.5" fill="{colour}"/>' for px, py in points if not dashes)
    ends = apart([y(values[-1]) for _, values in lines.values()])
    for (stage, (sizes, values)), end in zip(lines.items(), ends, strict=True):
        name = f"{stage} {shown(exponent(sizes, values, FIRST)) if time else _megabytes(values[-1], least)}".rstrip()
        colour = COLOURS.get(stage, INK)
        yield f'<path d="M{left + WIDTH + 5} {y(values[-1]):.1f} L{left + WIDTH + 15} {end:.1f}" fill="none" stroke="{colour}"/>'
        yield f'<text x="{left + WIDTH + 19}" y="{end + 4:.1f}" fill="{colour}" font-weight="bold">{name}</text>'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}">{text}</text>'


def _megabytes(value: float, least: float) -> str:
    return f"under {least:g} MB" if value <= least else f"{value:,.0f} MB"


def apart(places: Sequence[float], distance: float = LINE) -> list[float]:
    """Return the places moved so that no two are nearer than a distance, in their order; those that are too near share their middle."""
    groups: list[list[int]] = []

    def top(group: list[int]) -> float:
        return sum(places[number] for number in group) / len(group) - distance * (len(group) - 1) / 2

    for number in sorted(range(len(places)), key=lambda number: places[number]):
        groups.append([number])
        while len(groups) > 1 and top(groups[-2]) + distance * len(groups[-2]) > top(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = {number: top(group) + distance * place for group in groups for place, number in enumerate(group)}
    return [moved[number] for number in range(len(places))]
