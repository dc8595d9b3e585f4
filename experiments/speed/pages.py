"""results.json -> the tables of the pages."""

import json
from pathlib import Path
from typing import Any

from clock import Times
from rows import Row, Runs, markdown, summary

WHOLE, SHORT = "experiments/speed/README.md", "README.md"
"""Pages with all figures, and with the ratios only."""
RESULTS = {"cpu": "results.json", "cuda": "results-cuda.json"}
"""Kept apart by where networks ran."""
NAMES = {"cpu": "speed", "cuda": "speed-cuda"}
"""Of the tables on the pages; the second is on the whole page only."""


def write_pages(here: Path, device: str) -> None:
    """Put the tables of what ran on a device between their marks on the pages."""
    found = json.loads((here / RESULTS[device]).read_text(encoding="utf-8"))
    measured = [runs for work in found["works"].values() for runs in by_row(work)]
    machine = found["machine"]
    gpu = f"Networks on one {machine['gpu']}; " if machine["gpu"] else ""
    where = f"{gpu}{machine['processor']}, {machine['cores']} cores, torch {machine['torch']}, one thread{repeated(measured)}."
    for page, table in ((WHOLE, markdown(measured)), (SHORT, summary(measured))):
        path = here.parents[1] / page
        path.write_text(on_page(path.read_text(encoding="utf-8"), NAMES[device], f"{table}\n\n{where}"), encoding="utf-8")


def by_row(work: list[list[dict[str, Any]]]) -> list[Runs]:
    """Return the rows of a work, in the order of the table, each as every run found it."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in (row_from(value) for run in work for value in run):
        found.setdefault((row.work, row.peer), []).append(row)
    return list(found.values())


def repeated(measured: list[Runs]) -> str:
    """Return what is to be said of the number of runs, if some row has more than one."""
    fewest, most = min(map(len, measured)), max(map(len, measured))
    if most == 1:
        return ""
    number = str(most) if fewest == most else f"{fewest} to {most}"
    return f"; {number} runs of each work, of which the table has the one with the median ratio to the peer, in brackets the lowest and the highest"


def row_from(value: dict[str, Any]) -> Row:
    """Return the row that `Row.to_json` wrote."""
    names = Row.__dataclass_fields__
    times = {name: Times(**value[name]) if value[name] else None for name in ("ours", "peers", "limits")}
    return Row(**{name: value[name] for name in names if name not in times}, **times)


def on_page(text: str, name: str, content: str) -> str:
    """Return a page with some content between the marks of a name; unchanged if it has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if begin not in text:
        return text
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    for device, file in RESULTS.items():
        if (Path(__file__).parent / file).exists():
            write_pages(Path(__file__).parent, device)
