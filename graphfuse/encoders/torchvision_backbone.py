"""Any classification backbone of torchvision: one pass per picture, its last map pooled per box."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torchvision
from pydantic import PositiveInt
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights, list_models

from graphfuse.core.errors import InputError, suggest
from graphfuse.core.sockets import ImageEncoder
from graphfuse.core.tables import FloatArray
from graphfuse.encoders._convolution import freeze_convolutions
from graphfuse.encoders._device import Device, place, usable
from graphfuse.encoders._folder import file_digest
from graphfuse.encoders._regions import BATCH, IMAGENET_MEAN, IMAGENET_STD, batches, noise, pool_boxes, same_alone, square

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 1
"""Part of the cache key: raise it whenever the same picture would give another vector."""
HEADS = ("fc.", "classifier.", "head.", "heads.", "AuxLogits.", "aux1.", "aux2.")
"""Parameters behind the map: a network trained for other classes may differ here."""


@dataclass(frozen=True, kw_only=True)
class TorchvisionBackbone(ImageEncoder):
    """The last spatial map of a convolutional network, or the patch tokens of a vision transformer, pooled per box.

    Without weights the network is random (seed 0): good for tests and as a control, of little use for pictures. Nothing is
    downloaded unless `weights` names weights of torchvision.
    """

    model: str = "resnet18"
    """A classification model of torchvision, such as `resnet50`, `convnext_tiny` or `vit_b_16`."""
    weights: str | None = None
    """A .safetensors file, or torchvision's name (`DEFAULT`, `IMAGENET1K_V1`), which is downloaded; null is random."""
    size: PositiveInt = 224
    """Pixels that a picture's sides are stretched to; a vision transformer takes the size it was made for."""
    device: Device = "cpu"
    """Where the network runs: the processor, or an NVIDIA GPU."""

    def __post_init__(self) -> None:
        """Check that torchvision knows the model."""
        known = list_models(module=torchvision.models)
        if self.model not in known:
            raise ValueError(f"model must be a model of torchvision. {suggest(self.model, known)}")

    @property
    def channels(self) -> int:
        """Return the channels of the map, found without weights."""
        return _probe(self.model, self.size)[1]

    def identity(self) -> str:
        """Return the settings, and the digest of a weights file rather than its path."""
        weights = self.weights or "random"
        if weights.endswith(".safetensors"):
            weights = file_digest(_weights_file(weights))
        return f"torchvision_backbone version {VERSION} {self.model} {self.size} {weights}{place(self.device)}"

    def encode(self, pictures: "Sequence[Image]", boxes: Sequence[FloatArray]) -> list[FloatArray]:
        """Return one array [num_boxes, channels] per RGB picture; a picture's vectors do not depend on the other pictures."""
        device = usable(self.device)
        network, layer = _load(self.model, self.weights, self.identity(), device), _probe(self.model, self.size)[0]
        tiles = [square(picture, self.size) for picture in pictures]
        alone = device.type == "cpu" and len(tiles) % BATCH["cpu"] > 0 and _ready_alone(network, layer, self.size, torch.get_num_threads())
        maps = batches(tiles, IMAGENET_MEAN, IMAGENET_STD, partial(_map, network, layer), device, alone=alone)
        return [pool_boxes(features, part) for features, part in zip(maps, boxes, strict=True)]


@lru_cache(maxsize=1)
def _ready_alone(network: nn.Module, layer: str, size: int, _threads: int) -> bool:
    """Return whether the network, on so many threads, gives a picture alone the same bits as in a batch; if so, make it ready for that.

    Tried once, when a picture first has to go alone, since it takes as long as thirty of them.
    """
    run = partial(_map, network, layer)
    if not same_alone(run, size):
        return False
    freeze_convolutions(network, run, noise(size))
    return True


