"""What lies at a path, by the files that mark it: a message that knows can name a next step that works."""

from pathlib import Path

from graphfuse.core.errors import IntegrityError
from graphfuse.core.files import is_leftover, read_json
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
)
"""What is said of a folder that has all these files; the first that fits."""


def what_is(path: Path) -> str:
    """Return what lies at a path, in words: one of `OURS`, or `NOTHING`, `EMPTY`, `FILE`, `OTHER`."""
    if not path.is_dir():
        return FILE if path.exists() else NOTHING
    names = {item.name for item in path.iterdir()} - {LOCK}
    found = next((kind for kind, marks in MARKS if names.issuperset(marks)), None)
    if found is None and "inputs.json" in names:
        return _begun(path / "inputs.json")
    if found is None and names.issuperset(("receipt.json", "report.html")):  # before analyses noted their inputs
        return ANALYSIS
    return found or (OTHER if names else EMPTY)


def strangers(folder: Path) -> list[str]:
    """Return what lies in a folder that a command is to begin in, but for its lock and what processes left that were killed at once."""
    return sorted(path.name for path in folder.iterdir() if path.name != LOCK and not is_leftover(path))


def _begun(inputs: Path) -> str:
    """Return what notes such inputs; only of a run's some may be all that is readable."""
    try:
        noted = read_json(inputs)
    except IntegrityError:
        return RUN
    return COMPARISON if "rows" in noted else ANALYSIS if "analyses" in noted else RUN
