"""The page of a comparison: the ladder, what methods cost, and what the checks found; drawn from plain JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphfuse.core.files import write_bytes
from graphfuse.report import comparison_words
from graphfuse.report.comparison_cost import CostPlot, cost_plot
from graphfuse.report.comparison_curves import curve_panels, reliabilities
from graphfuse.report.comparison_rows import Ladder, colour_of, failures_of, number, read_ladder
from graphfuse.report.comparison_sections import control_tables, heat_tables, tuning_rows
from graphfuse.report.page import FOLDER, fill

DOTS = 220
"""Width of a row's mark and whisker, in pixels."""
BAR = 180
"""Width of a control's bar."""
COST = (330, 230)
"""Width and height of a picture of cost."""
CURVES = (230, 180)
SQUARE = 120
"""Side of a reliability diagram."""
TITLES = {
    "ladder": "The ladder",
    "failures": "What failed",
    "cost": "What it costs",
    "controls": "Does the graph help?",
    "missing": "When a modality is missing",
    "noise": "When a modality is noisy",
    "calibration": "Are they as sure as they should be?",
    "groups": "Results by group",
    "tuning": "What tuning found",
}
"""Section -> its heading, in the order of the page."""


def write_comparison(path: Path, comparison: Mapping[str, Any]) -> None:
    """Write the page of a comparison, whole or not at all.

    Args:
        path: The file to write.
        comparison: What `comparison.json` holds. A part that is not there has no section on the page.
    """
    write_bytes(path, render_comparison(comparison).encode("utf-8"))


def render_comparison(comparison: Mapping[str, Any]) -> str:
    """Return the page: one file that loads nothing, with every text escaped; it reads without its script."""
    ladder = read_ladder(comparison, DOTS)
    parts = _parts(comparison, ladder)
    return fill(
        "comparison.html.j2",
        "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "comparison.css")),
        (FOLDER / "comparison.js").read_text(encoding="utf-8"),
        titles={name: title for name, title in TITLES.items() if parts.get(name, True)},
        parts=parts,
        ladder=ladder,
        best=ladder.best,
        baseline=next((row for row in ladder.rows if row.is_baseline), None),
        methods=sum(row.is_method for row in ladder.rows),
        epochs_chosen=((comparison.get("experiment") or {}).get("train") or {}).get("keep", "best") == "best",
        num_test=comparison.get("num_test"),
        num_seeds=len(comparison.get("seeds") or ()),
        resamples=number(comparison.get("resamples")),
        unit=str(comparison.get("unit", "samples")),
        notes=[str(note) for note in comparison.get("notes") or ()],
        experiment=json.dumps(comparison["experiment"], indent=2, ensure_ascii=False) if comparison.get("experiment") else "",
        sizes={"dots": DOTS, "bar": BAR, "cost": COST, "curves": CURVES, "square": SQUARE},
        colour_of=colour_of,
        words=comparison_words,
    )


def _parts(comparison: Mapping[str, Any], ladder: Ladder) -> dict[str, Any]:
    """Return what each section beside the ladder draws; empty where the section is left out."""
    curves = {kind: (comparison.get(kind) or {}).get("curves") or () for kind in ("missing", "noise")}
    drawn = {str(curve["name"]) for kind in curves.values() for curve in kind}
    names = [row.name for row in sorted(ladder.rows, key=ladder.rank) if row.name in drawn]  # a method has its colour in all sections
    return {
        "failures": failures_of(ladder.rows),
        "cost": _cost_plots(ladder),
        "controls": control_tables(comparison.get("controls") or (), BAR),
        "missing": curve_panels(curves["missing"], names, *CURVES, comparison_words.rate_words),
        "noise": curve_panels(curves["noise"], names, *CURVES, comparison_words.scale_words),
        "calibration": reliabilities(comparison.get("calibration") or (), SQUARE),
        "groups": heat_tables(comparison.get("groups") or (), ladder.higher_is_better),
        "tuning": tuning_rows(comparison.get("tuning") or (), ladder.higher_is_better),
    }


def _cost_plots(ladder: Ladder) -> list[CostPlot]:
    """Return skill against the time of training and that of predicting."""
    costs = {"train_seconds": "CPU time of training, per seed", "predict_seconds": "time to predict 1,000 samples"}
    found = [cost_plot(ladder, cost, title, *COST) for cost, title in costs.items()]
    return [plot for plot in found if plot is not None]