@lru_cache(maxsize=8)
def _probe(model: str, size: int) -> tuple[str, int]:
    """Return the layer whose output is the last map, and its channels, without weights."""
    seen: list[tuple[str, torch.Size]] = []
    network, device = _blank(model)
    for name, module in network.named_modules():
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: seen.append((name, getattr(output, "shape", torch.Size())))
        )
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 3, size, size, device=device))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise InputError(f"size must be one that {model} takes (got {size}: {str(error)[:60]}). Use 224 if in doubt.") from error
    tokens = [(name, shape[2]) for name, shape in seen if len(shape) == 3 and name == "encoder"]
    maps = [
        (name, shape[1])
        for name, shape in seen
        if len(shape) == 4 and min(shape[2:]) > 1 and not name.startswith(HEADS)  # SqueezeNet's classes are a map, too
    ]
    if not tokens and not maps:
        raise InputError(f"size must leave a map of the picture in {model} (got {size}). Use 224 if in doubt.")
    return (tokens or maps)[-1]


def _blank(model: str) -> tuple[nn.Module, str]:
    """Return a network that has shapes but no numbers; with numbers, where its construction computes with them (RegNet)."""
    try:
        with torch.device("meta"):
            return _build(model), "meta"
    except NotImplementedError:
        with torch.random.fork_rng(devices=[]):
            return _build(model), "cpu"


def _map(network: nn.Module, layer: str, pixels: Tensor) -> Tensor:
    """Return the layer's output as a map.  [batch, channels, rows, columns]."""
    found: list[Tensor] = []
    handle = network.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: found.append(output))
    try:
        network(pixels)
    finally:
        handle.remove()
    output = found[-1]
    if output.dim() == 3:  # class token and patches
        side = int((output.shape[1] - 1) ** 0.5)
        return output[:, 1:].transpose(1, 2).reshape(len(output), -1, side, side)
    return output


def _build(model: str) -> nn.Module:
    """Return the network with weights drawn from torch's generator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GoogLeNet and Inception announce another way to draw them
        return get_model(model, weights=None).eval()


@lru_cache(maxsize=1)
def _load(model: str, weights: str | None, identity: str, device: torch.device) -> nn.Module:
    """Return the frozen network; `identity` makes a changed file a new one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = _build(model)
    if weights is not None:
        state = _read_weights(model, weights)
        state = {name: value for name, value in state.items() if not name.startswith(HEADS)}
        try:
            result = network.load_state_dict(state, strict=False)
        except RuntimeError as error:
            raise InputError(
                f"weights must fit {model} (got '{weights[-40:]}': {' '.join(str(error).split())[:120]}). Name the model they belong to."
            ) from error
        lacking = [name for name in result.missing_keys if not name.startswith(HEADS)] + result.unexpected_keys
        if lacking:
            raise InputError(f"weights must fit {model} (got '{weights[-40:]}': {lacking[0]} does not). Name the model they belong to.")
    return network.requires_grad_(False).to(device).to(memory_format=torch.channels_last)


def _read_weights(model: str, weights: str) -> dict[str, Any]:
    if weights.endswith(".safetensors"):
        try:
            return load_file(_weights_file(weights))
        except Exception as error:  # safetensors has one error class of its own, which is not public
            raise InputError(f"weights must be a whole safetensors file (got '{weights[-40:]}'). Fetch it again.") from error
    known = {item.name: item for item in get_model_weights(model)}
    if weights != "DEFAULT" and weights not in known:
        raise InputError(
            f"weights must be a .safetensors file or weights of {model} (got '{weights[:40]}'). {suggest(weights, ['DEFAULT', *known])}"
        )
    chosen = get_model_weights(model)[weights]
    try:
        return dict(chosen.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (OSError, RuntimeError) as error:  # no network; a digest that differs
        raise InputError(
            f"weights must be there or be fetched (got '{weights[:40]}': {str(error)[:80]}). Check the network, or give a .safetensors file."
        ) from error


def _weights_file(weights: str) -> Path:
    file = Path(weights).expanduser()
    if not file.is_file():
        raise InputError(f"weights must be a file that is there (got '{weights[-40:]}'). Check the path.")
    return file
