"""A toy store, a toy model and a run of both, in a few milliseconds."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from graphfuse.core.build import build
from graphfuse.core.files import file_entries, pack_strings
from graphfuse.core.progress import silent
from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.core.settings import TrainSettings
from graphfuse.core.sockets import FusionModel
from graphfuse.core.tables import EdgeTable, NodeTable, rejection_frame
from graphfuse.nn.fusion import FusionModule, FusionOutput
from graphfuse.store.frames import read_frame, write_frame
from graphfuse.store.graph_store import open_store
from graphfuse.store.index import write_index
from graphfuse.store.writer import write_shard, write_state
from graphfuse.tasks.classification import Classification
from graphfuse.training.fit import fit
from graphfuse.training.predict import predict_frame
from graphfuse.training.run import open_run

CHANNELS = {"text_span": 4, "image_region": 3}
SCHEMA = GraphSchema(
    channels_by_node_type=CHANNELS,
    modality_by_node_type={"text_span": "text", "image_region": "image"},
    edge_types=(("text_span", "may_match", "image_region"), ("image_region", "rev_may_match", "text_span")),
)
SPLITS = ["train"] * 24 + ["validation"] * 12 + ["test"] * 12
EXPERIMENT = {"model": {"name": "toy_training:ToyFusion"}, "task": {"name": "classification"}, "dataset": {"name": "table"}, "analyses": []}
SETTINGS = TrainSettings(epochs=4, batch_size=8, learning_rate=0.01, seeds=(0, 1), modality_dropout={"image": 0.5}, threads=1)


class ToyModule(FusionModule):
    """Mean per node type, one layer, dropout."""

    def __init__(self, schema, out_channels):
        super().__init__()
        self.out_channels = out_channels
        self.layers = nn.ModuleDict({name: nn.Linear(width, out_channels) for name, width in schema.channels_by_node_type.items()})
        self.dropout = nn.Dropout(0.3)

    def forward(self, batch, edge_weight_dict=None, node_weight_dict=None):
        embedding = torch.zeros(batch.num_graphs, self.out_channels)
        for node_type, layer in self.layers.items():
            weight = (node_weight_dict or {}).get(node_type, torch.ones(batch[node_type].num_nodes))
            total = torch.zeros(batch.num_graphs, self.out_channels)
            total = total.index_add(0, batch[node_type].batch, weight[:, None] * layer(batch[node_type].x))
            count = torch.zeros(batch.num_graphs).index_add(0, batch[node_type].batch, weight)
            embedding = embedding + total / count.clamp(min=1)[:, None]
        return FusionOutput(embedding=self.dropout(embedding.relu()), edge_scores={})


@dataclass(frozen=True, kw_only=True)
class ToyFusion(FusionModel):
    """Mean per node type, one layer, dropout."""

    stage: ClassVar[str] = "intermediate"
    hidden_channels: int = 8

    def module(self, schema, decision):
        return ToyModule(schema, self.hidden_channels)


def made_samples(seed=0, splits=SPLITS):
    """Return features per node type, owners, and labels that follow the features."""
    rng = np.random.default_rng(seed)
    owner = {name: np.sort(rng.integers(0, len(splits), 2 * len(splits))) for name in CHANNELS}
    x = {name: rng.normal(size=(len(owner[name]), width)).astype(np.float32) for name, width in CHANNELS.items()}
    signal = np.bincount(owner["text_span"], x["text_span"][:, 0], minlength=len(splits))
    return x, owner, np.where(signal > 0, "yes", "no")


def made_edges(nodes, edge_types):
    """Return an edge from every node to every node of its sample, where both ends are there."""
    tables = []
    for edge_type in edge_types:
        source, destination = (nodes[edge_type[end]].sample for end in (0, 2))
        index = np.stack(np.nonzero(source[:, None] == destination))
        tables.append(EdgeTable(edge_type=edge_type, index=index))
    return tables


def made_store(folder, *, splits=SPLITS, labels=None, target=None, y=None, rows=None, schema=SCHEMA, weights=None):
    """Write a store of one shard; `rows` chooses samples, so that some of them can be converted again."""
    x, owner, made = made_samples(splits=splits)
    labels = made if labels is None else np.array(labels)
    frame = pd.DataFrame({"label": labels})
    if target is None:
        target = Classification().fit(frame[np.array(splits) == "train"])
        y, _ = Classification().encode(frame, target)
    rows = np.arange(len(splits)) if rows is None else np.asarray(rows)
    nodes = {}
    for name in CHANNELS:
        kept = np.isin(owner[name], rows)
        sample = np.searchsorted(rows, owner[name][kept])
        nodes[name] = NodeTable(node_type=name, sample=sample, x=x[name][kept], units=pd.DataFrame({"n": np.arange(kept.sum())}))
    shard = write_shard(
        folder,
        0,
        schema,
        num_samples=len(rows),
        nodes=nodes,
        edges=made_edges(nodes, schema.edge_types),
        y=None if y is None else y[rows],
        dtype="float16",
    )
    samples = pd.DataFrame({"sample_id": [f"post-{row}" for row in rows], "split": np.array(splits)[rows], "source_row": rows})
    if y is not None:
        samples["label"] = labels[rows]
    if weights is not None:
        samples["sample_weight"] = np.asarray(weights)[rows]
    write_frame(folder / "samples.parquet", samples)
    write_frame(folder / "quarantine.parquet", rejection_frame([]))
    state = write_state(folder, "modalities-0-text", {"words": pack_strings(["a"])})
    files = file_entries(folder, ["samples.parquet", "quarantine.parquet"]) | state
    write_index(folder, schema=schema, target=target, shards=[shard], files=files, recipe={}, digests={})
    return open_store(folder)


def train(store, out, settings=SETTINGS, task=None, resume=False, progress=silent, experiment=EXPERIMENT, model=None):
    """Fit the toy model, or another one."""
    return fit(store, experiment, model or ToyFusion(), task or Classification(), settings, out, resume=resume, progress=progress)


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def resumed_and_predicted(store, folder, name, settings):
    """Train a model whole, and killed after an epoch and resumed; both must have the same bytes. Return the run, which must predict as evaluated."""
    model, experiment = build("models", {"name": name}, "model"), {**EXPERIMENT, "model": {"name": name}}
    train(store, folder / "whole", settings, model=model, experiment=experiment)

    def kill(done, total, label):
        raise Killed

    with pytest.raises(Killed):
        train(store, folder / "run", settings, model=model, experiment=experiment, progress=kill)
    train(store, folder / "run", settings, model=model, experiment=experiment, resume=True)
    assert contents(folder / "run") == contents(folder / "whole")
    run = open_run(folder / "run")
    table = predict_frame(run, store, "test")
    pd.testing.assert_frame_equal(table, read_frame(folder / "run" / "predictions-test.parquet"), check_exact=True)
    return run


def contents(folder):
    """Return the bytes of all files that have to repeat."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "tensorboard" not in path.parts
    }


NO_TARGET = TargetSchema(kind="none")
