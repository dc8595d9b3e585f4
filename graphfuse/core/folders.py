"""What lies at a path, by the files that mark it: a message that knows can name a next step that works."""

from pathlib import Path

from graphfuse.core.lock import LOCK

NOTHING, EMPTY, FILE, OTHER = "nothing", "an empty folder", "a file", "a folder of something else"
STORE, BEGUN, LOST = "a store", "a store that is not finished", "a store that lost its index.json"
RUN, COMPARISON, ANALYSIS = "a run", "a comparison", "an analysis"
STORES = (STORE, BEGUN, LOST)
OURS = (*STORES, RUN, COMPARISON, ANALYSIS)
MARKS = (
    (STORE, ("index.json",)),
    (BEGUN, ("plan.json",)),
    (LOST, ("samples.parquet", "shards")),
    (COMPARISON, ("comparison.json",)),
    (RUN, ("inputs.json", "experiment.json")),
    (RUN, ("inputs.json", "receipt.json")),  # damaged
    (COMPARISON, ("inputs.json",)),  # interrupted
    (ANALYSIS, ("receipt.json", "report.html")),
)
"""What is said of a folder that has all these files; the first that fits."""


def what_is(path: Path) -> str:
    """Return what lies at a path, in words: one of `OURS`, or `NOTHING`, `EMPTY`, `FILE`, `OTHER`."""
    if not path.is_dir():
        return FILE if path.exists() else NOTHING
    names = {item.name for item in path.iterdir()} - {LOCK}
    return next((kind for kind, marks in MARKS if names.issuperset(marks)), OTHER if names else EMPTY)
