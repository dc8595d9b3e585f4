"""The ladder as rows that can be laid out: read from plain JSON, any part of which may be missing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphfuse.report.charts import Dot, DotPlot, dot_plot
from graphfuse.report.data import Estimate, Metric

STAGES = {
    "baseline": "Baselines",
    "early": "Early fusion: features are joined before anything is learned from them",
    "intermediate": "Intermediate fusion: what networks make of each modality is joined",
    "late": "Late fusion: decisions are joined",
    "kernel": "Kernel methods",
    "graph": "Graph fusion: units of all modalities exchange messages along edges",
    "control": "Controls",
    "": "Others",
}
"""Group -> its heading, in the order of the table."""
COLOURS = {"graph": 0, "intermediate": 1, "early": 2, "late": 3, "kernel": 4, "control": 5, "": 6, "baseline": 7}
"""Group -> its colour and shape; 7 is grey."""
SIGNIFICANT = 0.05


@dataclass(frozen=True, kw_only=True)
class Against:
    """A row held against the baseline."""

    difference: Estimate
    p: float | None
    p_corrected: float | None
    effect_size: float | None
    verdict: str
    """`better`, `worse` or `same`: after correction, and by whether the metric is to be high."""


@dataclass(frozen=True, kw_only=True)
class LadderRow:
    """One method."""

    name: str
    group: str
    settings: tuple[tuple[str, str], ...]
    seeds: int
    failures: tuple[tuple[str, str], ...]
    """(seed, message)."""
    dot: Dot | None
    """Where its test metric lies on the common scale; None where every seed failed."""
    goes_on: tuple[bool, bool]
    """Whether its interval goes on beyond the scale, to the left and to the right."""
    test: Estimate | None
    validation: Estimate | None
    others: Mapping[str, Estimate | None]
    """All test metrics by name."""
    against: Against | None
    is_baseline: bool
    learned_from_validation: bool
    """Whether its figure on validation rows flatters it."""
    place: int
    """Its place among the rows as they were asked for: of equally good ones the first is best, as in the conclusions."""
    parameters: float | None
    train_seconds: float | None
    predict_seconds: float | None
    """Per 1,000 samples."""
    memory_mb: float | None

    @property
    def is_method(self) -> bool:
        """Whether it is a fusion method, not something that methods are held against."""
        return self.group not in ("baseline", "control")


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """All rows, best on validation first within each group, and the scale of their dots."""

    metric: str
    higher_is_better: bool
    baseline: str
    groups: tuple[tuple[str, str, tuple[LadderRow, ...]], ...]
    """(group, heading, rows)."""
    plot: DotPlot | None
    line: float | None
    """Where the baseline's line stands on the scale."""
    metrics: tuple[str, ...]
    validated: bool
    """Whether there are validation rows, on which one class alone may leave the metric undefined."""
    by_validation: bool
    """Whether these give some row the metric, so that rows are ordered by it; else by that on test rows."""

    @property
    def rows(self) -> tuple[LadderRow, ...]:
        """All rows in the order of the table."""
        return tuple(row for _, _, rows in self.groups for row in rows)

    @property
    def best(self) -> LadderRow | None:
        """The fusion method that is best on validation rows, which is the one to take; without such rows, on test rows.

        Those that learned from validation rows too are passed over, unless there are no others.
        """
        known = [row for row in self.rows if row.is_method and row.test is not None]
        return min(known, key=lambda row: (row.learned_from_validation, self.rank(row), row.place), default=None)

    @property
    def undefined(self) -> bool:
        """Whether fusion methods were trained, and the test rows give none of them the metric."""
        trained = [row for row in self.rows if row.is_method and row.parameters is not None]
        return bool(trained) and all(row.test is None for row in trained)

    def rank(self, row: LadderRow) -> float:
        """Return what rows are ordered by: low is better, rows without a value come last."""
        found = row.validation if self.by_validation else row.test
        if found is None:
            return math.inf
        return -found.value if self.higher_is_better else found.value

    @property
    def tested(self) -> tuple[str, ...]:
        """The verdicts of the fusion methods that were tested against the baseline."""
        return tuple(row.against.verdict for row in self.rows if row.against is not None and row.against.p is not None and row.is_method)


