"""Made graphs of the kind that posts become: words, regions, users, interactions, joined by 14 relations.

Features are noise: what they mean does not matter for time. A sample has 37 nodes and some 230 edges in the mean; one in
five has no picture.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from graphfuse.core.files import file_entries, read_json
from graphfuse.core.schema import EdgeType, GraphSchema, TargetSchema, reverse_edge_type
from graphfuse.core.tables import EdgeTable, IntArray, NodeTable
from graphfuse.store.frames import write_frame
from graphfuse.store.graph_store import GraphStore, open_store
from graphfuse.store.index import write_index
from graphfuse.store.layout import FORMAT, INDEX, QUARANTINE, SAMPLES
from graphfuse.store.writer import write_shard

CHANNELS = {"text_span": 384, "image_region": 512, "user": 32, "interaction": 16}
FEWEST_AND_MOST = {"text_span": (4, 20), "image_region": (15, 25), "user": (1, 4), "interaction": (0, 12)}
WITHOUT_PICTURE = 0.2
FORWARD: dict[EdgeType, int] = {
    ("text_span", "resembles", "image_region"): 4,
    ("text_span", "precedes", "text_span"): 1,
    ("image_region", "beside", "image_region"): 2,
    ("user", "wrote", "text_span"): 1,
    ("user", "showed", "image_region"): 1,
    ("interaction", "answers", "text_span"): 1,
    ("user", "made", "interaction"): 1,
}
"""Relation -> edges per node of the end that has the more of them (the destination of what users do, else the source)."""
SHARD = 4096
WORK = Path(__file__).parents[2] / "runs" / "speed"
"""Where made data lies; kept from run to run."""


def schema() -> GraphSchema:
    """Return the schema of all made stores."""
    types = tuple(kind for forward in FORWARD for kind in (forward, reverse_edge_type(forward)))
    modalities = {"text_span": "text", "image_region": "image", "user": "user", "interaction": "interaction"}
    return GraphSchema(channels_by_node_type=CHANNELS, edge_types=types, modality_by_node_type=modalities, entity_types=frozenset())


def made_store(folder: Path, num_samples: int, dtype: str = "float16", shard_size: int = SHARD) -> GraphStore:
    """Write a store of made samples, unless it is there in the format of today, and open it."""
    if not _is_there(folder):
        shutil.rmtree(folder, ignore_errors=True)
        shards = []
        for number, size in enumerate(_sizes(num_samples, shard_size)):
            nodes, edges, y = made_tables(number, size)
            shards.append(write_shard(folder, number, schema(), num_samples=size, nodes=nodes, edges=edges, y=y, dtype=dtype))
        _finish(folder, num_samples, shards)
    return open_store(folder)


def made_tables(seed: int, num_samples: int) -> tuple[dict[str, NodeTable], list[EdgeTable], IntArray]:
    """Return node tables, edge tables and targets of one shard."""
    draw = np.random.default_rng(seed)
    samples = np.arange(num_samples)
    nodes = {}
    for node_type, channels in CHANNELS.items():
        fewest, most = FEWEST_AND_MOST[node_type]
        counts = draw.integers(fewest, most + 1, num_samples)
        if node_type == "image_region":
            counts[draw.random(num_samples) < WITHOUT_PICTURE] = 0
        sample = np.repeat(samples, counts)
        x = draw.standard_normal((len(sample), channels), dtype=np.float32)
        nodes[node_type] = NodeTable(node_type=node_type, sample=sample, x=x, units=pd.DataFrame(index=range(len(sample))))
    edges = [table for kind, each in FORWARD.items() for table in _both_ways(kind, nodes, each, draw)]
    return nodes, edges, draw.integers(0, 2, num_samples)


def _both_ways(kind: EdgeType, nodes: dict[str, NodeTable], each: int, draw: np.random.Generator) -> Iterator[EdgeTable]:
    """Yield edges from every node of the longer end to nodes of the other in the same sample, and their reverses."""
    source, _, destination = kind
    along = destination if source == "user" else source
    other = source if along == destination else destination
    sample = np.repeat(nodes[along].sample, each)
    near = np.repeat(np.arange(len(nodes[along])), each)
    begin = np.searchsorted(nodes[other].sample, sample, side="left")
    count = np.searchsorted(nodes[other].sample, sample, side="right") - begin
    far = begin + (draw.random(len(sample)) * count).astype(np.int64)
    near, far = near[count > 0], far[count > 0]
    pairs = np.unique(np.stack([far, near] if along == destination else [near, far]), axis=1)
    yield EdgeTable(edge_type=kind, index=pairs)
    yield EdgeTable(edge_type=reverse_edge_type(kind), index=pairs[::-1])


def _is_there(folder: Path) -> bool:
    return (folder / INDEX).exists() and read_json(folder / INDEX)["format"] == FORMAT


def _sizes(num_samples: int, shard_size: int) -> list[int]:
    whole, rest = divmod(num_samples, shard_size)
    return [shard_size] * whole + ([rest] if rest else [])


def _finish(folder: Path, num_samples: int, shards: list) -> None:
    """Write the table of samples and the index."""
    split = np.array(["train", "train", "train", "validation", "test"])[np.arange(num_samples) % 5]
    ids = pd.Series(np.arange(num_samples)).astype("str")
    frame = pd.DataFrame({"sample_id": ids, "split": split, "source_row": np.arange(num_samples), "label": ""})
    write_frame(folder / SAMPLES, frame.astype({"sample_id": "str", "split": "str"}))
    write_frame(folder / QUARANTINE, pd.DataFrame())
    target = TargetSchema(kind="classification", columns=("label",), classes=("0", "1"), class_counts=(1, 1))
    files = file_entries(folder, [SAMPLES, QUARANTINE])
    write_index(folder, schema=schema(), target=target, shards=shards, files=files, recipe={}, digests={})
