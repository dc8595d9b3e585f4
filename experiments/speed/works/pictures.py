"""Picture files -> a vector per region, beside cropping and encoding each region, and beside one pass of the network."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from clock import race
from device import DEVICE, placed
from made import WORK
from made_content import made_pictures
from PIL import Image
from rows import Row
from torchvision.models import resnet18
from torchvision.ops import roi_align
from torchvision.transforms import v2

from graphfuse.core.build import build
from graphfuse.core.tables import Manifest
from graphfuse.modalities._boxes import grid_boxes
from graphfuse.modalities._pictures import decode, find_picture

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE = 224


def rows(quick: bool) -> Iterator[Row]:
    """Yield one row."""
    os.environ["GRAPHFUSE_CACHE"] = "off"
    paths = made_pictures(WORK / "pictures", 2 if quick else 16)
    encoder = {"name": "torchvision_backbone", "size": SIZE, "device": DEVICE.type}
    modality = build("modalities", {"name": "image", "grid": 4, "encoder": encoder}, "modalities.0")
    samples = pd.DataFrame({"sample_id": [path.stem for path in paths], "split": "train", "pictures": [[path.name] for path in paths]})
    manifest = Manifest(samples=samples.astype({"sample_id": "str", "split": "str"}), linked={}, root=paths[0].parent)
    stock = Crops()

    def ours(_: int) -> np.ndarray:
        return modality.nodes(manifest, {}).x  # nothing fitted, so nothing is standardised

    pixels = stock.prepared([_as_seen(path) for path in paths]).to(DEVICE)
    np.testing.assert_allclose(ours(0), stock.pooled(pixels), atol=1e-4)
    blocks = pixels.contiguous(memory_format=torch.channels_last).split(8)
    yield Row(
        work=f"conversion: {len(paths)} pictures of 1080 x 810 through ResNet-18, a vector for each of 4 x 4 regions",
        peer="crop and encode each region",
        limit="one pass of the network, batches of 8",
        goal=15,
        floor=7,
        equal="one plain pass of the same pixels, pooled per region, to 1e-4 (a crop sees nothing around itself: another function)",
        **race(
            {
                "ours": ours,
                "peers": lambda _: [stock.crops(path) for path in paths],
                "limits": lambda _: [stock.map(block) for block in blocks],
            },
            seconds=1 if quick else 40,
            fewest=1 if quick else 3,
        ),
    )


class Crops:
    """What a user writes with torchvision; weights are random, the same that graphfuse draws."""

    def __init__(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = placed(resnet18().eval().requires_grad_(False))
        layers = list(network.children())
        self._body = torch.nn.Sequential(*layers[:-2]).to(memory_format=torch.channels_last)
        self._encoder = torch.nn.Sequential(*layers[:-1]).to(memory_format=torch.channels_last)
        self._prepare = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])

    @torch.inference_mode()
    def crops(self, path: Path) -> torch.Tensor:
        """Return a vector for each of 4 x 4 crops, resized and encoded one by one.  [16, 512]."""
        picture = Image.open(path).convert("RGB")
        boxes = (grid_boxes(4, 4) * np.array(picture.size * 2)).tolist()
        tiles = (picture.crop(box).resize((SIZE, SIZE), Image.Resampling.BICUBIC) for box in boxes)
        return torch.cat([self._encoder(self._prepare(tile)[None].to(DEVICE)).flatten(1).cpu() for tile in tiles])

    def prepared(self, pictures: list[Image.Image]) -> torch.Tensor:
        """Return whole pictures as the network takes them.  [batch, 3, SIZE, SIZE]."""
        return torch.stack([self._prepare(picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for picture in pictures])

    @torch.inference_mode()
    def map(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the last map.  [batch, 512, 7, 7]."""
        return self._body(pixels)

    def pooled(self, pixels: torch.Tensor) -> np.ndarray:
        """Return the map's mean over each of 4 x 4 regions.  [batch * 16, 512]."""
        boxes = torch.from_numpy(grid_boxes(4, 4)).to(DEVICE) * 7
        return roi_align(self.map(pixels), [boxes] * len(pixels), output_size=1, aligned=True).flatten(1).cpu().numpy()


def _as_seen(path: Path) -> Image.Image:
    """Return a picture decoded as the modality does it: reduced to 512 pixels."""
    return decode(find_picture(path.parent, path.name, 10**8, 10**8), 512)
