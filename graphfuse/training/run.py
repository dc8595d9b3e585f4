"""A trained run on disk, opened without running anything that it says."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from graphfuse.core.build import build
from graphfuse.core.compiled import Kernels, has_compiler
from graphfuse.core.errors import InputError, IntegrityError
from graphfuse.core.files import read_json
from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.core.sockets import Task
from graphfuse.core.tables import State
from graphfuse.nn.fusion import FusionNetwork
from graphfuse.store.writer import read_state
from graphfuse.training.computing import Computing
from graphfuse.training.network import build_network, load_weights
from graphfuse.training.receipt import read_receipt


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that predicting needs: networks, task, schema, and the states that convert raw rows."""

    path: Path
    experiment: dict[str, Any]
    """The experiment as plain JSON; names in it are data."""
    schema: GraphSchema
    target: TargetSchema
    task: Task
    networks: tuple[FusionNetwork, ...]
    """One per seed, in evaluation mode."""
    seeds: tuple[int, ...]
    computing: Computing
    """As in training, so that predictions are the evaluation's to the last bit; as near to it as this machine can, where it lacks something."""
    metrics: dict[str, Any]
    """What `metrics.json` holds."""
    change: dict[str, Any]
    """How the store was changed in training, as in the controls of a comparison; nothing where it was not."""

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the fitted states, such as `modalities-0-text`."""
        return tuple(sorted(path.stem for path in (self.path / "state").glob("*.safetensors")))

    def state(self, name: str) -> State:
        """Return a fitted state, copied from the store that the run was trained on."""
        return read_state(self.path, name)


def open_run(path: Path | str, allowed: tuple[str, ...] = ()) -> Run:
    """Open a run that `graphfuse train` made, and check every file of it.

    Args:
        path: The run's folder.
        allowed: Packages outside graphfuse that the person named; without it, a run that names other plug-ins is refused.

    Raises:
        InputError: If there is no run.
        IntegrityError: If it is not whole, damaged, or of a newer format.
        UnsafeError: If it names a plug-in outside graphfuse that is not allowed.
    """
    path = Path(path)
    receipt = read_receipt(path)
    experiment, schemas = read_json(path / "experiment.json"), read_json(path / "schema.json")
    try:
        schema, target = GraphSchema.from_json(schemas["schema"]), TargetSchema.from_json(schemas["target"])
        sections, seeds = (experiment["model"], experiment["task"]), tuple(int(seed) for seed in receipt["train"]["seeds"])
        threads, fast = int(receipt["threads"]), not receipt["deterministic"]
        kernels, device = receipt["train"].get("kernels", "torch"), receipt["train"].get("device", "cpu")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"{path} must be as train writes it ({str(error)[:80]}). Train again into a new folder.") from error
    model, task = build("models", sections[0], "model", allowed), build("tasks", sections[1], "task", allowed)
    computing = Computing(threads=threads, fast=fast, kernels=_kernels(path, kernels), device=_device(path, device))
    networks = []
    for seed in seeds:
        with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten, and the caller's numbers stay
            network = build_network(model, schema, task, target)
        load_weights(path / f"seed-{seed}", network)
        networks.append(network.to(computing.device))
    return Run(
        path=path,
        experiment=experiment,
        schema=schema,
        target=target,
        task=task,
        networks=tuple(networks),
        seeds=seeds,
        computing=computing,
        metrics=read_json(path / "metrics.json"),
        change=dict(receipt.get("change") or {}),
    )


def open_plain_run(path: Path | str, allowed: tuple[str, ...] = ()) -> Run:
    """Open a run as `open_run` does, but none that knows graphs through a change only: of plain ones it would say something else.

    Raises:
        InputError: If there is no run, or it was trained on a changed store.
        IntegrityError: As `open_run` does.
        UnsafeError: As `open_run` does.
    """
    run = open_run(path, allowed)
    if run.change:
        raise InputError(
            f"A run must have seen graphs as they are; {run.path} is a control of a comparison, trained and measured on a changed store "
            f"({json.dumps(run.change)[:120]}). Train one with the settings that you want: graphfuse train EXPERIMENT --store STORE --out RUN"
        )
    return run


def _kernels(path: Path, asked: object) -> Kernels:
    """Return what is to attend: what did in training, or else PyTorch, so that a run can be used where there is no compiler."""
    if asked == "torch":
        return "torch"
    if asked != "compiled":
        raise IntegrityError(f"{path} must be as train writes it (kernels {str(asked)[:40]}). Train again into a new folder.")
    if has_compiler():
        return "compiled"
    warnings.warn(f"{path} was trained with compiled kernels; this machine has no compiler, so the last bits may differ.", stacklevel=3)
    return "torch"


def _device(path: Path, asked: object) -> str:
    """Return where networks are to lie: where they did in training, or else on the processor, so that a run can be used without a GPU."""
    if asked not in ("cpu", "cuda"):
        raise IntegrityError(f"{path} must be as train writes it (device {str(asked)[:40]}). Train again into a new folder.")
    if asked == "cpu" or torch.cuda.is_available():
        return str(asked)
    warnings.warn(f"{path} was trained on a GPU; torch sees none on this machine, so the last digits may differ.", stacklevel=3)
    return "cpu"
