"""Made posts on disk: posts.csv, users.csv, replies.csv, images/, and the answer in planted.csv."""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.core.errors import InputError, ResourceError
from graphfuse.core.files import NO_SPACE, digest_bytes, sync_folder, write_json
from graphfuse.core.tables import SPLITS
from graphfuse.making.drawing import draw
from graphfuse.making.people import choose_authors, make_replies, make_times, make_users, stamp, user_ids
from graphfuse.making.words import write_text
from graphfuse.making.worlds import PLANS, WORLDS, PostSettings, Quads, make_quads, planted

IntArray = npt.NDArray[np.int64]

RECEIPT = "receipt.json"
MAKER = "graphfuse made posts"
FORMAT = 1
"""Raise it when equal settings give other files, so that old folders are made again."""


def ensure_posts(folder: Path, settings: PostSettings) -> None:
    """See that `folder` holds the posts of these settings: leave a whole one as it is, make any other anew.

    Raises:
        InputError: If the folder holds something that this function did not write, or may not be written.
        ResourceError: If the disk is full.
    """
    folder = folder.resolve()
    if _is_whole(folder, settings):
        return
    if _receipt(folder) is None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"Made posts are written only into a folder of their own (got '{folder.name[:40]}', which holds other files). "
            "Set dataset.path to a folder that does not exist yet."
        )
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        write_posts(temporary, settings)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        if _is_whole(folder, settings):
            return  # another process made the same posts meanwhile
        if error.errno in NO_SPACE:
            raise ResourceError(
                f"Writing made posts under {folder.parent} failed: {NO_SPACE[error.errno]}. Make room and repeat."
            ) from error
        raise InputError(
            f"Made posts need a folder that can be written (got '{folder}': {error.strerror}). Set dataset.path to another place."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_posts(folder: Path, settings: PostSettings) -> None:
    """Write all files of made posts into a new folder: a pure function of the settings, receipt last.

    `posts.csv` has `post_id, text, image, author, created, story, split, label` (a story is a quad); `users.csv` has
    `id, followers, verified, country`; `replies.csv` has `id, post_id, who, kind, when, parent, body`.
    `planted.csv` is the answer and no part of the data: `post_id, sentence, cell, world`, one row per planted edge.
    """
    settings = settings.resolved()
    (folder / "images").mkdir(parents=True)
    quads = make_quads(settings)
    quad, text, picture, label = _rows(quads, settings)
    post_id = np.array([f"p{k:06d}" for k in range(len(quad))], dtype=object)
    created = make_times(len(quad), settings)
    posts = pd.DataFrame(
        {
            "post_id": post_id,
            "text": _texts(quads, quad, text, settings),
            "image": _write_pictures(folder, quads, quad, picture, settings),
            "author": user_ids(choose_authors(label, settings)),
            "created": stamp(created),
            "story": np.array([f"s{k:05d}" for k in _numbered(quad)], dtype=object),
            "split": np.array(SPLITS, dtype=object)[quads.split[quad]],
            "label": np.where(quads.flipped[quad], 1 - label, label),
        }
    )
    row, sentence, cell = planted(quads, quad, text, picture)
    world = np.array(WORLDS, dtype=object)[quads.world[quad[row]]]
    edges = pd.DataFrame({"post_id": post_id[row], "sentence": sentence, "cell": cell, "world": world})
    for name, frame in {
        "posts": posts,
        "users": make_users(settings),
        "replies": make_replies(post_id, created, settings),
        "planted": edges,
    }.items():
        frame.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    write_json(folder / RECEIPT, {"maker": MAKER, "digest": _folder_digest(folder)} | _wanted(settings))


def _rows(quads: Quads, settings: PostSettings) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return quad, text, picture and label of each post; the order is random, so that it says nothing."""
    plans = np.array([PLANS[name] for name in WORLDS])[quads.world]  # [num_quads, 4 rows, 3]
    quad = np.repeat(np.arange(len(plans)), 4)
    order = np.random.default_rng([settings.seed, 6]).permutation(len(quad))
    text, picture, label = plans.reshape(-1, 3)[order].T
    return quad[order], text, picture, label


def _texts(quads: Quads, quad: IntArray, text: IntArray, settings: PostSettings) -> list[str]:
    """Return each post's text; posts of a quad that share a text have the same one, to the letter."""
    worlds = [WORLDS[position] for position in quads.world]
    written: dict[tuple[int, int], str] = {}
    for key in zip(quad.tolist(), text.tolist(), strict=True):
        if key not in written:
            mood = (1 - 2 * (key[1] % 2)) * (worlds[key[0]] in ("text", "redundant"))
            rng = np.random.default_rng([settings.seed, 7, *key])
            written[key] = write_text(quads.text_pairs[key].tolist(), mood, settings.shapes, settings.fillers, rng)
    return [written[key] for key in zip(quad.tolist(), text.tolist(), strict=True)]


def _write_pictures(folder: Path, quads: Quads, quad: IntArray, picture: IntArray, settings: PostSettings) -> npt.NDArray[np.object_]:
    """Draw every picture once, numbered in order of first use, and return each post's file name ("" where it has none)."""
    number = _numbered(quad * 2 + picture)
    names = np.array([f"{k:05d}.png" for k in number], dtype=object)
    for row in np.unique(number, return_index=True)[1]:
        key = int(quad[row]), int(picture[row])
        if not quads.has_picture[key[0]]:
            continue
        tint = (1 - 2 * key[1]) * (WORLDS[quads.world[key[0]]] in ("image", "redundant"))
        image = draw(
            quads.picture_pairs[key],
            settings.shape,
            cell=settings.cell,
            num_shapes=settings.shapes,
            tint=tint,
            clutter=settings.clutter,
            rng=np.random.default_rng([settings.seed, 8, *key]),
        )
        content = io.BytesIO()
        image.save(content, format="PNG", compress_level=4)
        (folder / "images" / names[row]).write_bytes(content.getvalue())
    return np.where(quads.has_picture[quad], names, "")


def _numbered(values: IntArray) -> IntArray:
    """Return each value's number in order of first appearance, so that names tell nothing of how quads were drawn."""
    codes, _ = pd.factorize(values)
    return codes.astype(np.int64)


def _is_whole(folder: Path, settings: PostSettings) -> bool:
    """Return whether the folder holds exactly what `write_posts` would write."""
    receipt = _receipt(folder)
    return receipt is not None and receipt == {"maker": MAKER, "digest": _folder_digest(folder)} | _wanted(settings)


def _wanted(settings: PostSettings) -> dict[str, Any]:
    """Return what a receipt says of the settings, as JSON would give it back."""
    return {"format": FORMAT, "settings": json.loads(json.dumps(asdict(settings.resolved())))}


def _receipt(folder: Path) -> Mapping[str, Any] | None:
    """Return the folder's receipt, or None if it has none of ours."""
    try:
        receipt = json.loads((folder / RECEIPT).read_bytes())
    except (OSError, ValueError):
        return None
    return receipt if isinstance(receipt, dict) and receipt.get("maker") == MAKER else None


def _folder_digest(folder: Path) -> str | None:
    """Return one digest of all files but the receipt, names and contents; None if there is no folder."""
    if not folder.is_dir():
        return None
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != RECEIPT:
            total.update(f"{path.relative_to(folder).as_posix()}\0{digest_bytes(path.read_bytes())}\n".encode())
    return total.hexdigest()
