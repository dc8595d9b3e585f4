"""An epoch, from stored samples to weights: load and step."""

from collections.abc import Iterator
from itertools import islice

from clock import race
from device import moved
from made import WORK, made_store
from networks import Step
from rows import Row
from torch_geometric.loader import DataLoader
from works.mean_step import networks

GOAL = 6
BATCH = 64


def rows(quick: bool) -> Iterator[Row]:
    """Yield one row: a shuffled epoch of means per relation, ours from the store, theirs from a list in memory."""
    num_samples = 256 if quick else 2_048
    store = made_store(WORK / "steps", 4_096, "float16")
    graphs = [store.sample(i) for i in range(num_samples)]
    ours, theirs = (Step(network) for network in networks(store.schema))
    loader = DataLoader(graphs, batch_size=BATCH, shuffle=True)

    def epoch(number: int) -> None:
        for batch in islice(store.batches(batch_size=BATCH, shuffle=True, seed=0, epoch=number), num_samples // BATCH):
            ours(moved(batch))

    def stock(_: int) -> None:
        for batch in loader:
            theirs(moved(batch))

    found = race({"ours": epoch, "peers": stock}, seconds=2 if quick else 30)
    yield Row(
        work=f"epoch of {num_samples:,} samples in batches of {BATCH}: load and step",
        peer="`DataLoader` and `HeteroConv(SAGEConv)`",
        goal=GOAL,
        floor=1.5,
        equal="batches (row 1) and steps (training step, mean), each apart",
        **found,
    )
