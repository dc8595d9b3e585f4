"""Tensors in one file that knows whether it is whole: safetensors with a digest in its header."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from graphfuse.core.errors import IntegrityError
from graphfuse.core.files import write_bytes

FORMAT = 1


@dataclass(kw_only=True)
class SeedProgress:
    """How far one seed has come, beside the network and the optimiser."""

    epoch: int = 0
    """Epochs done."""
    best_epoch: int = 0
    best_score: float = float("-inf")
    """Higher is better."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """Weights after the best epoch."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """One record per epoch."""


def save_checkpoint(path: Path, network: nn.Module, optimizer: Optimizer, progress: SeedProgress) -> None:
    """Write all that the next epoch depends on."""
    tensors = {f"weights.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in progress.best.items()}
    for parameter, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{parameter}.{name}": tensor for name, tensor in state.items()}
    tensors |= {f"rng.{device}": state for device, state in _random_states(network).items()}
    info = {"epoch": progress.epoch, "best_epoch": progress.best_epoch, "best_score": progress.best_score, "history": progress.history}
    write_tensors(path, tensors, info)


def load_checkpoint(path: Path, network: nn.Module, optimizer: Optimizer) -> SeedProgress:
    """Put network, optimiser and random numbers back to where `save_checkpoint` saw them.

    Raises:
        IntegrityError: If the file is damaged, of a newer format, or of another network.
    """
    tensors, info = read_tensors(path)
    parts: dict[str, dict[str, Tensor]] = {"weights": {}, "best": {}, "optimizer": {}, "rng": {}}
    try:
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        network.load_state_dict(parts["weights"])
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimizer"].items():
            parameter, _, rest = name.partition(".")
            state.setdefault(int(parameter), {})[rest] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        torch.set_rng_state(parts["rng"]["cpu"])
        if "cuda" in parts["rng"]:
            torch.cuda.set_rng_state(parts["rng"]["cuda"])
        return SeedProgress(best=parts["best"], **info)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise IntegrityError(
            f"{path} must be a checkpoint of this network ({' '.join(str(error).split())[:120]}). Delete the file to train this seed from its start."
        ) from error


def _random_states(network: nn.Module) -> dict[str, Tensor]:
    """Return the states of the generators that a network draws from: the processor's, and its GPU's if it lies on one."""
    states = {"cpu": torch.get_rng_state()}
    if any(parameter.is_cuda for parameter in network.parameters()):
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def write_tensors(path: Path, tensors: Mapping[str, Tensor], info: Mapping[str, Any]) -> None:
    """Write named tensors and plain JSON values atomically; equal content gives equal bytes."""
    # cloned, since safetensors refuses tensors that share memory
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in sorted(tensors.items())}
    text = json.dumps(info, sort_keys=True, ensure_ascii=False)
    header = {"format": FORMAT, "info": text, "sha256": _digest(plain, text)}
    # one entry only, since safetensors writes several in random order
    write_bytes(path, save(plain, metadata={"graphfuse": json.dumps(header, sort_keys=True)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `write_tensors` wrote.

    Raises:
        IntegrityError: If the file is missing, damaged or of a newer format.
    """
    way_out = "Delete the file and repeat train with --resume, or restore it from a copy."
    try:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["graphfuse"])
        if header["format"] > FORMAT:
            raise IntegrityError(
                f"{path} has format {header['format']}; this graphfuse reads up to format {FORMAT}. "
                "Update graphfuse: pip install -U graphfuse"
            )
        tensors: dict[str, Tensor] = load(content)
        whole = header["format"] >= 1 and _digest(tensors, header["info"]) == header["sha256"]
        info: dict[str, Any] = json.loads(header["info"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(
            f"{path} must be a whole safetensors file of graphfuse ({' '.join(str(error).split())[:120]}). {way_out}"
        ) from error
    if not whole:
        raise IntegrityError(f"{path} has changed since it was written: its digest differs. {way_out}")
    return tensors, info


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of all tensors, and the text."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
