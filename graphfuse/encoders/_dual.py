"""CLIP-style models: a text half and a picture half that end in one space (Radford et al., 2021, arXiv:2103.00020)."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphfuse.core.errors import InputError
from graphfuse.encoders._device import Device, place, usable
from graphfuse.encoders._folder import find_folder, folder_digest, load_config, load_model

VERSION = 2
"""Part of the cache key: raise it whenever the same text or picture would give another vector."""


def dual_channels(model: str) -> int:
    """Return the width of the shared space, from the configuration alone.

    Raises:
        InputError: If the model is no dual encoder.
    """
    config = load_config(find_folder(model))
    if not (hasattr(config, "text_config") and hasattr(config, "vision_config")):
        raise InputError(
            f"model must have a text half and a picture half, as CLIP has (got '{model[:40]}'). For text alone use transformers_text."
        )
    size = getattr(config, "projection_dim", None) or config.vision_config.hidden_size  # SigLIP has no projection
    return int(size)


def dual_identity(model: str, device: Device) -> str:
    """Return the digest of the weights, with this file's version."""
    return f"version {VERSION} {folder_digest(find_folder(model))}{place(device)}"


def dual_network(model: str, device: Device) -> tuple[Path, Any]:
    """Return the folder and the frozen network, loaded once for both halves if they share a device.

    Raises:
        InputError: If the model is no dual encoder.
    """
    dual_channels(model)
    folder = find_folder(model)
    network = _load(folder, folder_digest(folder), usable(device))
    if not (hasattr(network, "get_text_features") and hasattr(network, "get_image_features")):
        raise InputError(f"model must project both halves into one space (got '{model[:40]}'). Use CLIP, SigLIP or their like.")
    return folder, network


@lru_cache(maxsize=2)  # the halves may lie on two devices
def _load(folder: Path, digest: str, device: torch.device) -> Any:
    """Return the network; `digest` makes a changed folder a new one."""
    return load_model(folder).to(device)


def projected(output: Any) -> Tensor:
    """Return the vectors in the shared space.  [batch, channels]."""
    return output if isinstance(output, Tensor) else output.pooler_output
