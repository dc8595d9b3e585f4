"""A made store of posts with pictures, and made scores, for the tests of this folder."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from graphfuse.core.files import file_entries
from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.core.tables import EdgeTable, NodeTable, ScoreTable, rejection_frame
from graphfuse.store.frames import write_frame
from graphfuse.store.graph_store import open_store
from graphfuse.store.index import write_index
from graphfuse.store.writer import write_entities, write_shard

RESEMBLES = ("text_span", "resembles", "image_region")
PRECEDES = ("text_span", "precedes", "text_span")
ADJOINS = ("image_region", "adjoins", "image_region")
BELONGS = ("image_region", "belongs_to", "sample")
WROTE = ("user", "wrote", "sample")
REPLIES = ("interaction", "replies_to", "sample")
FORWARD = (RESEMBLES, PRECEDES, ADJOINS, BELONGS, WROTE, REPLIES)

SCHEMA = GraphSchema(
    channels_by_node_type={"text_span": 4, "image_region": 4, "user": 3, "interaction": 2, "sample": 1},
    modality_by_node_type={"text_span": "text", "image_region": "image", "user": "user", "interaction": "interaction", "sample": "sample"},
    edge_types=(*FORWARD[:2], ("image_region", "rev_resembles", "text_span"), *FORWARD[2:]),
    entity_types=("user",),
)

TEXTS = (
    "The red circle hangs over the harbour this morning. Nobody on the quay looked up. A blue square was painted on the third boat.",
    "Storm warning for the coast tonight! Keep boats inside. The green triangle means: do not sail.",
    "We found an old yellow star in the attic, wrapped in newspaper from 1962.",
    "Selling: one blue square cushion, hardly used. Pick up only. No red circle, please, I have enough of those.",
)
COLOURS = {"red circle": "#c8452f", "blue square": "#2f6fb0", "green triangle": "#3a8f5c", "yellow star": "#d8a526"}


def spans_of(text):
    """Return (text, start, end) of each sentence."""
    found, start = [], 0
    for end in sorted({*(i + 1 for i, letter in enumerate(text) if letter in ".!?"), len(text)}):
        piece = text[start:end]
        lead = len(piece) - len(piece.lstrip())
        found.append((piece.strip(), start + lead, end))
        start = end
    return found


def draw(path: Path, seed: int, words: str) -> None:
    """Draw a small scene with the shapes that the words name."""
    rng = np.random.default_rng(seed)
    top, low = np.array([[226, 232, 236], [243, 226, 204]])
    rows = np.linspace(0, 1, 300)[:, None, None]
    picture = Image.fromarray((top * (1 - rows) + low * rows + rng.normal(0, 2, (300, 400, 1))).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    pen.rectangle([0, 225, 400, 300], fill="#8fa3a8")
    for number, (name, colour) in enumerate(COLOURS.items()):
        if name not in words and number != seed % 4:
            continue
        x, y = 50 + 100 * ((number + seed) % 4), 37 + 75 * ((number * 2 + seed) % 4)
        if "circle" in name:
            pen.ellipse([x - 30, y - 30, x + 30, y + 30], fill=colour)
        elif "square" in name:
            pen.rectangle([x - 27, y - 27, x + 27, y + 27], fill=colour)
        else:
            pen.polygon([(x, y - 32), (x - 32, y + 26), (x + 32, y + 26)], fill=colour)
    picture.save(path)


def made_store(folder: Path, *, posts: int = 12, texts=TEXTS, user="anna.k", sample_ids=None, names=None, labels=None, schema=SCHEMA):
    """Write a store and its pictures; return the opened store and the pictures' folder."""
    rng = np.random.default_rng(0)
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    units, owner = {name: [] for name in schema.channels_by_node_type}, {name: [] for name in schema.channels_by_node_type}
    for post in range(posts):
        text = texts[post % len(texts)]
        add(units, owner, "text_span", post, [{"column": "text", "text": piece, "start": a, "end": b} for piece, a, b in spans_of(text)])
        name = names[post % len(names)] if names else f"{post}.png"
        if post % 6 != 5:
            if names is None:
                draw(pictures / name, post, text)
            boxes = [
                {"path": name, "picture": 0, "x0": c / 4, "y0": r / 4, "x1": (c + 1) / 4, "y1": (r + 1) / 4}
                for r in range(4)
                for c in range(4)
            ]
            add(units, owner, "image_region", post, boxes)
        add(units, owner, "user", post, [{"user_id": f"{user}{post % 5}"}])
        replies = [
            {"interaction_id": f"i{post}-{k}", "user_id": f"{user}{k}", "reply_to": "", "kind": ("reply", "like")[k % 2], "time": float(k)}
            for k in range(post % 3)
        ]
        add(units, owner, "interaction", post, replies)
        add(units, owner, "sample", post, [{"sample_id": str(post), "user_id": f"{user}{post % 5}", "time": 0.0}])
    nodes = {}
    for node_type, channels in schema.channels_by_node_type.items():
        rows = np.array(owner[node_type], dtype=np.int64)
        nodes[node_type] = NodeTable(
            node_type=node_type,
            sample=rows,
            x=rng.normal(size=(len(rows), channels)).astype(np.float32),
            units=pd.DataFrame(units[node_type]),
            entity=rows % 5 if node_type == "user" else None,
        )
    edges = [EdgeTable(edge_type=edge_type, index=pairs(nodes, edge_type)) for edge_type in schema.edge_types]
    y = np.arange(posts) % 2
    store = folder / "store"
    shard = write_shard(store, 0, schema, num_samples=posts, nodes=nodes, edges=edges, y=y, dtype="float16")
    files = write_entities(store, "user", rng.normal(size=(5, 3)).astype(np.float32), "float16")
    ids = sample_ids or [f"post-{1000 + 37 * post}" for post in range(posts)]
    labels = labels or ("genuine", "altered")
    samples = pd.DataFrame({"sample_id": ids, "split": ["test"] * posts, "source_row": range(posts), "label": [labels[k] for k in y]})
    write_frame(store / "samples.parquet", samples.astype(dict.fromkeys(("sample_id", "split", "label"), "str")))
    write_frame(store / "quarantine.parquet", rejection_frame([]))
    files |= file_entries(store, ["samples.parquet", "quarantine.parquet"])
    target = TargetSchema(kind="classification", columns=("label",), classes=tuple(labels), class_counts=(6, 6))
    write_index(store, schema=schema, target=target, shards=[shard], files=files, recipe={"model": {"name": "made"}}, digests={})
    return open_store(store), pictures


