"""Pictures and crops -> batches of fixed shape -> a network; maps pooled per box.

Batches are filled up with blank pictures to one fixed size, so that what a picture gives never depends on the pictures
beside it, to the last bit.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL.Image import Resampling
from torch import Tensor
from torchvision.ops import roi_align

from graphfuse.core.tables import FloatArray

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = 8
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def batches(tiles: Sequence[FloatArray], mean: Sequence[float], std: Sequence[float], run: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
    """Yield the network's output for each uint8 tile [height, width, 3], in order."""
    shift = torch.tensor(mean).view(1, 3, 1, 1)
    scale = torch.tensor(std).view(1, 3, 1, 1)
    for start in range(0, len(tiles), BATCH):
        part = tiles[start : start + BATCH]
        stacked = np.zeros((BATCH, *part[0].shape), dtype=np.uint8)
        stacked[: len(part)] = np.stack(part)
        pixels = torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 255  # strides stay those of channels-last
        with torch.inference_mode():
            output = run(((pixels - shift) / scale).contiguous(memory_format=torch.channels_last)).float()
        yield from output[: len(part)]


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
