"""Pictures and crops -> batches of fixed shape -> a network; maps pooled per box.

Batches have one fixed size, so that what a picture gives never depends on the pictures beside it, to the last bit: the last one is
filled up with blank pictures, or, where a network is found to give the same bits for a picture alone, taken apart.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL.Image import Resampling
from torch import Tensor
from torchvision.ops import roi_align

from graphfuse.core.tables import FloatArray
from graphfuse.encoders._device import inference

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = {"cpu": 8, "cuda": 64}
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


Run = Callable[[Tensor], Tensor]
"""Pixels [batch, 3, height, width] -> what a network makes of them, [batch, ...]."""


def batches(
    tiles: Sequence[FloatArray], mean: Sequence[float], std: Sequence[float], run: Run, device: torch.device, *, alone: bool = False
) -> Iterator[Tensor]:
    """Yield the network's output for each uint8 tile [height, width, 3], in order.

    Args:
        tiles: Pictures or crops.
        mean: Of the colours that the network was trained on.
        std: Their deviation.
        run: The network.
        device: Where it lies.
        alone: What `same_alone` found: a picture of an unfinished batch may go alone.
    """
    shift = torch.tensor(mean).view(1, 3, 1, 1)
    scale = torch.tensor(std).view(1, 3, 1, 1)
    most = BATCH[device.type]
    whole = len(tiles) - len(tiles) % most
    last = range(whole, len(tiles)) if alone else range(whole, len(tiles), most)
    for start in (*range(0, whole, most), *last):
        size = 1 if alone and start >= whole else most
        part = tiles[start : start + size]
        stacked = np.zeros((size, *part[0].shape), dtype=np.uint8)
        stacked[: len(part)] = np.stack(part)
        pixels = torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 255  # strides stay those of channels-last
        with inference(device):
            output = run(((pixels - shift) / scale).contiguous(memory_format=torch.channels_last).to(device)).float().cpu()
        yield from output[: len(part)]


def same_alone(run: Run, size: int) -> bool:
    """Return whether a network gives pictures of noise the same bits alone as in a batch.

    The order of its sums follows from shapes, and from where in a product a row lies, not from what is summed: what holds for noise at
    every place of a batch holds for every picture.
    """
    pixels = noise(size)
    with torch.inference_mode():
        together = run(pixels)
        return all(torch.equal(run(pixels[place : place + 1])[0], together[place]) for place in range(len(pixels)))


def noise(size: int) -> Tensor:
    """Return a batch of pictures that show nothing, to try networks on.  [batch, 3, size, size]."""
    draw = torch.Generator().manual_seed(0)
    return torch.randn(BATCH["cpu"], 3, size, size, generator=draw).contiguous(memory_format=torch.channels_last)


def square(picture: "Image", size: int, box: FloatArray | None = None) -> FloatArray:
    """Return a picture, or a box of it, as uint8 [size, size, 3]; its sides are stretched to fit."""
    width, height = picture.size
    corners = (0.0, 0.0, 1.0, 1.0) if box is None else tuple(box.astype(np.float64).tolist())
    pixels = tuple(min(max(value, 0.0), 1.0) * side for value, side in zip(corners, (width, height) * 2, strict=True))
    return np.asarray(picture.resize((size, size), Resampling.BICUBIC, box=pixels))


def pool_boxes(features: Tensor, boxes: FloatArray) -> FloatArray:
    """Return the mean of a map [channels, height, width] over each box, by roi_align (He et al., 2017, arXiv:1703.06870).

    Args:
        features: One picture's map.
        boxes: Fractions of width and height.  [num_boxes, 4]
    """
    _, height, width = features.shape
    places = torch.from_numpy(boxes) * torch.tensor([width, height, width, height], dtype=torch.float32)
    pooled = roi_align(features[None].contiguous(), [places], output_size=1, aligned=True)  # samples per bin follow the box's size
    return pooled.flatten(1).numpy()
