"""Where an encoder's network runs: on the processor, or on an NVIDIA GPU."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Device = Literal["cpu", "cuda"]


def usable(device: Device) -> torch.device:
    """Return the device; the processor, with a warning, where torch sees no GPU, so that what was made on one can be used anywhere."""
    if device == "cuda" and not torch.cuda.is_available():
        warnings.warn(
            "An encoder asks for a GPU (device: cuda), and torch sees none; it runs on the processor (as device: cpu would).", stacklevel=3
        )
        return torch.device("cpu")
    return torch.device(device)


def place(device: Device) -> str:
    """Return what an identity says of the device: vectors of a GPU differ in their last bits."""
    return " on a GPU" if usable(device).type == "cuda" else ""


@contextmanager
def inference(device: torch.device) -> Iterator[None]:
    """Compute without gradients, and on a GPU as exactly as on a processor and alike every time."""
    with torch.inference_mode():
        if device.type == "cpu":
            yield
        else:  # else cuDNN would round factors to 10 bits, and cuBLAS might, if somebody allowed it
            precision = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("highest")
            try:
                with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
                    yield
            finally:
                torch.set_float32_matmul_precision(precision)
