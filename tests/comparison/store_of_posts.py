"""A store in which posts have words, pictures and shared users, with edges in both directions, for the tests of this folder."""

from pathlib import Path

import numpy as np
import pandas as pd

from graphfuse.core.files import file_entries
from graphfuse.core.schema import GraphSchema, TargetSchema, reverse_edge_type
from graphfuse.core.tables import SPLITS, EdgeTable, NodeTable, rejection_frame
from graphfuse.store.frames import write_frame
from graphfuse.store.index import write_index
from graphfuse.store.writer import write_entities, write_shard

MATCH = ("text_span", "may_match", "image_region")
PRECEDES = ("text_span", "precedes", "text_span")
BELONGS = ("text_span", "belongs_to", "sample")
WROTE = ("user", "wrote", "sample")
FORWARD = (MATCH, PRECEDES, BELONGS, WROTE)
MODALITIES = {"text_span": "text", "image_region": "image", "user": "user", "sample": "sample"}
SCHEMA = GraphSchema(
    channels_by_node_type={"text_span": 3, "image_region": 4, "user": 2, "sample": 1},
    modality_by_node_type=MODALITIES,
    edge_types=tuple(kind for forward in FORWARD for kind in (forward, reverse_edge_type(forward))),
    entity_types=("user",),
)
NUM_USERS = 6


def store_of_posts(folder: Path, num_samples: int = 60, *, seed: int = 0, matches: float = 0.4, columns: dict | None = None) -> Path:
    """Write a store of two shards; a fifth of the posts has no picture, and one match in `matches` of the pairs is an edge.

    The label follows the first feature of the words.
    """
    rng = np.random.default_rng(seed)
    half = num_samples // 2
    labels = []
    shards = []
    for number, size in enumerate((half, num_samples - half)):
        nodes = _nodes(size, rng)
        labels.append(np.bincount(nodes["text_span"].sample, nodes["text_span"].x[:, 0], minlength=size) > 0)
        edges = [table for kind in FORWARD for table in _edges(kind, nodes, rng, matches)]
        y = labels[-1].astype(np.int64)
        shards.append(write_shard(folder, number, SCHEMA, num_samples=size, nodes=nodes, edges=edges, y=y, dtype="float32"))
    files = write_entities(folder, "user", rng.normal(size=(NUM_USERS, 2)).astype(np.float32), "float32")
    samples = pd.DataFrame({"sample_id": [f"post-{i}" for i in range(num_samples)]})
    samples["split"] = pd.Series([SPLITS[(i % 4) % 3] for i in range(num_samples)], dtype="str")
    samples["source_row"] = np.arange(num_samples)
    samples["label"] = np.where(np.concatenate(labels), "yes", "no")
    write_frame(folder / "samples.parquet", samples.assign(**(columns or {})))
    write_frame(folder / "quarantine.parquet", rejection_frame([]))
    files |= file_entries(folder, ["samples.parquet", "quarantine.parquet"])
    target = TargetSchema(kind="classification", columns=("label",), classes=("no", "yes"), class_counts=(15, 15))
    write_index(folder, schema=SCHEMA, target=target, shards=shards, files=files, recipe={}, digests={})
    return folder


def _nodes(size: int, rng: np.random.Generator) -> dict[str, NodeTable]:
    regions = np.where(rng.random(size) < 0.2, 0, rng.integers(1, 6, size))
    counts = {
        "text_span": rng.integers(1, 5, size),
        "image_region": regions,
        "user": np.ones(size, dtype=int),
        "sample": np.ones(size, dtype=int),
    }
    nodes = {}
    for name, count in counts.items():
        sample = np.repeat(np.arange(size), count)
        x = (2 + 3 * rng.normal(size=(len(sample), SCHEMA.channels_by_node_type[name]))).astype(np.float32)
        entity = rng.integers(0, NUM_USERS, len(sample)) if name == "user" else None
        nodes[name] = NodeTable(
            node_type=name, sample=sample, x=x - 2 * (name == "text_span"), units=pd.DataFrame({"n": sample}), entity=entity
        )
    return nodes


def _edges(kind, nodes, rng, matches):
    """Return the edges of a kind and their reverses: words in order, some matches with a weight, all else complete."""
    source, destination = (nodes[kind[end]].sample for end in (0, 2))
    pairs = source[:, None] == destination
    if kind == PRECEDES:
        pairs &= np.arange(len(source))[:, None] + 1 == np.arange(len(source))
    if kind == MATCH:
        pairs &= rng.random(pairs.shape) < matches
    index = np.stack(np.nonzero(pairs))
    weight = rng.random(index.shape[1]).astype(np.float32) if kind == MATCH else None
    return [
        EdgeTable(edge_type=kind, index=index, weight=weight),
        EdgeTable(edge_type=reverse_edge_type(kind), index=index[::-1], weight=weight),
    ]
