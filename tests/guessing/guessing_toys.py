"""Small tables to guess from."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from graphfuse.config import load_experiment
from graphfuse.core.build import build
from graphfuse.core.strict_yaml import parse_yaml
from graphfuse.core.tables import Manifest
from graphfuse.guessing.experiment_text import guess_experiment

SENTENCE = "the red house walks slowly near blue water and sees some birds today over there again with friends"


def sentences(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(SENTENCE.split(), size=12)).capitalize() + "." for _ in range(count)]


def table(folder: Path, count: int = 60, **columns) -> Path:
    """Write a table with an id, sentences, and the given columns."""
    frame = pd.DataFrame({"post": [f"p{k}" for k in range(count)], "body": sentences(count), **columns})
    frame.to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / f"{name}.png")


def cycle(values, count: int = 60) -> list:
    return [values[k % len(values)] for k in range(count)]


def settings(path: Path) -> dict:
    return parse_yaml(guess_experiment(path), "experiment.yaml")


def read(path: Path) -> Manifest:
    """Write the guess, build every plug-in it names, and read the data."""
    file = path.parent / "experiment.yaml"
    file.write_text(guess_experiment(path))
    experiment = load_experiment(file)
    for room in ("modalities", "edges", "analyses"):
        for section in getattr(experiment, room):
            build(room, section.to_dict(), room)
    build("tasks", experiment.task.to_dict(), "task")
    build("models", experiment.model.to_dict(), "model")
    return build("datasets", experiment.dataset.to_dict(), "dataset").manifest(path.parent)
