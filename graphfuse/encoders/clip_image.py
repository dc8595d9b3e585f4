"""The picture half of a CLIP-style model: regions in the space that clip_text puts spans in."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from graphfuse.core.sockets import ImageEncoder
from graphfuse.core.tables import FloatArray
from graphfuse.encoders._device import Device
from graphfuse.encoders._dual import dual_channels, dual_identity, dual_network, projected
from graphfuse.encoders._folder import read_settings
from graphfuse.encoders._regions import BATCH, batches, pool_boxes, same_alone, square
from graphfuse.encoders._tokens import unit

if TYPE_CHECKING:
    from PIL.Image import Image

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, kw_only=True)
class ClipImage(ImageEncoder):
    """Regions as crops of their own, or as patches of one pass over the picture; vectors have length 1.

    `crop` sends every box through the network, stretched to its square input: what it was trained for, and slow. `patch` passes
    each picture once and projects the patches that lie in a box, averaged (Zhou et al., 2022, arXiv:2112.01071): fast, and
    rougher, since only the class token was trained to meet texts.
    """

    imports: ClassVar[str] = "graphfuse.encoders._loading"

    model: str
    """A folder (relative to where the command runs), or a hub name (`owner/name`; HF_HUB_OFFLINE=1 allows only what is cached)."""
    regions: Literal["crop", "patch"] = "crop"
    device: Device = "cpu"
    """Where the network runs: the processor, or an NVIDIA GPU."""

    @property
    def channels(self) -> int:
        """Return the width of the shared space."""
        return dual_channels(self.model)

    def identity(self) -> str:
        """Return the settings and the digest of the weights."""
        return f"clip_image regions={self.regions} {dual_identity(self.model, self.device)}"

    def encode(self, pictures: "Sequence[Image]", boxes: Sequence[FloatArray]) -> list[FloatArray]:
        """Return one array [num_boxes, channels] per RGB picture; a picture's vectors do not depend on the other pictures."""
        folder, network = dual_network(self.model, self.device)
        size = network.config.vision_config.image_size
        mean, std = _normalisation(folder)
        if self.regions == "patch":
            tiles = [square(picture, size) for picture in pictures]
            cpu = network.device.type == "cpu"
            alone = cpu and len(tiles) % BATCH["cpu"] > 0 and _same_alone(network, size, torch.get_num_threads())
            maps = batches(tiles, mean, std, partial(_patches, network), network.device, alone=alone)
            return [unit(pool_boxes(features, part)) for features, part in zip(maps, boxes, strict=True)]
        counts = [len(part) for part in boxes]
        tiles = [square(picture, size, box) for picture, part in zip(pictures, boxes, strict=True) for box in part]
        found = list(batches(tiles, mean, std, lambda pixels: projected(network.get_image_features(pixel_values=pixels)), network.device))
        vectors = unit(torch.stack(found).numpy()) if found else np.zeros((0, self.channels), dtype=np.float32)
        return np.split(vectors, np.cumsum(counts)[:-1]) if counts else []


@lru_cache(maxsize=1)
def _same_alone(network: Any, size: int, _threads: int) -> bool:
    """Return whether the patches of a picture alone have the same bits as in a batch, on so many threads; tried once.

    A crop's vector has not: the product that makes it of one row is another than that of eight.
    """
    return same_alone(partial(_patches, network), size)


def _patches(network: Any, pixels: Tensor) -> Tensor:
    """Return every patch in the shared space, as a map.  [batch, channels, rows, columns]."""
    half = network.vision_model
    states = half(pixel_values=pixels).last_hidden_state
    side = int(states.shape[1] ** 0.5)
    states = states[:, -side * side :]  # without the class token, where there is one
    if hasattr(half, "post_layernorm") and hasattr(network, "visual_projection"):
        states = network.visual_projection(half.post_layernorm(states))
    return states.transpose(1, 2).unflatten(2, (side, side))


def _normalisation(folder: Path) -> tuple[Sequence[float], Sequence[float]]:
    """Return mean and deviation that the model expects of its pixels."""
    settings = read_settings(folder, "preprocessor_config.json")
    return settings.get("image_mean", CLIP_MEAN), settings.get("image_std", CLIP_STD)
