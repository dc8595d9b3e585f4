"""One self-contained HTML page: nothing is loaded, every text is escaped, it reads without its script."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from graphfuse.core.files import write_bytes
from graphfuse.report.charts import dot_plot, figure, fixed, interval, panels, worth_rows
from graphfuse.report.data import ReportData
from graphfuse.report.layout import WIDTH, key_of, lay_out
from graphfuse.report.words import clean, metric_words, one_line

FOLDER = Path(__file__).parent
BAR = 150
"""Width of a bar's drawing, in pixels."""
COLOURS = 8
"""Colours of edge kinds; further kinds share the last, grey."""


def write_report(path: Path, data: ReportData) -> None:
    """Write the page of an analysis, whole or not at all."""
    write_bytes(path, render(data).encode("utf-8"))


def render(data: ReportData) -> str:
    """Return the page.

    Its policy allows no address, only this very style sheet and script (by their digests) and pictures inside the page.
    """
    style = (FOLDER / "page.css").read_text(encoding="utf-8") + _filters(len(data.kinds))
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    return fill(
        "page.html.j2",
        style,
        script,
        data=data,
        width=WIDTH,
        bar_width=BAR,
        colours=COLOURS,
        key_of=key_of,
        dot_plots=[dot_plot(metric, 300) for metric in data.metrics],
        kind_rows=worth_rows(data.edge_kinds, BAR),
        modality_rows=worth_rows(data.modalities, BAR),
        panels=panels(data.curves, 330, 190),
        drawings=[lay_out(post) for post in data.posts],
        measures={"log_odds": "log-odds", "probability": "probability", "change": "predicted value in deviations of the target"},
    )


def fill(template: str, style: str, script: str, **values: Any) -> str:
    """Return a page from its template, with its style sheet, script and policy; whatever text goes in is escaped."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, finalize=_clean, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "figure": figure,
        "fixed": fixed,
        "interval": interval,
        "one_line": one_line,
        "metric_words": metric_words,
        "breakable": _breakable,
    }
    return environment.get_template(template).render(style=Markup(style), script=Markup(script), policy=_policy(style, script), **values)


def _breakable(text: str) -> Markup:
    """Return a name that may go on in the next line after each underscore."""
    return Markup("_<wbr>").join(text.split("_"))


def _policy(style: str, script: str) -> str:
    """Return the content security policy."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") for text in (style, script)]
    return f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; base-uri 'none'; form-action 'none'"


def _filters(kinds: int) -> str:
    """Return the rules behind the boxes that show and hide edge kinds; they work without the script."""
    return "".join(f"body:has(#show-{kind}:not(:checked)) .of-kind-{kind}{{display:none}}\n" for kind in range(kinds))


def _clean(value: object) -> object:
    """Return what goes into the page without characters that do harm; jinja escapes it afterwards."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
