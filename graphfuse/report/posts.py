"""One sample of a store -> what is drawn of it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from graphfuse.core.schema import parse_edge_name
from graphfuse.report.choose import CONFIDENT, true_texts
from graphfuse.report.data import Link, Node, Post
from graphfuse.report.pictures import thumbnail
from graphfuse.report.words import clean, node_words
from graphfuse.store.graph_store import GraphStore

MOST_LINKS = 8
"""Edges drawn per sample."""
FAINTEST = 0.05
"""Edges weaker than this share of the strongest are not drawn."""


@dataclass
class Names:
    """Names of users: numbers in the order they appear, unless ids are shown."""

    show_users: bool
    seen: dict[str, str] = field(default_factory=dict)

    def user(self, user_id: str) -> str:
        """Return how a user is called on the page."""
        if self.show_users:
            return user_id or "unknown user"
        return self.seen.setdefault(user_id, f"user {len(self.seen) + 1}") if user_id else "unknown user"


def post_of(
    store: GraphStore,
    position: int,
    sample_id: str,
    edges: pd.DataFrame | None,
    judgements: pd.DataFrame,
    kinds: Mapping[str, int],
    pictures_root: Path | None,
    names: Names,
) -> Post:
    """Return a sample with its prediction, nodes, pictures and strongest edges."""
    units = {node_type: store.units(node_type, position) for node_type in store.schema.node_types}
    nodes, paths = _nodes(units, names)
    links = _links(edges, kinds)
    importance = _importance(edges)
    judgement = judgements.loc[sample_id].to_dict() if sample_id in judgements.index else {}
    probability = judgement.get("probability", np.nan)
    return Post(
        sample_id=sample_id,
        verdict=_verdict(str(judgement.get("verdict", "")), float(probability)),
        truth=str(judgement.get("truth", "")) or str(true_texts(store, [position])[0]),
        prediction=str(judgement.get("prediction", "")),
        probability=float(probability) if np.isfinite(probability) else None,
        nodes=tuple(_with_importance(node, importance) for node in nodes),
        pictures=tuple(thumbnail(pictures_root, path) for path in paths),
        links=links,
        num_edges=0 if edges is None else len(edges),
        left_out=int(edges["left_out"].iloc[0]) if edges is not None and len(edges) and "left_out" in edges else 0,
    )


def _verdict(verdict: str, probability: float) -> str:
    """Return the verdict; the surest predictions of an unsure model are not called confident."""
    return verdict.removeprefix("confident, ") if probability < CONFIDENT else verdict


def _nodes(units: Mapping[str, pd.DataFrame], names: Names) -> tuple[list[Node], list[str]]:
    """Return the sample's nodes, and the paths of its pictures in order."""
    nodes: list[Node] = []
    paths: dict[int, str] = {}
    for node_type, frame in units.items():
        for index, row in enumerate(frame.to_dict("records")):
            if {"x0", "y0", "x1", "y1"} <= row.keys():
                paths.setdefault(int(row["picture"]), str(row["path"]))
                place = list(paths).index(int(row["picture"]))
                box = (float(row["x0"]), float(row["y0"]), float(row["x1"]), float(row["y1"]))
                nodes.append(Node(node_type=node_type, index=index, label=_place(box), group=str(place), box=box))
            else:
                nodes.append(
                    Node(node_type=node_type, index=index, label=_label(node_type, index, row, names), group=str(row.get("column", "")))
                )
    return nodes, list(paths.values())


def _label(node_type: str, index: int, row: Mapping[Hashable, Any], names: Names) -> str:
    if "text" in row:
        return clean(str(row["text"]))
    if "interaction_id" in row:
        kind = clean(str(row.get("kind") or node_words(node_type)))
        who = f" by {names.user(str(row['user_id']))}" if row.get("user_id") else ""
        return f"{kind} {index + 1}{who}"
    if "sample_id" in row:
        return "this post"
    if "user_id" in row:
        return clean(names.user(str(row["user_id"])))
    return f"{node_words(node_type)} {index + 1}"


def _place(box: tuple[float, float, float, float]) -> str:
    """Return where a region lies: 'top left', 'middle', ... with its extent in percent."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    column = ("left", "centre", "right")[min(int(x * 3), 2)]
    row = ("top", "middle", "bottom")[min(int(y * 3), 2)]
    if box[2] - box[0] > 0.95 and box[3] - box[1] > 0.95:
        return "the whole picture"
    return f"{row} {column} ({x:.0%} from the left, {y:.0%} from the top)"


def _links(edges: pd.DataFrame | None, kinds: Mapping[str, int]) -> tuple[Link, ...]:
    """Return the strongest edges, strongest first."""
    if edges is None or not len(edges):
        return ()
    largest = float(edges["score"].abs().max())
    if not largest > 0:
        return ()
    order = edges["score"].abs().sort_values(ascending=False, kind="stable").index[:MOST_LINKS]
    links = []
    for row in edges.loc[order].to_dict("records"):
        source, _, target = parse_edge_name(row["element"])
        strength = abs(row["score"]) / largest
        if strength >= FAINTEST and row["element"] in kinds:
            links.append(
                Link(
                    kind=kinds[row["element"]],
                    source=(source, int(row["source"])),
                    target=(target, int(row["target"])),
                    score=float(row["score"]),
                    strength=strength,
                    flips=row.get("flips", 0) == 1,
                )
            )
    return tuple(links)


def _importance(edges: pd.DataFrame | None) -> dict[tuple[str, int], float]:
    """Return the largest positive score of a node's edges, as a share of the sample's largest."""
    if edges is None or not len(edges) or not edges["score"].max() > 0:
        return {}
    found: dict[tuple[str, int], float] = {}
    largest = float(edges["score"].max())
    for element, source, target, score in zip(edges["element"], edges["source"], edges["target"], edges["score"], strict=True):
        ends = parse_edge_name(element)
        for end in ((ends[0], int(source)), (ends[2], int(target))):
            found[end] = max(found.get(end, 0.0), float(score) / largest)
    return found


def _with_importance(node: Node, importance: Mapping[tuple[str, int], float]) -> Node:
    share = importance.get((node.node_type, node.index), 0.0)
    return Node(node_type=node.node_type, index=node.index, label=node.label, importance=share, group=node.group, box=node.box)
