"""Small stores with known content, for the tests of this folder."""

from pathlib import Path

import numpy as np
import pandas as pd

from graphfuse.core.files import file_entries
from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.core.tables import EdgeTable, NodeTable, rejection_frame
from graphfuse.store.frames import write_frame
from graphfuse.store.index import write_index
from graphfuse.store.writer import write_entities, write_shard, write_state

WORDS = ("text_span", "resembles", "image_region")
BACK = ("image_region", "rev_resembles", "text_span")
WROTE = ("user", "wrote", "sample")

SCHEMA = GraphSchema(
    channels_by_node_type={"text_span": 3, "image_region": 2, "user": 4, "sample": 1},
    modality_by_node_type={"text_span": "text", "image_region": "image", "user": "user", "sample": "sample"},
    edge_types=(WORDS, BACK, WROTE),
    entity_types=("user",),
)
NUM_USERS = 5


def toy_chunk(counts, rng):
    """Return nodes and edges of a chunk; `counts` is [num_samples, 3]: spans, regions and users of each sample."""
    counts = np.column_stack([counts, np.ones(len(counts), dtype=np.int64)])
    nodes = {}
    for column, (node_type, channels) in enumerate(SCHEMA.channels_by_node_type.items()):
        sample = np.repeat(np.arange(len(counts)), counts[:, column])
        nodes[node_type] = NodeTable(
            node_type=node_type,
            sample=sample,
            x=rng.normal(size=(len(sample), channels)).astype(np.float32),
            units=pd.DataFrame({"text": [f"{node_type} {row} of {owner}" for row, owner in enumerate(sample)]}, dtype="str"),
            entity=rng.integers(0, NUM_USERS, len(sample)) if node_type == "user" else None,
        )
    edges = []
    for source, relation, destination in SCHEMA.edge_types:
        pairs = np.array(
            [
                (i, j)
                for i, a in enumerate(nodes[source].sample)
                for j, b in enumerate(nodes[destination].sample)
                if a == b and rng.random() < 0.6
            ],
            dtype=np.int64,
        ).reshape(-1, 2)
        pairs = rng.permutation(pairs)
        weight = rng.random(len(pairs)).astype(np.float32) if relation == "resembles" else None
        edges.append(EdgeTable(edge_type=(source, relation, destination), index=pairs.T, weight=weight))
    return nodes, edges


def toy_store(folder: Path, counts_by_shard, *, seed=0, dtype="float16", splits=None, target=True) -> Path:
    """Write a store with one shard per entry of `counts_by_shard`."""
    rng = np.random.default_rng(seed)
    shards = []
    for number, counts in enumerate(counts_by_shard):
        nodes, edges = toy_chunk(np.asarray(counts, dtype=np.int64).reshape(-1, 3), rng)
        size = len(nodes["sample"])
        y = rng.integers(0, 2, size) if target else None
        shards.append(write_shard(folder, number, SCHEMA, num_samples=size, nodes=nodes, edges=edges, y=y, dtype=dtype))
    total = sum(shard["samples"] for shard in shards)
    files = write_entities(folder, "user", rng.normal(size=(NUM_USERS, 4)).astype(np.float32), dtype)
    files |= write_state(folder, "modalities-0-text", {"mean": np.arange(3.0)})
    names = splits if splits is not None else ["train", "validation", "test", "train"] * total
    samples = {"sample_id": [f"post {i}" for i in range(total)], "split": names[:total], "source_row": range(total)}
    write_frame(folder / "samples.parquet", pd.DataFrame(samples).astype({"sample_id": "str", "split": "str"}))
    write_frame(folder / "quarantine.parquet", rejection_frame([]))
    files |= file_entries(folder, ["samples.parquet", "quarantine.parquet"])
    kind = TargetSchema(kind="classification", columns=("label",), classes=("no", "yes")) if target else TargetSchema(kind="none")
    write_index(folder, schema=SCHEMA, target=kind, shards=shards, files=files, recipe={"model": {"name": "concat"}}, digests={})
    return folder


FULL = [[[2, 3, 1], [1, 1, 2], [4, 2, 1]], [[1, 2, 1], [3, 1, 1]], [[2, 2, 2]]]
"""Three shards in which every sample has every node type."""
HOLES = [[[2, 0, 1], [0, 3, 0], [1, 1, 1]], [[0, 0, 0], [2, 1, 0]], [[1, 0, 2]]]
"""Three shards in which samples lack texts, pictures or users."""
