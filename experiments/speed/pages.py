"""results.json -> the tables of the pages."""

import json
from pathlib import Path
from typing import Any

from clock import Times
from rows import Row, markdown

PAGES = ("experiments/speed/README.md",)
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"


def write_pages(here: Path, results: Path) -> None:
    """Put the table between its marks on every page."""
    found = json.loads(results.read_text())
    table = markdown(row_from(value) for rows in found["works"].values() for value in rows)
    for page in PAGES:
        path = here.parents[1] / page
        text = path.read_text()
        if BEGIN in text:
            before, _, rest = text.partition(BEGIN)
            path.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}")


def row_from(value: dict[str, Any]) -> Row:
    """Return the row that `Row.to_json` wrote."""
    names = Row.__dataclass_fields__
    times = {name: Times(**value[name]) if value[name] else None for name in ("ours", "peers", "limits")}
    return Row(**{name: value[name] for name in names if name not in times}, **times)
