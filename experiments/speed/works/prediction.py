"""From raw rows to answers, by an opened predictor and by the same steps written as a loop over rows.

Once with the encoders that need no download, which are so light that everything else shows, and once with networks of the usual
size (a text encoder of 6 layers, ResNet-18; random weights), where encoding is what a user waits for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from clock import race
from device import DEVICE, placed
from made import WORK
from made_content import made_encoder
from PIL import Image
from rows import Row
from torch_geometric.data import Batch, HeteroData
from torchvision.models import resnet18
from torchvision.ops import roi_align
from transformers import AutoModel, AutoTokenizer

import graphfuse as gf
from graphfuse.edges._alignment import Projection
from graphfuse.encoders.hashed_ngrams import HashedNgrams
from graphfuse.encoders.image_statistics import ImageStatistics
from graphfuse.modalities._spans import cut
from graphfuse.prediction import Predictor

EXPERIMENT = """dataset:
  name: table
  path: used.csv
  sample_id: post_id
  target: label
  pictures: {columns: [image], folder: IMAGES}
  split: {by: column, column: split}
modalities:
  - {name: text, column: text, unit: sentence, encoder: {TEXTS}}
  - {name: image, grid: 4, encoder: {PICTURES}}
edges: [{name: sequence}, {name: spatial}, {name: similarity}, {name: membership}]
task: {name: classification}
model: {name: relational_mean, hidden_channels: 64}
train: {epochs: 1, threads: 1, device: DEVICE}
""".replace("DEVICE", DEVICE.type)
LIGHT = "name: hashed_ngrams", "name: image_statistics"
MAKING = "dataset: {name: synthetic, level: easy, path: posts, train_rows: 400, validation_rows: 100, test_rows: 512}\n"
GRID, TOP_K, SIZE, SIDE = 4, 4, 512, 224
MEAN, STD = (torch.tensor(colour).view(3, 1, 1) for colour in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
GOALS = {1: 3.0, 256: 10.0}
QUICK = 64
"""Rows of the larger size in a quick run."""
TOLERANCE = 1e-4
HEAVY_GOALS = {1: 3.0, 64: 10.0}
HEAVY_ROWS = 32
"""Rows of each split that the run with networks is trained on; asked about are those of the other's test split."""
Posts = list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Encoders:
    """What the naive loop and the limit encode with."""

    texts: Callable[[list[str], list[np.ndarray]], list[np.ndarray]]
    """Texts and spans -> [num_spans, channels] each."""
    pictures: Callable[[list[Image.Image], list[np.ndarray]], list[np.ndarray]]
    """Pictures and boxes -> [num_boxes, channels] each."""
    channels: tuple[int, int]


def rows(quick: bool) -> Iterator[Row]:
    """Yield a row per kind of encoders and number of rows that are asked about at once."""
    light = Encoders(texts=HashedNgrams().encode, pictures=ImageStatistics().encode, channels=(384, ImageStatistics().channels))
    folder = _run("prediction", *LIGHT, WORK / "prediction" / "posts")
    posts = _posts(folder / "posts")
    predictor = gf.open_predictor(folder / "run", folder=folder / "posts")
    for size, goal in GOALS.items():
        naive = Naive(predictor, light, folder / "posts" / "images")
        size = min(size, QUICK) if quick else size
        floor = 0.3 if size == 1 else 1.0
        yield _row(predictor, naive, posts, size, "hashed_ngrams, image_statistics", goal, floor, seconds=1 if quick else 30)
    if quick:  # networks would take a quarter of a quick run
        return
    text = made_encoder(WORK / "text-encoder")
    heavy = _run(
        "prediction-heavy",
        f"name: transformers_text, model: {text}, device: {DEVICE}",
        f"name: torchvision_backbone, device: {DEVICE}",
        folder / "posts",
        HEAVY_ROWS,
    )
    predictor = gf.open_predictor(heavy / "run", folder=folder / "posts")
    for size, goal in HEAVY_GOALS.items():
        naive = Naive(predictor, stock(text), folder / "posts" / "images")
        yield _row(predictor, naive, posts, size, "a text encoder of 6 layers, ResNet-18", goal, 0.4, seconds=30)


