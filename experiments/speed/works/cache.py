"""Conversion of a table whose features were computed before, beside the first conversion."""

import filecmp
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from clock import race
from made import WORK
from made_content import made_posts
from rows import Row

from graphfuse.pipeline import convert

HERE = WORK / "cache"


def rows(quick: bool) -> Iterator[Row]:
    """Yield one row."""
    count = 32 if quick else 192
    experiment = made_posts(HERE / "posts", count, shard_size=max(32, count // 4))
    filled = HERE / "filled"
    shutil.rmtree(filled, ignore_errors=True)
    _convert(experiment, filled, HERE / "first")
    _convert(experiment, filled, HERE / "second")
    assert_same(HERE / "first", HERE / "second")

    def cold(_: int) -> None:
        shutil.rmtree(HERE / "empty", ignore_errors=True)
        _convert(experiment, HERE / "empty", HERE / "cold")

    found = race(
        {"ours": lambda _: _convert(experiment, filled, HERE / "warm"), "peers": cold},
        seconds=1 if quick else 60,
        fewest=1 if quick else 3,
    )
    yield Row(
        work=f"conversion of {count} posts (text, picture) with a warm cache",
        peer="the same conversion with a cold one",
        goal=20,
        floor=3,
        equal="every byte of the store",
        by="wall",
        note="both write and sync the whole store",
        **found,
    )


def _convert(experiment: Path, cache: Path, out: Path) -> None:
    """Convert into a new folder."""
    shutil.rmtree(out, ignore_errors=True)
    os.environ["GRAPHFUSE_CACHE"] = str(cache)
    convert(experiment, out)


def assert_same(one: Path, other: Path) -> None:
    """Fail unless two folders hold the same files with the same bytes."""
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file())
    assert not any(filecmp.cmpfiles(one, other, names, shallow=False)[1:])
