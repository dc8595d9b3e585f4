"""A small table with pictures, users and replies, and command lines as a person gives them."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from graphfuse.cli.main import run

EXPERIMENT = """
dataset:
  name: table
  path: posts.csv
  sample_id: id
  target: label
  user_id: author
  pictures: {columns: [image], folder: images}
  users: {path: users.csv, user_id: id}
  interactions: {path: replies.csv, interaction_id: id, sample_id: post, user_id: who, time: when, reply_to: parent}
  split: {by: column, column: split}
modalities:
  - {name: text, column: text, encoder: {name: hashed_ngrams, channels: 16}}
  - {name: image, grid: 2}
  - {name: user, numeric: [followers], boolean: [verified], categorical: [country]}
  - {name: interaction}
edges: [{name: membership}, {name: authorship}, {name: reference}]
task: {name: classification}
model: {name: relational_mean, hidden_channels: 8}
train: {epochs: 1}
analyses: [{name: attention}]
"""
ROWS = 20


def make_posts(folder: Path) -> Path:
    """Write a table with pictures, users and replies that nothing is wrong with, and its experiment."""
    (folder / "images").mkdir(parents=True)
    draws = np.random.default_rng(0)
    for row in range(ROWS):
        Image.fromarray(draws.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(folder / "images" / f"{row}.png")
    pd.DataFrame(
        {
            "id": [f"p{row}" for row in range(ROWS)],
            "text": [f"A red cross, number {row}." for row in range(ROWS)],
            "image": [f"{row}.png" for row in range(ROWS)],
            "author": ["ann", "bob", "cyd", "dan"] * (ROWS // 4),
            "label": ["yes", "no"] * (ROWS // 2),
            "split": ["train"] * (ROWS - 6) + ["dev"] * 3 + ["test"] * 3,
        }
    ).to_csv(folder / "posts.csv", index=False)
    people = {"id": ["ann", "bob", "cyd", "dan", "eve"], "followers": [1, 20, 300, 4, 5], "verified": ["true"] * 5, "country": ["ch"] * 5}
    pd.DataFrame(people).to_csv(folder / "users.csv", index=False)
    replies = {"id": ["r0", "r1", "r2"], "post": ["p0", "p1", "p2"], "who": ["bob"] * 3, "when": ["2026-01-01"] * 3, "parent": [""] * 3}
    pd.DataFrame(replies).to_csv(folder / "replies.csv", index=False)
    (folder / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    return folder


def answer(*arguments: str | Path) -> tuple[int, dict[str, Any], str]:
    """Run one command line; return exit status, the JSON of the last line, and what a person reads."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as words:
        status = run([*map(str, arguments), "--json", "-q"])
    assert "Traceback" not in words.getvalue(), words.getvalue()
    return status, json.loads(out.getvalue().splitlines()[-1]), words.getvalue()


def started(*arguments: object) -> subprocess.Popen[str]:
    """Start a command with `--json` in a process of its own, which Ctrl-C reaches even where whoever runs the tests has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what is ignored here is ignored there
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "graphfuse", *map(str, arguments), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