def _row(predictor: Predictor, naive: "Naive", posts: Posts, size: int, encoders: str, goal: float, floor: float, seconds: float) -> Row:
    def chosen(number: int) -> list[dict[str, str]]:
        return [posts[(number * size + i) % len(posts)] for i in range(size)]

    ours = predictor.predict(chosen(0))[0].filter(like="probability_").to_numpy()
    np.testing.assert_allclose(ours, naive(chosen(0)), atol=TOLERANCE)
    found = race(
        {
            "ours": lambda number: predictor.predict(chosen(number)),
            "peers": lambda number: naive(chosen(number)),
            "limits": lambda number: naive.encode(chosen(number)),
        },
        seconds=seconds,
        fewest=2,
    )
    return Row(
        work=f"prediction, raw {'row' if size == 1 else f'{size} rows'} to {'answer' if size == 1 else 'answers'} ({encoders})",
        peer="a loop: each text and each picture (all regions in one call) through its encoder, graph by Python, `Batch.from_data_list`",
        limit="the peer's encoders (and decoding), texts and pictures all at once",
        goal=goal,
        floor=floor,
        equal=f"probabilities to {TOLERANCE:g}",
        note=f"Encoders: {encoders} on 4 x 4 regions; the fusion network is the same, and nothing of a row has been seen before.",
        **found,
    )


class Naive:
    """The steps of a prediction as one writes them first, with the states and the network of a run."""

    def __init__(self, predictor: Predictor, encoders: Encoders, pictures: Path) -> None:
        run = predictor.run
        self._network = run.networks[0]
        self._schema = run.schema
        self._text, self._image = (run.state(name) for name in ("modalities-0-text", "modalities-1-image"))
        self._spaces = [Projection(run.state("edges-2-similarity"), end) for end in ("source", "destination")]
        self._encoders = encoders
        self._pictures = pictures
        steps = np.arange(GRID + 1, dtype=np.float32) / GRID
        cells = [(steps[j], steps[i], steps[j + 1], steps[i + 1]) for i in range(GRID) for j in range(GRID)]
        self._cells = np.array(cells, dtype=np.float32)

    def __call__(self, posts: Posts) -> np.ndarray:
        """Return probabilities, [num_posts, 2]."""
        batch = Batch.from_data_list([self.graph(post) for post in posts])
        with torch.no_grad():
            return self._network(batch).logits.softmax(dim=1).numpy()

    def encode(self, posts: Posts) -> None:
        """Encode everything at once, and nothing else."""
        spans = [cut(post["text"], "sentence", 0, 1) for post in posts]
        self._encoders.texts([post["text"] for post in posts], spans)
        pictures = [self._open(post["image"]) for post in posts if post["image"]]
        self._encoders.pictures(pictures, [self._cells] * len(pictures))

    def graph(self, post: dict[str, str]) -> HeteroData:
        """Return one post's graph."""
        texts, regions = (np.zeros((0, channels), dtype=np.float32) for channels in self._encoders.channels)
        spans = cut(post["text"], "sentence", 0, 1)
        if len(spans):
            (texts,) = self._encoders.texts([post["text"]], [spans])
        if post["image"]:
            (regions,) = self._encoders.pictures([self._open(post["image"])], [self._cells])
        texts, regions = _standard(texts, self._text), _standard(regions, self._image)
        resembling = self._resembling(texts, regions)
        edges: dict[tuple[str, str, str], list[tuple[int, int]]] = {
            ("text_span", "precedes", "text_span"): [(i, i + 1) for i in range(len(texts) - 1)],
            ("image_region", "adjoins", "image_region"): self._adjoining(len(regions)),
            ("text_span", "resembles", "image_region"): [(i, j) for i, j, _ in resembling],
            ("text_span", "belongs_to", "sample"): [(i, 0) for i in range(len(texts))],
            ("image_region", "belongs_to", "sample"): [(i, 0) for i in range(len(regions))],
        }
        data = HeteroData()
        for name, x in (("text_span", texts), ("image_region", regions), ("sample", np.ones((1, 1)))):
            data[name].x = torch.from_numpy(x.astype(np.float16).astype(np.float32))
        for (source, relation, destination), pairs in edges.items():
            index = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).t().contiguous()
            data[source, relation, destination].edge_index = index
            if relation != "adjoins":
                data[destination, f"rev_{relation}", source].edge_index = index.flip(0)
        weight = torch.tensor([cosine for _, _, cosine in resembling])
        data["text_span", "resembles", "image_region"].edge_weight = weight
        data["image_region", "rev_resembles", "text_span"].edge_weight = weight
        return data

    def _open(self, name: str) -> Image.Image:
        with Image.open(self._pictures / name) as image:
            picture = image.convert("RGB")
        picture.thumbnail((SIZE, SIZE))
        return picture

    def _adjoining(self, count: int) -> list[tuple[int, int]]:
        places = [divmod(i, GRID) for i in range(count)]
        return [
            (i, j)
            for i, (row, column) in enumerate(places)
            for j, (other_row, other_column) in enumerate(places)
            if i != j and abs(row - other_row) <= 1 and abs(column - other_column) <= 1
        ]

    def _resembling(self, texts: np.ndarray, regions: np.ndarray) -> list[tuple[int, int, float]]:
        if not len(texts) or not len(regions):
            return []
        left, right = (
            _unit(space.rows(x.astype(np.float64), np.arange(len(x)))) for space, x in zip(self._spaces, (texts, regions), strict=True)
        )
        cosine = left @ right.T
        return [(i, int(j), float(row[j])) for i, row in enumerate(cosine) for j in np.argsort(-row, kind="stable")[:TOP_K] if row[j] > 0]


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _standard(x: np.ndarray, state: dict[str, Any]) -> np.ndarray:
    return (x - state["mean"]) / state["deviation"]


