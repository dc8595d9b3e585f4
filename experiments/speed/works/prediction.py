"""From raw rows to answers, by an opened predictor and by the same steps written as a loop over rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from clock import race
from made import WORK
from PIL import Image
from rows import Row
from torch_geometric.data import Batch, HeteroData

import graphfuse as gf
from graphfuse.edges._alignment import Projection
from graphfuse.encoders.hashed_ngrams import HashedNgrams
from graphfuse.encoders.image_statistics import ImageStatistics
from graphfuse.modalities._spans import cut
from graphfuse.prediction import Predictor

EXPERIMENT = """dataset:
  name: table
  path: posts/posts.csv
  sample_id: post_id
  target: label
  pictures: {columns: [image], folder: images}
  split: {by: column, column: split}
modalities:
  - {name: text, column: text, unit: sentence, encoder: {name: hashed_ngrams}}
  - {name: image, grid: 4, encoder: {name: image_statistics}}
edges: [{name: sequence}, {name: spatial}, {name: similarity}, {name: membership}]
task: {name: classification}
model: {name: relational_mean, hidden_channels: 64}
train: {epochs: 1, threads: 1}
"""
MAKING = "dataset: {name: synthetic, level: easy, path: posts, train_rows: 400, validation_rows: 100, test_rows: 512}\n"
GRID, TOP_K, SIZE = 4, 4, 512
GOALS = {1: 3, 256: 10}
QUICK = 64
"""Rows of the larger size in a quick run."""


def rows(quick: bool) -> Iterator[Row]:
    """Yield a row per number of rows that are asked about at once."""
    folder = _run()
    predictor = gf.open_predictor(folder / "run", folder=folder)
    frame = pd.read_csv(folder / "posts" / "posts.csv", dtype=str, keep_default_na=False)
    posts = frame[frame["split"] == "test"][["post_id", "text", "image"]].to_dict("records")
    naive = Naive(predictor, folder / "posts" / "images")
    for size, goal in GOALS.items():
        yield _row(predictor, naive, posts, min(size, QUICK) if quick else size, goal, seconds=2 if quick else 30)


def _row(predictor: Predictor, naive: "Naive", posts: list[dict[str, str]], size: int, goal: float, seconds: float) -> Row:
    def chosen(number: int) -> list[dict[str, str]]:
        return [posts[(number * size + i) % len(posts)] for i in range(size)]

    ours = predictor.predict(chosen(0))[0].filter(like="probability_").to_numpy()
    np.testing.assert_allclose(ours, naive(chosen(0)), atol=1e-4)
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
        work=f"prediction, raw {'row' if size == 1 else f'{size} rows'} to {'answer' if size == 1 else 'answers'}",
        peer="a loop: each text and each region through its encoder, graph by Python, `Batch.from_data_list`",
        limit="the encoders (and decoding) of all of them at once",
        goal=goal,
        floor=0.15 if size == 1 else 2,
        equal="probabilities to 1e-4",
        note="Encoders: hashed_ngrams, image_statistics on 4 x 4 regions; the network is the same.",
        **found,
    )


class Naive:
    """The steps of a prediction as one writes them first, with the states and the network of a run."""

    def __init__(self, predictor: Predictor, pictures: Path) -> None:
        run = predictor.run
        self._network = run.networks[0]
        self._schema = run.schema
        self._text, self._image = (run.state(name) for name in ("modalities-0-text", "modalities-1-image"))
        self._spaces = [Projection(run.state("edges-2-similarity"), end) for end in ("source", "destination")]
        self._texts, self._regions = HashedNgrams(), ImageStatistics()
        self._pictures = pictures
        steps = np.arange(GRID + 1, dtype=np.float32) / GRID
        cells = [(steps[j], steps[i], steps[j + 1], steps[i + 1]) for i in range(GRID) for j in range(GRID)]
        self._cells = np.array(cells, dtype=np.float32)

    def __call__(self, posts: list[dict[str, str]]) -> np.ndarray:
        """Return probabilities, [num_posts, 2]."""
        batch = Batch.from_data_list([self.graph(post) for post in posts])
        with torch.no_grad():
            return self._network(batch).logits.softmax(dim=1).numpy()

    def encode(self, posts: list[dict[str, str]]) -> None:
        """Encode everything at once, and nothing else."""
        spans = [cut(post["text"], "sentence", 0, 1) for post in posts]
        self._texts.encode([post["text"] for post in posts], spans)
        pictures = [self._open(post["image"]) for post in posts if post["image"]]
        self._regions.encode(pictures, [self._cells] * len(pictures))

    def graph(self, post: dict[str, str]) -> HeteroData:
        """Return one post's graph."""
        texts = np.zeros((0, 384), dtype=np.float32)
        spans = cut(post["text"], "sentence", 0, 1)
        if len(spans):
            texts = np.concatenate([self._texts.encode([post["text"]], [span[None]])[0] for span in spans])
        regions = np.zeros((0, self._regions.channels), dtype=np.float32)
        if post["image"]:
            picture = self._open(post["image"])
            regions = np.concatenate([self._regions.encode([picture], [cell[None]])[0] for cell in self._cells])
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
        left, right = (_unit(space(x)) for space, x in zip(self._spaces, (texts, regions), strict=True))
        cosine = left @ right.T
        return [(i, int(j), float(row[j])) for i, row in enumerate(cosine) for j in np.argsort(-row, kind="stable")[:TOP_K] if row[j] > 0]


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _standard(x: np.ndarray, state: dict[str, Any]) -> np.ndarray:
    return (x - state["mean"]) / state["deviation"]


def _run() -> Path:
    """Return a folder with posts and a run that was trained on them, made unless they are there."""
    folder = WORK / "prediction"
    if not (folder / "run" / "receipt.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "making.yaml").write_text(MAKING + EXPERIMENT[EXPERIMENT.index("modalities") :])
        (folder / "experiment.yaml").write_text(EXPERIMENT)
        gf.convert(folder / "making.yaml", folder / "made")  # writes the posts
        gf.convert(folder / "experiment.yaml", folder / "store")
        gf.train(folder / "experiment.yaml", folder / "store", folder / "run")
    return folder
