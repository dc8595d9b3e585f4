"""What a run was made from, and whether it is whole."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from graphfuse.core.differences import differences
from graphfuse.core.errors import ConfigError, InputError, IntegrityError, UnsafeError
from graphfuse.core.files import digest_file, file_entries, inside, read_json, remove_leftovers, write_json
from graphfuse.core.folders import ANALYSIS, EMPTY, NOTHING, OURS, RUN, strangers, what_is
from graphfuse.core.settings import TrainSettings
from graphfuse.core.versions import installed_versions
from graphfuse.store.graph_store import GraphStore

FORMAT = 1
RECEIPT = "receipt.json"
INPUTS = "inputs.json"
CHECKPOINT = "checkpoint.safetensors"
LISTED = re.compile(
    r"(experiment|schema|metrics)\.json|predictions-\w+\.parquet|state/.+|seed-\d+/(model\.json|model\.safetensors|metrics\.jsonl)"
)
"""Files that a run consists of. Event files hold times, so they are no part of what has to repeat; a checkpoint is not used any more, and
knows its own digest; what else somebody keeps beside them is theirs."""


def describe_inputs(store: GraphStore, experiment: Mapping[str, Any], settings: TrainSettings) -> dict[str, Any]:
    """Return everything that the bytes of a run depend on, as plain JSON values."""
    return {
        "experiment": {key: value for key, value in experiment.items() if key not in ("analyses", "train", "compare")},
        "train": {**asdict(settings), "seeds": list(settings.seeds), "modality_dropout": dict(settings.modality_dropout)},
        # the index holds the digest of every file of the store
        "store": digest_file(store.path / "index.json"),
        "change": dict(store.change),
        "threads": torch.get_num_threads(),
        "deterministic": not settings.fast,
        **({"gpu": torch.cuda.get_device_name()} if settings.device == "cuda" else {}),
        "versions": installed_versions(("numpy", "torch", "torch_geometric")),
    }


def begin(out: Path, inputs: Mapping[str, Any], resume: bool) -> bool:
    """Start or resume a run in a folder, and return whether it is already whole.

    Raises:
        InputError: If the folder holds a run and `resume` is off, or something that is no run.
        ConfigError: If the run there was made from something else; every difference is listed.
    """
    if (found := what_is(out)) in OURS and found != RUN:
        raise InputError(f"train writes into a new folder; {out} holds {found}. Give another --out.")
    if not (out / INPUTS).exists():
        if foreign := strangers(out):
            raise InputError(f"train writes into a new folder (got '{out}', with '{foreign[0][:40]}' in it). Give another --out.")
        remove_leftovers(out)
        return False
    if not resume:
        state = "a finished run" if (out / RECEIPT).exists() else "a run that was interrupted"
        raise InputError(f"train writes into a new folder; {out} holds {state}. Give another --out, or add --resume to go on with it.")
    remove_leftovers(out)
    different = list(differences(read_json(out / INPUTS), json.loads(json.dumps(inputs))))
    if different:
        raise ConfigError(
            [
                f"--resume goes on only with what the run in {out} was started with. These differ (then -> now):",
                *(f"  {place}: {str(then)[:40]} -> {str(now)[:40]}" for place, then, now in different),
                "Put them back, or give another --out.",
            ]
        )
    return (out / RECEIPT).exists()


def write_receipt(out: Path, inputs: Mapping[str, Any]) -> None:
    """Write the receipt, last: its presence means the run is whole."""
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    write_json(out / RECEIPT, {"format": FORMAT, **inputs, "files": file_entries(out, list(filter(LISTED.fullmatch, names)))})


def read_receipt(path: Path) -> dict[str, Any]:
    """Read a run's receipt and check every file it lists.

    Raises:
        InputError: If there is no such folder, or it holds no run.
        IntegrityError: If the run was interrupted, is of a newer format, or a file is missing or damaged.
    """
    lies = what_is(path)
    if not (path / RECEIPT).exists() or lies == ANALYSIS:
        raise _no_run(path, lies)
    receipt = read_json(path / RECEIPT)
    found = receipt.get("format")
    if not isinstance(found, int) or not isinstance(receipt.get("files"), dict):
        raise IntegrityError(f"{path / RECEIPT} must be as train writes it (format {str(found)[:40]}). Train again into a new folder.")
    if found > FORMAT:
        raise IntegrityError(
            f"{path} is a run of format {found}; this graphfuse reads up to format {FORMAT}. Update graphfuse: pip install -U graphfuse"
        )
    for name, entry in receipt["files"].items():
        _check_file(path, name, entry)
    return receipt


def _no_run(path: Path, found: str) -> InputError | IntegrityError:
    """Return what to say of a path without a whole run: what lies there decides what helps."""
    if found == RUN:
        return IntegrityError(f"{path} is not whole: training was interrupted. Repeat the same train command with --resume.")
    if found in (NOTHING, EMPTY):
        return InputError(f"A run is a folder that train made (got '{path}'). Run: graphfuse train EXPERIMENT --store STORE --out {path}")
    runs = (receipt.parent for receipt in sorted(path.glob(f"runs/*/seed-*/{RECEIPT}")) if not read_json(receipt).get("change"))
    step = f"Give one of its runs, such as {run}." if (run := next(runs, None)) else "Give the folder that train wrote."
    return InputError(f"A run is a folder that train made (got '{path}', which is {found}). {step}")


def _check_file(folder: Path, name: str, entry: Mapping[str, Any]) -> None:
    try:
        same = digest_file(inside(folder, name)) == entry["sha256"]
    except (OSError, KeyError, TypeError) as error:
        raise IntegrityError(f"{folder / name} must be readable ({error}). Train again, or restore it from a copy of the run.") from error
    except UnsafeError as error:
        raise IntegrityError(f"{folder / RECEIPT} lists a file outside the run: {error}") from error
    if not same:
        raise IntegrityError(f"{folder / name} has changed since it was written. Train again, or restore it from a copy of the run.")