def stock(text: Path) -> Encoders:
    """Return a text encoder and ResNet-18 as one calls them with transformers and torchvision: what is given at once goes in one batch."""
    tokenizer, bert = AutoTokenizer.from_pretrained(text), placed(AutoModel.from_pretrained(text).eval())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the weights of the encoder `torchvision_backbone`
        resnet = placed(resnet18().eval()).to(memory_format=torch.channels_last)
    trunk = torch.nn.Sequential(*list(resnet.children())[:-2])

    @torch.inference_mode()
    def texts(given: list[str], spans: list[np.ndarray]) -> list[np.ndarray]:
        inputs = tokenizer(given, return_tensors="pt", return_offsets_mapping=True, padding=True)
        offsets = inputs.pop("offset_mapping")
        states = bert(**inputs.to(DEVICE)).last_hidden_state.cpu()
        found = []
        for places, of_text, vectors in zip(spans, offsets, states, strict=True):
            begin, end = torch.from_numpy(places).unsqueeze(2).unbind(1)
            inside = ((of_text[:, 1] > begin) & (of_text[:, 0] < end)).float()  # special tokens lie at 0, 0
            found.append(torch.nn.functional.normalize(inside @ vectors / inside.sum(1, keepdim=True)).numpy())
        return found

    @torch.inference_mode()
    def pictures(given: list[Image.Image], boxes: list[np.ndarray]) -> list[np.ndarray]:
        if not given:
            return []
        tiles = [np.array(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for picture in given]
        pixels = torch.stack([(torch.from_numpy(tile).permute(2, 0, 1) / 255 - MEAN) / STD for tile in tiles])
        features = trunk(pixels.contiguous(memory_format=torch.channels_last).to(DEVICE)).cpu()
        places = [torch.from_numpy(part) * features.shape[-1] for part in boxes]
        return list(roi_align(features.contiguous(), places, output_size=1, aligned=True).flatten(1).split([len(p) for p in places]))

    return Encoders(texts=texts, pictures=lambda *given: [np.asarray(part) for part in pictures(*given)], channels=(384, 512))


def _posts(folder: Path) -> Posts:
    """Return the posts of the test split."""
    frame = pd.read_csv(folder / "posts.csv", dtype=str, keep_default_na=False)
    return frame[frame["split"] == "test"][["post_id", "text", "image"]].to_dict("records")


def _run(name: str, texts: str, pictures: str, posts: Path, rows_per_split: int | None = None) -> Path:
    """Return a folder with a run that was trained on posts (or the first of each split); both are made unless they are there."""
    folder = WORK / (name if DEVICE.type == "cpu" else f"{name}-{DEVICE.type}")
    if not (folder / "run" / "receipt.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        if not posts.exists():
            making = EXPERIMENT[EXPERIMENT.index("modalities") :].replace("TEXTS", LIGHT[0]).replace("PICTURES", LIGHT[1])
            (folder / "making.yaml").write_text(MAKING + making)
            gf.convert(folder / "making.yaml", folder / "made")  # writes the posts
        table = pd.read_csv(posts / "posts.csv", dtype=str, keep_default_na=False)
        table.groupby("split").head(rows_per_split or len(table)).to_csv(folder / "used.csv", index=False)
        experiment = EXPERIMENT.replace("TEXTS", texts).replace("PICTURES", pictures).replace("IMAGES", str(posts / "images"))
        (folder / "experiment.yaml").write_text(experiment)
        gf.convert(folder / "experiment.yaml", folder / "store")
        gf.train(folder / "experiment.yaml", folder / "store", folder / "run")
    return folder
