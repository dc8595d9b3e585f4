"""Figures -> results.json, results.csv, and the tables between the marks of README.md."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
from intervals import METRICS
from scipy.stats import spearmanr

FIRST = ", first look"
TITLES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "roc_auc": "ROC AUC"}


def write_results(folder: Path, results: dict[str, Any]) -> None:
    """Write all three; the same figures give the same bytes."""
    results = _rounded(results)
    rank = {
        look: {metric: spearmanr(*_paired(results, metric, first)).statistic for metric in METRICS}
        for look, first in (("now", False), ("first look", True))
    }
    results["validation_ranks_as_test"] = _rounded(rank)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    rows = [
        {"method": name, "metric": metric, "mean": one["mean"], **_ends("claims", one["claims"]), **_ends("seeds", one["seeds"])}
        for name, row in results["methods"].items()
        for metric, one in row.items()
    ]
    pd.DataFrame(rows).to_csv(folder / "results.csv", index=False, lineterminator="\n")
    readme = folder / "README.md"
    if not readme.exists():
        return
    text = readme.read_text(encoding="utf-8")
    for name, table in {
        "methods": _methods(results, first=False),
        "first": _methods(results, first=True),
        "differences": _differences(results),
        "store": _store(results),
        "traps": _traps(results),
    }.items():
        block = f"<!-- {name}: written by run.py -->\n{table}\n<!-- end of {name} -->"
        text = re.sub(rf"<!-- {name}: .*?<!-- end of {name} -->", lambda _, block=block: block, text, flags=re.DOTALL)
    readme.write_text(text, encoding="utf-8")


def _methods(results: dict[str, Any], *, first: bool) -> str:
    pictured = results["with_picture"]
    head = [
        "method",
        *(f"{TITLES[metric]} [claims] ± seeds" for metric in METRICS),
        f"macro-F1 / ROC AUC of the {pictured['posts']} with a picture",
    ]
    lines = [_line(head), _line(["---"] * len(head))]
    for name, row in results["methods"].items():
        if (FIRST in name) != first:
            continue
        part = " / ".join(f"{pictured['methods'][name][metric]:.3f}" for metric in ("macro_f1", "roc_auc"))
        lines.append(_line([name.replace(FIRST, ""), *(_cell(row[metric]) for metric in METRICS), part]))
    return "\n".join(lines)


def _differences(results: dict[str, Any]) -> str:
    head = ["first − second", *(f"{TITLES[metric]} [claims], draws ahead" for metric in METRICS)]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in results["differences"]:
        cells = [f"{row[m]['mean']:+.3f} [{row[m]['claims'][0]:+.3f}, {row[m]['claims'][1]:+.3f}], {row[m]['ahead']:.0%}" for m in METRICS]
        lines.append(_line([f"{row['first']} − {row['second']}", *cells]))
    return "\n".join(lines)


def _store(results: dict[str, Any]) -> str:
    store = results["store"]
    counts = ", ".join(f"{number:,} {split}" for split, number in sorted(store["samples"].items()))
    reasons = ", ".join(f"{number:,} `{reason}`" for reason, number in sorted(store["rejections"].items()))
    nodes = ", ".join(f"{number:,} `{kind}`" for kind, number in store["nodes"].items())
    total = sum(store["samples"].values())
    same = "stay the same bit for bit" if results["ids_are_no_features"] else "CHANGE"
    return (
        f"{total:,} posts converted ({counts}), {store['dropped']} left out. Quarantine: {reasons}. Nodes: {nodes}. "
        f"The graphs of 300 test posts {same} when every picture file gets another name and the columns of ids and events are emptied."
    )


def _traps(results: dict[str, Any]) -> str:
    lines = [_line(["posts", "with a picture", "fake", "without a picture", "fake"]), _line(["---"] * 5)]
    for split in ("dev", "test"):
        has = {row["picture"]: row for row in results["missingness"] if row["split"] == split}
        lines.append(
            _line([split, f"{has[True]['posts']:,}", f"{has[True]['fake']:.0%}", f"{has[False]['posts']:,}", f"{has[False]['fake']:.0%}"])
        )
    random = results["random_split"]
    lines += ["", _line(["random split of dev", *(TITLES[metric] for metric in METRICS)]), _line(["---"] * 4)]
    lines += [_line([name, *(f"{row[metric]:.3f}" for metric in METRICS)]) for name, row in random["scores"].items()]
    ranks = {
        look: ", ".join(f"{TITLES[metric]} {value:+.2f}" for metric, value in row.items())
        for look, row in results["validation_ranks_as_test"].items()
    }
    return "\n".join(
        [
            *lines,
            "",
            f"Of the {random['posts']:,} test posts of the random split, {random['picture_in_train']:.1%} show a picture that a train post shows too.",
            "",
            f"Rank correlation (Spearman) of validation and test over the networks: {ranks['now']}; in the first look: {ranks['first look']}.",
        ]
    )


def _paired(results: dict[str, Any], metric: str, first: bool) -> tuple[list[float], list[float]]:
    """Return validation and test figures of one look's networks."""
    names = [name for name in results["validation"] if (FIRST in name) == first]
    return [results["validation"][name][metric] for name in names], [results["methods"][name][metric]["mean"] for name in names]


def _cell(one: dict[str, Any]) -> str:
    spread = "" if one["seeds"] is None else f" ± {(one['seeds'][1] - one['seeds'][0]) / 2:.3f}"
    return f"{one['mean']:.3f} [{one['claims'][0]:.3f}, {one['claims'][1]:.3f}]{spread}"


def _ends(name: str, pair: list[float] | None) -> dict[str, float | None]:
    low, high = pair or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rounded(value: Any) -> Any:
    """Return plain JSON with four digits, more than the intervals allow."""
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return round(float(value), 4) if isinstance(value, float) else value
