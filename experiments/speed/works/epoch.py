"""An epoch, from stored samples to weights: load and step."""

from collections.abc import Callable, Iterator
from itertools import islice

from clock import race
from device import moved
from kernels import COMPILES, by_kernels
from made import WORK, made_store
from networks import Network, Step
from rows import Row
from torch_geometric.loader import DataLoader
from works.mean_step import networks

from graphfuse.core.compiled import Kernels, use_kernels

GOAL = 6
BATCH = 64


def rows(quick: bool) -> Iterator[Row]:
    """Yield rows: a shuffled epoch of means per relation, ours from the store, theirs from a list in memory."""
    num_samples = 256 if quick else 2_048
    store = made_store(WORK / "steps", 4_096, "float16")
    graphs = [store.sample(i) for i in range(num_samples)]
    loader = DataLoader(graphs, batch_size=BATCH, shuffle=True)
    ours, theirs = networks(store.schema)

    def epoch(network: Network, kernels: Kernels) -> Callable[[int], None]:
        step = Step(network, kernels)

        def work(number: int) -> None:
            with use_kernels(kernels):
                for batch in islice(store.batches(batch_size=BATCH, shuffle=True, seed=0, epoch=number), num_samples // BATCH):
                    step(moved(batch))

        return work

    step = Step(theirs)

    def stock(_: int) -> None:
        for batch in loader:
            step(moved(batch))

    racing = {"ours": epoch(ours, "torch"), "peers": stock}
    if COMPILES:
        racing["compiled"] = epoch(networks(store.schema)[0], "compiled")
    found = race(racing, seconds=2 if quick else 30)
    for ours_took, loops, floor in by_kernels(found, 1.5, 2):
        yield Row(
            work=f"epoch of {num_samples:,} samples in batches of {BATCH}: load and step{loops}",
            ours=ours_took,
            peer="`DataLoader` and `HeteroConv(SAGEConv)`",
            peers=found["peers"],
            goal=GOAL,
            floor=floor,
            equal="batches (row 1) and steps (training step, mean), each apart",
        )
