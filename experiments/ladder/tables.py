"""Comparisons -> the tables of these pages, the matrix of methods and worlds, and its picture."""

import csv
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

WORLDS = {"text": "only the text", "image": "only the picture", "redundant": "each by itself", "combination": "only both together"}
"""Worlds by name: where the label lies."""
STAGES = ("early", "intermediate", "late", "kernel", "graph", "unimodal", "majority")
CHANCE = 0.5
CLOSE = 0.02
"""What nobody would choose a method for."""
Comparison = Mapping[str, Any]


def write_tables(work: Path, here: Path, questions: Iterable[str]) -> None:
    """Copy each comparison's table, and write the matrix, its picture and the tables inside the pages."""
    found = {name: json.loads((work / name / "comparison" / "comparison.json").read_text(encoding="utf-8")) for name in questions}
    (here / "results").mkdir(exist_ok=True)
    for name in found:
        for form in ("csv", "md"):
            shutil.copyfile(work / name / "comparison" / f"comparison.{form}", here / "results" / f"{name}.{form}")
    if set(WORLDS) <= set(found):
        rows = matrix({name: found[name] for name in WORLDS})
        write_csv(here / "results" / "matrix.csv", rows)
        (here / "matrix.svg").write_text(picture(rows), encoding="utf-8")
        fill(here / "README.md", "matrix", markdown(rows))
        fill(here / "WHICH.md", "worlds", "\n".join(sentences(rows, found)))
    for name, comparison in found.items():
        fill(here / "README.md", name, findings(comparison))