def add(units, owner, node_type, post, rows):
    units[node_type].extend(rows)
    owner[node_type].extend([post] * len(rows))


def pairs(nodes, edge_type):
    """Return all pairs within a sample, thinned within modalities."""
    a, _relation, b = edge_type
    found = [
        (i, j)
        for i, left in enumerate(nodes[a].sample)
        for j, right in enumerate(nodes[b].sample)
        if left == right and not (a == b and (j != i + 1))
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 2).T


def made_tables(store):
    """Return made scores of three analyses, with sample ids."""
    rng = np.random.default_rng(1)
    rows = []
    for position, sample_id in enumerate(store.samples["sample_id"]):
        sample = store.sample(position)
        for edge_type in FORWARD:
            source, target = sample[edge_type].edge_index.tolist()
            name = "__".join(edge_type)
            for i, j in zip(source, target, strict=True):
                size = {RESEMBLES: 0.35, ADJOINS: 0.05, BELONGS: 0.12}.get(edge_type, 0.1)
                score = rng.normal(0, size) + (2.2 * rng.random() if edge_type == RESEMBLES and (i * 5 + j * 3 + position) % 13 == 0 else 0)
                rows.append(("occlusion", "edge", sample_id, name, i, j, score, float(score > 1.6)))
    edges = pd.DataFrame(rows, columns=["analysis", "level", "sample_id", "element", "source", "target", "score", "flips"])
    summary = pd.DataFrame(
        [
            ("edge_type", "__".join(RESEMBLES), 2.31, 2.12, 2.52, 0.31, 0.28, 0.34, 0.334, 1280),
            ("edge_type", "__".join(BELONGS), 0.62, 0.51, 0.74, 0.08, 0.06, 0.1, 0.094, 640),
            ("edge_type", "__".join(WROTE), 0.21, 0.12, 0.31, 0.02, 0.0, 0.04, 0.031, 48),
            ("edge_type", "__".join(PRECEDES), 0.06, -0.03, 0.15, 0.004, -0.01, 0.02, 0.012, 212),
            ("edge_type", "__".join(ADJOINS), -0.11, -0.22, -0.01, -0.006, -0.02, 0.01, 0.018, 1100),
            ("edge_type", "__".join(REPLIES), 0.02, -0.04, 0.07, 0.0, -0.01, 0.01, 0.004, 31),
            ("modality", "text", 2.62, 2.41, 2.83, 0.38, 0.35, 0.41, 0.39, 160),
            ("modality", "image", 2.44, 2.2, 2.66, 0.35, 0.32, 0.38, 0.37, 640),
            ("modality", "user", 0.24, 0.15, 0.33, 0.02, 0.0, 0.04, 0.034, 48),
            ("modality", "interaction", 0.02, -0.04, 0.07, 0.0, -0.01, 0.01, 0.004, 31),
        ],
        columns=["level", "element", "score", "low", "high", "metric_drop", "metric_low", "metric_high", "flips", "count"],
    ).assign(analysis="occlusion", sample_id="", source=-1, target=-1)
    occlusion = pd.concat([edges, summary], ignore_index=True)
    shares = dict(zip(["__".join(edge_type) for edge_type in FORWARD], [0.58, 0.04, 0.11, 0.19, 0.06, 0.02], strict=True))
    attention = pd.DataFrame(
        [
            ("attention", "edge_type", "", name, -1, -1, 0.1, 0.09, 0.11, share, share * 0.9, share * 1.1, blind, 100)
            for (name, share), blind in zip(shares.items(), [0.39, 0.07, 0.31, 0.2, 0.015, 0.015], strict=True)
        ],
        columns=[
            "analysis",
            "level",
            "sample_id",
            "element",
            "source",
            "target",
            "score",
            "low",
            "high",
            "top_share",
            "top_low",
            "top_high",
            "edge_share",
            "count",
        ],
    )
    curves = []
    for side, chosen_by, values in (
        ("fidelity_plus", "occlusion", (0.29, 0.38, 0.44, 0.47, 0.49)),
        ("fidelity_plus", "random", (0.03, 0.06, 0.11, 0.17, 0.28)),
        ("fidelity_minus", "occlusion", (0.12, 0.07, 0.03, 0.01, 0.0)),
        ("fidelity_minus", "random", (0.44, 0.41, 0.36, 0.3, 0.21)),
    ):
        for fraction, value in zip((0.05, 0.1, 0.2, 0.3, 0.5), values, strict=True):
            curves.append(("fidelity", "model", "", side, -1, -1, value, value - 0.02, value + 0.022, fraction, chosen_by))
    fidelity = pd.DataFrame(
        curves, columns=["analysis", "level", "sample_id", "element", "source", "target", "score", "low", "high", "fraction", "chosen_by"]
    )
    return {"occlusion": ScoreTable(frame=occlusion), "attention": ScoreTable(frame=attention), "fidelity": ScoreTable(frame=fidelity)}


