"""`comparison.json` -> the same table as CSV, as Markdown and as a page."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from graphfuse.comparison.conclusions import ordered, ordered_by, signed
from graphfuse.core.files import write_bytes

PLAIN = ("name", "model", "stage", "kind")
COSTS = ("parameters", "train_seconds", "train_seconds_wall", "predict_seconds_per_1000", "peak_memory_mb")
ESTIMATE = ("mean", "low", "high")
MARK = " *"
"""Behind the stage of a row whose place in the table flatters it."""
AGAINST = ("difference", "low", "high", "p", "p_corrected", "effect_size")


def write_tables(out: Path, comparison: Mapping[str, Any]) -> None:
    """Write `comparison.csv` and `comparison.md`."""
    write_bytes(out / "comparison.csv", to_csv(comparison).encode())
    write_bytes(out / "comparison.md", to_markdown(comparison).encode())


def to_csv(comparison: Mapping[str, Any]) -> str:
    """Return one line per row with every metric, in full precision."""
    metrics = {split: sorted({name for row in comparison["rows"] for name in row[split]}) for split in ("validation", "test")}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    estimates = [f"{split}_{name}_{part}" for split, names in metrics.items() for name in names for part in ESTIMATE]
    writer.writerow([*PLAIN, "seeds", "failures", "learned_from_validation", *COSTS, *estimates, *(f"against_{part}" for part in AGAINST)])
    for row in ordered(comparison):
        values = [row[split].get(name, {}).get(part) for split, names in metrics.items() for name in names for part in ESTIMATE]
        against = [(row["against_baseline"] or {}).get(part) for part in AGAINST]
        counts = [len(row["seeds"]), len(row["failures"]), row["learned_from_validation"]]
        # None becomes an empty cell
        writer.writerow([*(row[key] for key in PLAIN), *counts, *(row[key] for key in COSTS), *values, *against])
    return text.getvalue()


def to_markdown(comparison: Mapping[str, Any]) -> str:
    """Return the table and what it says, for a README or a paper's appendix."""
    return "\n".join(_markdown(comparison)) + "\n"


def columns(comparison: Mapping[str, Any]) -> list[str]:
    """Return the titles of the table for people."""
    metric = comparison["metric"]
    return ["row", "stage", f"test {metric}", "against baseline", "p", "d", "parameters", "train s", "s per 1,000", "MB"]


def cells(row: Mapping[str, Any], comparison: Mapping[str, Any]) -> list[str]:
    """Return one line of the table for people; an empty text where nothing is known."""
    metric, against = comparison["metric"], row["against_baseline"]
    held = "baseline" if row["name"] == comparison["baseline"] else ""
    return [
        row["name"],
        (row["stage"] + MARK * row["learned_from_validation"]) if row["kind"] == "model" else "",
        _interval(row["test"].get(metric), "mean", _plain) or ("failed" if row["failures"] else ""),
        _interval(against, "difference", signed) if against else held,
        _number(against["p_corrected"], ".4f") if against else "",
        _number(against["effect_size"], "z.2f") if against else "",
        _number(row["parameters"], ","),
        _number(row["train_seconds"], ".1f"),
        _number(row["predict_seconds_per_1000"], ".3f"),
        _number(row["peak_memory_mb"], ".0f"),
    ]


def _markdown(comparison: Mapping[str, Any]) -> Iterator[str]:
    titles = columns(comparison)
    yield f"# Comparison by {comparison['metric']}"
    yield ""
    yield from (f"- {_escaped(sentence)}" for sentence in comparison["conclusions"])
    yield ""
    yield f"| {' | '.join(titles)} |"
    yield f"|{'|'.join([':--', ':--', *['--:'] * (len(titles) - 2)])}|"
    for row in ordered(comparison):
        yield f"| {' | '.join(_escaped(cell) for cell in cells(row, comparison))} |"
    yield ""
    yield from (f"{line}  " for line in legend(comparison))
    for finding in comparison.get("controls", []):
        yield f"- {_escaped(finding['model'])}: {_escaped(finding['sentence'])}"
    if comparison["notes"]:
        yield ""
        yield from (f"- {_escaped(note)}" for note in comparison["notes"])


def legend(comparison: Mapping[str, Any]) -> list[str]:
    """Return what the columns mean."""
    number, unit = len(comparison["seeds"]), comparison["unit"]
    rows = f"{comparison['num_test']:,} test rows, {number} seed{'s' if number > 1 else ''}"
    swaps = f"approximate randomisation over {unit} ({comparison['resamples']:,} swaps)"
    learned = any(row["learned_from_validation"] for row in comparison["rows"])
    return [
        f"Best on {ordered_by(comparison)} rows first{f'; those with{MARK} learned from these rows too, which flatters them' if learned else ''}.",
        f"{rows}; in brackets 95 % intervals: of a metric over seeds, of a difference over {unit} (bootstrap) and seeds.",
        f"p: {swaps}, or that of the interval, which counts seeds, where it is larger, corrected for the number of rows (Holm).",
        f"d: difference over its deviation per {unit.removesuffix('s')}.",
        "train s: processor seconds; s per 1,000: of predictions, without reading; MB: growth of memory at its highest.",
    ]


def _interval(value: Mapping[str, Any] | None, key: str, write: Callable[[float, int], str]) -> str:
    if value is None or value[key] is None:
        return ""
    shown = write(value[key], 3)
    return shown if value["low"] is None else f"{shown} [{write(value['low'], 3)}, {write(value['high'], 3)}]"


def _plain(value: float, digits: int) -> str:
    return f"{value:z.{digits}f}"  # z: no minus in front of what is rounded to zero


def _number(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it stands."""
    text = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
    return text.replace("_", "\\_").replace("*", "\\*")
