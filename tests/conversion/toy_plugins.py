"""Small plug-ins and manifests for the tests of this room; spawned workers import them by this module's name."""

import hashlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from graphfuse.conversion.recipe import Recipe
from graphfuse.core.errors import InputError
from graphfuse.core.settings import ConvertSettings
from graphfuse.core.sockets import Modality
from graphfuse.core.tables import Manifest, NodeTable, Rejection
from graphfuse.edges.membership import MembershipEdges
from graphfuse.edges.sequence import SequenceEdges
from graphfuse.modalities.sample import Sample
from graphfuse.tasks.classification import Classification

CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class Words(Modality):
    """Every word is a node; some words do something to the process that reads them."""

    modality: ClassVar[str] = "text"
    node_type: ClassVar[str] = "text_span"

    log: str = ""
    """A file that gets one line per chunk that is converted."""

    def fit(self, manifest):
        return {"mean_length": np.array([manifest.samples["text"].str.len().mean()])}

    def channels(self, state):
        return CHANNELS

    def nodes(self, chunk, state):
        texts = chunk.samples["text"].tolist()
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{len(texts)}\n")
        for text in texts:
            act(text)
        words = [(row, word, place) for row, text in enumerate(texts) for place, word in enumerate(text.split())]
        frame = pd.DataFrame(words, columns=["row", "text", "start"])
        units = pd.DataFrame({"column": "text", "text": frame["text"], "start": frame["start"], "end": frame["start"]})
        x = np.array([list(hashlib.sha256(word.encode()).digest()[:CHANNELS]) for _, word, _ in words], dtype=np.float32)
        return NodeTable(
            node_type="text_span",
            sample=frame["row"].to_numpy(dtype=np.int64),
            x=x.reshape(-1, CHANNELS) / 256 + np.float32(state["mean_length"][0]),
            units=units.astype({"column": "str", "text": "str", "start": "int64", "end": "int64"}),
            rejections=tuple(rejection(chunk, row) for row, text in enumerate(texts) if "broken" in text),
        )


def act(text):
    if "dies" in text:
        os._exit(9)
    if "killed" in text:
        os.kill(os.getpid(), signal.SIGKILL)
    if "refused" in text:
        raise InputError("The rule, the value, the way out.")
    if "bug" in text:
        raise ZeroDivisionError("a bug")


def rejection(chunk, row):
    return Rejection(
        table="samples",
        row=int(chunk.samples["source_row"][row]),
        key=chunk.samples["sample_id"][row],
        column="text",
        reason="text_broken",
        detail="A text should be whole (got 'broken'). Mend it.",
    )


def toy_recipe(shard_size=4, log=""):
    return Recipe(
        modalities=(Words(log=str(log)), Sample()),
        edges=(SequenceEdges(), MembershipEdges()),
        task=Classification(),
        settings=ConvertSettings(shard_size=shard_size, fit_samples=8),
    )


def toy_manifest(count=10, **texts):
    """Return posts of two classes; `row_3="..."` replaces a text."""
    words = [f"post number {row} says {'yes' if row % 2 else 'no'}" for row in range(count)]
    for name, text in texts.items():
        words[int(name.removeprefix("row_"))] = text
    samples = pd.DataFrame(
        {
            "sample_id": pd.Series([f"p{row}" for row in range(count)], dtype="str"),
            "source_row": np.arange(count),
            "split": pd.Series((["train"] * 6 + ["validation"] * 2 + ["test"] * count)[:count], dtype="str"),
            "text": pd.Series(words, dtype="str"),
            "label": pd.Series(["yes" if row % 2 else "no" for row in range(count)], dtype="str"),
        }
    )
    return Manifest(samples=samples, target=("label",))


def toy_json(recipe):
    return {"modalities": [{"name": "toy"}], "convert": {"shard_size": recipe.settings.shard_size}, "edges": [], "task": {}}


def contents(folder):
    """Return every file of a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
