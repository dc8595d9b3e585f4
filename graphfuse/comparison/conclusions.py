"""A comparison in plain sentences: what is best, what beats the baseline beyond chance, what failed."""

from collections.abc import Iterator, Mapping
from typing import Any

SIGNIFICANT = 0.05


def conclusions(comparison: Mapping[str, Any]) -> list[str]:
    """Return one sentence per finding; the best is chosen on validation rows that it did not learn from, and judged on test rows.

    Args:
        comparison: What `comparison.json` holds.
    """
    return [*_about_the_best(comparison), *_about_the_others(comparison), *_about_failures(comparison)]


def ordered(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows, best on validation first, or on test rows where validation rows give nobody a value; rows without one come last."""
    sign, metric = (-1 if comparison["higher_is_better"] else 1), comparison["metric"]
    split = ordered_by(comparison)

    def rank(row: Mapping[str, Any]) -> float:
        value = row[split].get(metric)
        return float("inf") if value is None else sign * float(value["mean"])

    return sorted(comparison["rows"], key=rank)


def ordered_by(comparison: Mapping[str, Any]) -> str:
    """Return whose rows order the table: `validation`, or `test` where validation rows give nobody the metric."""
    return "validation" if any(comparison["metric"] in row["validation"] for row in comparison["rows"]) else "test"


def verdict(row: Mapping[str, Any], higher_is_better: bool) -> str:
    """Return `better`, `worse` or `alike`; "" where nothing is known.

    That test rows and seeds were kind has to be ruled out by p, corrected for many comparisons, and by the interval.
    """
    against = row["against_baseline"]
    if against is None or against["p_corrected"] is None or against["low"] is None:
        return ""
    if against["p_corrected"] >= SIGNIFICANT or against["low"] <= 0 <= against["high"]:
        return "alike"
    return "better" if (against["difference"] > 0) == higher_is_better else "worse"


def signed(value: float, digits: int) -> str:
    """Return a difference with its sign; what is rounded to zero has none."""
    text = f"{value:+z.{digits}f}"
    return text if float(text) else text.removeprefix("+")


def _about_the_best(comparison: Mapping[str, Any]) -> Iterator[str]:
    metric, baseline = comparison["metric"], comparison["baseline"]
    models = [row for row in ordered(comparison) if row["kind"] == "model" and metric in row["test"]]
    # what learned from validation rows too is taken only where there is nothing else
    best = min(models, key=lambda row: row["learned_from_validation"], default=None)
    if best is None:
        if any(row["kind"] == "model" and row["seeds"] for row in comparison["rows"]):
            yield f"The test rows give no {metric}: they may be of one class, or have no targets. Choose another metric in task.select_by."
        return
    where = "on validation rows"
    if metric not in best["validation"]:
        lack = f"the validation rows give no {metric}" if best["validation"] else "there are no validation rows with a target"
        where = f"on test rows ({lack}, so this flatters it)"
    if best["learned_from_validation"]:
        where += " (which it learned from too, so this flatters it)"
    yield f"Best {where}: {best['name']}, with a test {metric} of {_value(best['test'][metric])}."
    against = best["against_baseline"]
    if best["name"] == baseline or against is None:
        return
    change = f"{signed(against['difference'], 4)}{_range(against['low'], against['high'])}{_p(against['p_corrected'])}"
    words = {
        "better": f"It beats the baseline, {baseline}, beyond chance: {change}.",
        "worse": f"It is worse than the baseline, {baseline}, beyond chance: {change}.",
        "alike": f"Its difference from the baseline, {baseline}, may be chance: {change}.",
        "": f"Its difference from the baseline, {baseline}, is {change}.",
    }
    yield words[verdict(best, comparison["higher_is_better"])]


def _about_the_others(comparison: Mapping[str, Any]) -> Iterator[str]:
    higher = comparison["higher_is_better"]
    models = [row for row in ordered(comparison) if row["kind"] == "model" and verdict(row, higher)]
    for kind, words in (("better", "better than"), ("worse", "worse than")):
        names = [row["name"] for row in models if verdict(row, higher) == kind]
        if len(models) > 1:
            listed = f": {', '.join(names)}" if names else ""
            yield f"Beyond chance {words} {comparison['baseline']}: {len(names)} of {len(models)} models{listed}."


def _about_failures(comparison: Mapping[str, Any]) -> Iterator[str]:
    for row in comparison["rows"]:
        for error, seeds in _by_error(row["failures"]).items():
            first = next(iter(error.splitlines()), "")
            yield f"{row['name']} failed with seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}: {first}"


def _by_error(failures: list[Mapping[str, Any]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for failure in failures:
        found.setdefault(str(failure["error"]), []).append(int(failure["seed"]))
    return found


def _value(value: Mapping[str, Any]) -> str:
    return f"{value['mean']:z.4f}{_range(value['low'], value['high'])}"


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{low:z.4f}, {high:z.4f}]"


def _p(p: float | None) -> str:
    return "" if p is None else f", corrected p {p:.4f}" if p >= 0.0001 else ", corrected p below 0.0001"