def number(value: Any) -> float | None:
    """Return a finite number, or None."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def estimate(value: Mapping[str, Any] | None, key: str = "mean") -> Estimate | None:
    """Return `{"mean", "low", "high"}` as an estimate; None without a value."""
    found = number((value or {}).get(key))
    if found is None:
        return None
    return Estimate(value=found, low=number((value or {}).get("low")), high=number((value or {}).get("high")))


def span_of(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """Return where a drawing of estimates may end: an interval over two seeds is so wide that nothing else could be seen."""
    values = [found.value for found in estimates] or [0.0]
    room = max(max(values) - min(values), 0.1 * max(map(abs, values)), 1e-6)
    return min(values) - room, max(values) + room


def cut_at(found: Estimate, low: float, high: float) -> Estimate:
    """Return the estimate with an interval that ends where the drawing does."""
    return Estimate(
        value=found.value,
        low=None if found.low is None else max(found.low, low),
        high=None if found.high is None else min(found.high, high),
    )


def group_of(row: Mapping[str, Any]) -> str:
    """Return the group that a row of the JSON stands in."""
    kind = row.get("kind", "model")
    if kind in ("unimodal", "majority"):
        return "baseline"
    if kind == "control":
        return "control"
    stage = row.get("stage") or ""
    return stage if stage in STAGES else ""


def colour_of(group: str) -> int:
    """Return the number of a group's colour and shape."""
    return COLOURS.get(group, COLOURS[""])


def read_ladder(comparison: Mapping[str, Any], width: float) -> Ladder:
    """Return the table of a comparison, its dots on a scale `width` wide."""
    metric, baseline = str(comparison.get("metric", "")), str(comparison.get("baseline") or "")
    higher = bool(comparison.get("higher_is_better", True))
    raw = list(comparison.get("rows", []))
    known = [(row["name"], found) for row in raw if (found := estimate((row.get("test") or {}).get(metric))) is not None]
    low, high = span_of([found for _, found in known])
    shown = [(name, cut_at(found, low, high)) for name, found in known]
    plot = dot_plot(Metric(name=metric, models=tuple(shown)), width) if known else None
    dots = {} if plot is None else {dot.name: dot for dot in plot.dots}
    rows = [_row(row, place, metric, baseline, higher, dots.get(row["name"]), (low, high)) for place, row in enumerate(raw)]
    line = dots[baseline].x if baseline in dots else None
    names = sorted({name for row in raw for name in row.get("test") or {}}, key=lambda name: (name != metric, name))
    ladder = Ladder(
        metric=metric,
        higher_is_better=higher,
        baseline=baseline,
        groups=(),
        plot=plot,
        line=line,
        metrics=tuple(names),
        validated=any(row.get("validation") for row in raw),
        by_validation=any(row.validation is not None for row in rows),
    )
    groups = []
    for group, heading in STAGES.items():
        members = sorted((row for row in rows if row.group == group), key=lambda row: (ladder.rank(row), row.place))
        if members:
            groups.append((group, heading, tuple(members)))
    return replace(ladder, groups=tuple(groups))


def plain_settings(settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return settings as people write them."""
    return tuple((str(name), f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in sorted(settings.items()))


def _row(
    row: Mapping[str, Any], place: int, metric: str, baseline: str, higher: bool, dot: Dot | None, span: tuple[float, float]
) -> LadderRow:
    test = row.get("test") or {}
    found = estimate(test.get(metric))
    return LadderRow(
        name=str(row["name"]),
        group=group_of(row),
        settings=plain_settings(row.get("settings") or {}),
        seeds=len(row.get("seeds") or ()),
        failures=tuple((str(failure.get("seed", "")), str(failure.get("error", ""))) for failure in row.get("failures") or ()),
        dot=dot,
        goes_on=(_below(found, span[0]), _above(found, span[1])),
        test=found,
        validation=estimate((row.get("validation") or {}).get(metric)),
        others={name: estimate(value) for name, value in test.items()},
        against=_against(row.get("against_baseline"), higher),
        is_baseline=row["name"] == baseline,
        learned_from_validation=bool(row.get("learned_from_validation")),
        place=place,
        parameters=number(row.get("parameters")),
        train_seconds=number(row.get("train_seconds")),
        predict_seconds=number(row.get("predict_seconds_per_1000")),
        memory_mb=number(row.get("peak_memory_mb")),
    )


def _against(value: Mapping[str, Any] | None, higher: bool) -> Against | None:
    difference = estimate(value, "difference")
    if value is None or difference is None:
        return None
    p = number(value.get("p_corrected"))
    # as in the conclusions: p and the interval both have to rule out that rows and seeds were kind
    within = difference.low is not None and difference.high is not None and difference.low <= 0 <= difference.high
    same = p is None or p >= SIGNIFICANT or difference.value == 0 or within
    verdict = "same" if same else "better" if (difference.value > 0) == higher else "worse"
    return Against(
        difference=difference, p=number(value.get("p")), p_corrected=p, effect_size=number(value.get("effect_size")), verdict=verdict
    )


def _below(found: Estimate | None, low: float) -> bool:
    return found is not None and found.low is not None and found.low < low


def _above(found: Estimate | None, high: float) -> bool:
    return found is not None and found.high is not None and found.high > high


def failures_of(rows: Sequence[LadderRow]) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    """Return (method, seeds, message) of everything that failed, seeds that failed alike together."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for seed, message in row.failures:
            found.setdefault((row.name, message), []).append(seed)
    return tuple((name, tuple(seeds), message) for (name, message), seeds in found.items())
