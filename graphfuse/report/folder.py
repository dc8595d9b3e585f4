"""An analysis's folder: what it was begun with, which of its files are an analysis's, and whether it is whole."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphfuse.core.errors import InputError, IntegrityError, UnsafeError
from graphfuse.core.files import digest_file, file_entries, inside, read_json, remove_leftovers, write_json
from graphfuse.core.lock import LOCK, locked
from graphfuse.core.versions import installed_versions
from graphfuse.store.graph_store import GraphStore

if TYPE_CHECKING:  # a run is only read here; training lies beside the report, not below it
    from graphfuse.training.run import Run

INPUTS = "inputs.json"
RECEIPT = "receipt.json"
REPORT = "report.html"
SCORES = ".parquet"


def describe_inputs(run: "Run", store: GraphStore, sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what an analysis is made from, as plain JSON values."""
    return {
        "format": 1,
        "analyses": sections,
        "run": digest_file(run.path / RECEIPT),
        "store": digest_file(store.path / "index.json"),
        "versions": installed_versions(("numpy", "pandas", "pyarrow", "torch", "torch_geometric")),
    }


@contextmanager
def begun(out: Path, inputs: Mapping[str, Any]) -> Iterator[None]:
    """Hold a folder for an analysis, whose inputs are written first; what an earlier one left there, whole or not, is removed.

    Raises:
        InputError: If the folder holds anything else.
        LockedError: If another process writes there.
    """
    with locked(out):
        _clear(out)
        write_json(out / INPUTS, inputs)
        yield


def write_receipt(out: Path, inputs: Mapping[str, Any]) -> None:
    """Write what the analysis was made from and its files, last: its presence means the folder is whole."""
    write_json(out / RECEIPT, {**inputs, "files": file_entries(out, _files(inputs))})


def score_files(folder: Path) -> list[Path]:
    """Return the score tables of an analysis, each as it was written; none if the folder holds no analysis.

    Raises:
        IntegrityError: If the analysis was interrupted, or a table is missing or another than its receipt says.
    """
    if not _is_analysis(folder / RECEIPT):
        if _is_analysis(folder / INPUTS):
            raise IntegrityError(f"{folder} is not whole: the analysis was interrupted. Repeat the same analyse command.")
        return []
    entries = read_json(folder / RECEIPT).get("files")
    if not isinstance(entries, dict):
        raise IntegrityError(f"{folder / RECEIPT} must list the files of the analysis. Repeat the same analyse command.")
    return [_checked(folder, name, entries[name]) for name in sorted(entries) if name.endswith(SCORES)]


def _checked(folder: Path, name: str, entry: Mapping[str, Any]) -> Path:
    try:
        path = inside(folder, name)
        same = digest_file(path) == entry["sha256"]
    except (OSError, KeyError, TypeError, UnsafeError) as error:
        raise IntegrityError(f"{folder / name} must be as analyse wrote it ({error}). Repeat the same analyse command.") from error
    if not same:
        raise IntegrityError(f"{folder / name} has changed since analyse wrote it. Repeat the same analyse command, or restore it.")
    return path


def _clear(out: Path) -> None:
    """Remove what an earlier analysis left; an interruption at any point leaves a folder that is known to be an analysis's."""
    if _is_analysis(out / RECEIPT):
        (out / RECEIPT).replace(out / INPUTS)  # whole no more, and still marked; before there were inputs, this was the only mark
    if not _is_analysis(out / INPUTS):
        _check_empty(out)
        return
    written = [out / Path(name).name for name in _files(read_json(out / INPUTS))]  # whatever is written there, within the folder
    for path in written:
        if path.is_file():
            path.unlink()
    remove_leftovers(out)


def _check_empty(out: Path) -> None:
    for path in out.iterdir():
        if path.name != LOCK and not path.match(f".{INPUTS}.*.tmp"):  # all that a process killed at its very beginning can leave
            raise InputError(
                f"analyse writes into a new folder, or over an earlier analysis ('{out}' holds something else). Give another --out."
            )


def _is_analysis(path: Path) -> bool:
    """Return whether a receipt, or inputs, are those of an analysis: runs and comparisons have files of the same names."""
    return path.exists() and "analyses" in read_json(path)


def _files(inputs: Mapping[str, Any]) -> list[str]:
    """Return the names of the files that an analysis of these inputs writes before its receipt."""
    return [*(f"{name}{SCORES}" for name in inputs["analyses"]), REPORT]