def matrix(found: Mapping[str, Comparison]) -> list[dict[str, Any]]:
    """Return one row per method, with the mean accuracy and interval in each world, by stage and then by the hardest world."""
    rows: dict[str, dict[str, Any]] = {}
    for world, comparison in found.items():
        for row in comparison["rows"]:
            accuracy = row["test"].get("accuracy")
            if accuracy and row["kind"] != "control":
                kept = rows.setdefault(row["name"], {"name": row["name"], "stage": row["stage"]})
                kept[world] = accuracy
                kept.setdefault("train_seconds", {})[world] = row["train_seconds"]
    whole = [row for row in rows.values() if all(world in row for world in found)]
    return sorted(whole, key=lambda row: (STAGES.index(row["stage"]), -row["combination"]["mean"], row["name"]))


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write means and intervals in full precision."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        parts = ("mean", "low", "high")
        writer.writerow(["method", "stage", *(f"{world}_{part}" for world in WORLDS for part in parts), "combination_train_seconds"])
        for row in rows:
            values = [row[world][part] for world in WORLDS for part in parts]
            writer.writerow([row["name"], row["stage"], *values, row["train_seconds"]["combination"]])


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the matrix for people: mean and half the interval, in hundredths."""
    lines = [f"| method | stage | {' | '.join(WORLDS)} | CPU s per training, combination |", f"|---|---|{'--:|' * (len(WORLDS) + 1)}"]
    for row in rows:
        seconds = row["train_seconds"]["combination"]
        cells = [shown(row[world]) for world in WORLDS]
        lines.append(f"| `{row['name']}` | {row['stage']} | {' | '.join(cells)} | {f'{seconds:.1f}' if seconds else ''} |")
    return "\n".join(lines)


def shown(accuracy: Mapping[str, Any]) -> str:
    """Return an accuracy such as `.874 ± .012`."""
    mean = f"{accuracy['mean']:.3f}"
    if accuracy["high"] is None:
        return mean
    return f"{mean} ± {accuracy['high'] - accuracy['mean']:.3f}"


def sentences(rows: list[dict[str, Any]], found: Mapping[str, Comparison]) -> list[str]:
    """Return, world by world, which methods do as well as the best, which stay at chance, and which lie between."""
    lines = []
    for world, where in WORLDS.items():
        methods = [row for row in rows if row["stage"] not in ("unimodal", "majority")]
        alone = max((row for row in rows if row["stage"] == "unimodal"), key=lambda row: row[world]["mean"])
        best = max(methods, key=lambda row: row[world]["mean"])
        # intervals over seeds that meet, or a difference that nobody would choose by
        good = [row for row in methods if high(row[world]) >= low(best[world]) or row[world]["mean"] >= best[world]["mean"] - CLOSE]
        chance = [row for row in methods if min(low(row[world]), row[world]["mean"] - CLOSE) <= CHANCE and row not in good]
        between = [row for row in methods if row not in good and row not in chance]
        above = [row for row in methods if low(row[world]) > high(alone[world])]
        lines += [f"### The label is in {where} (`{world}`)", ""]
        lines.append(f"The best single modality is *{alone['name']}* with {shown(alone[world])}; above its interval: {listed(above)}.")
        lines += ["", f"- as good as the best (`{best['name']}`, {shown(best[world])}): {listed(good)}"]
        lines += [f"- between: {listed(between, world)}", f"- at chance: {listed(chance)}", ""]
    return lines


def low(accuracy: Mapping[str, Any]) -> float:
    """Return the lower end of the interval, the mean itself where there is none."""
    return float(accuracy["mean"] if accuracy["low"] is None else accuracy["low"])


def high(accuracy: Mapping[str, Any]) -> float:
    """Return the upper end of the interval, the mean itself where there is none."""
    return float(accuracy["mean"] if accuracy["high"] is None else accuracy["high"])


def listed(rows: list[dict[str, Any]], world: str | None = None) -> str:
    """Return methods with commas, by stage, with their accuracy if a world is named; `none` if there are none."""
    stages = {stage: [row for row in rows if row["stage"] == stage] for stage in STAGES}
    named = {
        stage: ", ".join(f"`{row['name']}`" + (f" {row[world]['mean']:.2f}" if world else "") for row in members)
        for stage, members in stages.items()
        if members
    }
    return "; ".join(f"*{stage}* {text}" for stage, text in named.items()) or "none"


def findings(comparison: Comparison) -> str:
    """Return what a comparison says of itself, as a list."""
    said = [*comparison["conclusions"], *(f"{finding['model']}: {finding['sentence']}" for finding in comparison.get("controls", []))]
    curves = [
        f"{curve['name']} without {curve['modality']} in {curve['where']} rows: area under the curve {curve['area']:.3f}"
        for curve in comparison.get("missing", {}).get("curves", [])
    ]
    return "\n".join(f"- {sentence}" for sentence in [*said, *curves])


def fill(page: Path, name: str, text: str) -> None:
    """Put a text between `<!-- name -->` and `<!-- /name -->` of a page, where the page has the two."""
    whole = page.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    page.write_text(pattern.sub(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", whole), encoding="utf-8")


def picture(rows: list[dict[str, Any]]) -> str:
    """Return the matrix as a picture: the darker, the more of what lies above chance is reached."""
    left, top, wide, high_ = 210, 60, 120, 18
    height = top + high_ * len(rows) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + wide * len(WORLDS) + 10} {height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/><text x="8" y="20" font-weight="bold">test accuracy by where the label lies</text>',
    ]
    for column, (world, where) in enumerate(WORLDS.items()):
        x = left + wide * (column + 0.5)
        parts.append(f'<text x="{x}" y="38" text-anchor="middle" font-weight="bold">{world}</text>')
        parts.append(f'<text x="{x}" y="52" text-anchor="middle" fill="#555" font-size="11">{where}</text>')
    for number, row in enumerate(rows):
        y = top + number * high_
        parts.append(f'<text x="8" y="{y + 13}">{escape(row["name"])} <tspan fill="#777" font-size="10">{row["stage"]}</tspan></text>')
        for column, world in enumerate(WORLDS):
            mean = row[world]["mean"]
            share = min(max((mean - CHANCE) / (1 - CHANCE), 0), 1)
            x, ink = left + column * wide, "#fff" if share > 0.55 else "#222"
            parts.append(
                f'<rect x="{x}" y="{y}" width="{wide - 2}" height="{high_ - 2}" fill="rgb({240 - 205 * share:.0f},{243 - 140 * share:.0f},{246 - 86 * share:.0f})"/>'
            )
            parts.append(f'<text x="{x + wide / 2}" y="{y + 12}" text-anchor="middle" fill="{ink}" font-size="11">{mean:.3f}</text>')
    return "\n".join([*parts, "</svg>", ""])
