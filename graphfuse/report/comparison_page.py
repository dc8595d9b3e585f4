"""The page of a comparison: the ladder, what methods cost, and what the checks found; drawn from plain JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphfuse.core.files import write_bytes
from graphfuse.report import comparison_words
from graphfuse.report.comparison_cost import cost_plot
from graphfuse.report.comparison_curves import curve_panels, reliabilities
from graphfuse.report.comparison_rows import STAGES, Ladder, colour_of, failures_of, read_ladder
from graphfuse.report.comparison_sections import control_tables, heat_tables, tuning_rows
from graphfuse.report.page import FOLDER, fill

DOTS = 220
"""Width of a row's dot and whisker, in pixels."""
BAR = 180
"""Width of a control's bar."""
COST = (330.0, 230.0)
"""Width and height of a picture of cost."""
CURVES = (230.0, 180.0)
SQUARE = 120.0
"""Side of a reliability diagram."""


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
    style = "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "comparison.css"))
    return fill(
        "comparison.html.j2",
        style,
        (FOLDER / "comparison.js").read_text(encoding="utf-8"),
        ladder=ladder,
        best=ladder.best,
        baseline=next((row for row in ladder.rows if row.is_baseline), None),
        methods=sum(row.group not in ("baseline", "control") for row in ladder.rows),
        num_test=comparison.get("num_test"),
        num_seeds=len(comparison.get("seeds") or ()),
        notes=[str(note) for note in comparison.get("notes") or ()],
        failures=failures_of(ladder.rows),
        cost_plots=_cost_plots(ladder),
        cost_size=COST,
        controls=control_tables(comparison.get("controls") or (), BAR),
        damages=_damages(comparison),
        curve_size=CURVES,
        diagrams=reliabilities(comparison.get("calibration") or (), SQUARE),
        square=SQUARE,
        heats=heat_tables(comparison.get("groups") or (), ladder.higher_is_better),
        tuning=tuning_rows(comparison.get("tuning") or (), ladder.higher_is_better),
        experiment=json.dumps(comparison["experiment"], indent=2, ensure_ascii=False) if comparison.get("experiment") else "",
        stages=STAGES,
        colour_of=colour_of,
        dots_width=DOTS,
        bar_width=BAR,
        words=comparison_words,
    )


def _cost_plots(ladder: Ladder) -> list[Any]:
    """Return skill against the time of training and that of predicting."""
    costs = {"train_seconds": "CPU time of training, per seed", "predict_seconds": "time to predict 1,000 samples"}
    found = [cost_plot(ladder, cost, title, *COST) for cost, title in costs.items()]
    return [plot for plot in found if plot is not None]


def _damages(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the two kinds of damage that were tried, with their panels."""
    kinds = (
        ("missing", "share of samples without it", comparison_words.rate_words),
        ("noise", "added noise", comparison_words.scale_words),
    )
    found = [
        {"kind": kind, "axis": axis, "panels": curve_panels((comparison.get(kind) or {}).get("curves") or (), *CURVES, label)}
        for kind, axis, label in kinds
    ]
    return [damage for damage in found if damage["panels"]]
