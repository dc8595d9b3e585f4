"""Conversion by two processes, beside conversion by one."""

import os
import shutil
from collections.abc import Iterator

from clock import race
from made import WORK
from made_content import made_posts
from rows import Row
from works.cache import assert_same

from graphfuse.encoders import torchvision_backbone, transformers_text
from graphfuse.pipeline import convert

HERE = WORK / "workers"
COUNTS = (192, 384)
SHARDS = 24
NOTHING_LEARNED = ("modalities.0.standardise=false", "modalities.1.standardise=false", "edges.2.name=candidate")
"""What is learned from train rows is learned by one process: of a large table a small part, of this one it would be most."""


def rows(quick: bool) -> Iterator[Row]:
    """Yield a row per number of posts; its ratios mean something only where two cores have nothing else to do."""
    if quick:  # the start of the processes would be all that is measured; tests compare the bytes
        return
    for count in COUNTS:
        yield _row(count)


def _row(count: int) -> Row:
    experiment = made_posts(HERE / f"posts-{count}", count, shard_size=count // SHARDS)
    os.environ["GRAPHFUSE_CACHE"] = str(HERE / "features")

    def by(workers: int) -> None:
        for folder in (HERE / f"by-{workers}", HERE / "features"):
            shutil.rmtree(folder, ignore_errors=True)
        for load in (transformers_text._load, torchvision_backbone._load):
            load.cache_clear()  # every conversion loads its networks, the workers' as well
        convert(experiment, HERE / f"by-{workers}", workers=workers, overrides=NOTHING_LEARNED)

    by(2), by(1)
    assert_same(HERE / "by-1", HERE / "by-2")
    return Row(
        work=f"conversion of {count} posts (text, picture) in {SHARDS} shards by 2 worker processes",
        peer="by 1",
        goal=1.7,
        floor=0.5,
        equal="every byte of the store",
        by="wall",
        note="2 x would be the limit. Both load their networks, and the start of the workers is counted; what they are forked from has been "
        "started before; learning from train rows is left out.",
        **race({"ours": lambda _: by(2), "peers": lambda _: by(1)}, seconds=1, fewest=3),
    )
