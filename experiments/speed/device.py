"""Where networks run: on the processor, or on a GPU (`SPEED_DEVICE=cuda python experiments/speed/run.py`)."""

import os
from copy import copy

import torch
from torch import nn
from torch_geometric.data import Batch

DEVICE = torch.device(os.environ.get("SPEED_DEVICE", "cpu"))


def moved(batch: Batch) -> Batch:
    """Return a batch where networks run."""
    return batch if DEVICE.type == "cpu" else copy(batch).to(DEVICE)


def placed(network: nn.Module) -> nn.Module:
    """Return a network, put where networks run."""
    return network.to(DEVICE)


def gpu_name() -> str:
    """Return the GPU's name; nothing for the processor."""
    return torch.cuda.get_device_name() if DEVICE.type == "cuda" else ""


def wait() -> None:
    """Wait until the device has done what it was given."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