def made_predictions(store):
    rng = np.random.default_rng(2)
    truth = store.samples["label"].to_numpy()
    first, second = store.target.classes
    sure = rng.uniform(0.55, 0.99, len(store))
    wrong = np.arange(len(store)) % 4 == 2
    chosen = np.where(wrong, np.where(truth == first, second, first), truth)
    frame = pd.DataFrame({"sample_id": store.samples["sample_id"], "prediction": chosen})
    frame[f"probability_{first}"] = np.where(chosen == first, sure, 1 - sure)
    frame[f"probability_{second}"] = 1 - frame[f"probability_{first}"]
    return frame.astype({"prediction": "str"})


SUMMARY = {
    "title": "What the edges are worth",
    "model": "relational_attention",
    "split": "test",
    "samples": 1200,
    "metrics": {"macro_f1": {"mean": 0.934, "low": 0.919, "high": 0.948}, "roc_auc": {"mean": 0.981, "low": 0.974, "high": 0.987}},
    "baselines": {
        "text only": {"macro_f1": {"mean": 0.552, "low": 0.524, "high": 0.58}, "roc_auc": {"mean": 0.57, "low": 0.54, "high": 0.6}},
        "image only": {"macro_f1": {"mean": 0.541, "low": 0.513, "high": 0.569}, "roc_auc": {"mean": 0.55, "low": 0.52, "high": 0.58}},
        "concat": {"macro_f1": {"mean": 0.561, "low": 0.533, "high": 0.588}, "roc_auc": {"mean": 0.58, "low": 0.55, "high": 0.61}},
    },
    "made_with": {"experiment": "experiment.yaml", "graphfuse": "0.1.0", "seeds": "0, 1, 2"},
}
