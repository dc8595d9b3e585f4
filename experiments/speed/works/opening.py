"""Opening a data set on disk and taking its first batch, files checked, beside `torch.load` of a list and `InMemoryDataset`.

Contestants run in this process, everything they read in the system's cache: what is compared is work, not the disk.
"""

import gc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from clock import Times, clocked, times
from made import WORK, made_store
from rows import Row
from torch_geometric.data import Batch, InMemoryDataset
from torch_geometric.loader import DataLoader
from works.batches import check_equal

import graphfuse as gf
from graphfuse.store.graph_store import GraphStore
from graphfuse.store.integrity import forget

BATCH_SIZE = 64


def rows(quick: bool) -> Iterator[Row]:
    """Yield a row per peer and kind of first batch."""
    num_samples, peer_samples = (2_000, 1_000) if quick else (100_000, 4_000)
    folder = WORK / f"opening-{num_samples}-float16"
    store = made_store(folder, num_samples)
    peers = {
        "`torch.load` of a list": (made_list(WORK / f"opening-{peer_samples}.pt", store, peer_samples), first_of_list),
        "`InMemoryDataset`": (made_dataset(WORK / f"opening-{peer_samples}-processed", store, peer_samples), first_of_dataset),
    }
    for path, first in peers.values():
        check_equal(store.batch(range(BATCH_SIZE)), first(path, shuffle=False))
    ours = {shuffle: times([fresh(partial(first_of_store, folder, shuffle=shuffle)) for _ in range(3)]) for shuffle in (False, True)}
    for name, (path, first) in peers.items():
        theirs = times([fresh(partial(first, path, shuffle=False)) for _ in range(1 if quick else 3)])
        for shuffle in (False, True):
            yield row(name, shuffle, num_samples, peer_samples, ours[shuffle], scaled(theirs, num_samples / peer_samples))


def row(peer: str, shuffle: bool, num_samples: int, peer_samples: int, ours: Times, theirs: Times) -> Row:
    """Return one row of the table."""
    return Row(
        work=f"open a store of {num_samples:,} samples, first batch of {BATCH_SIZE} {'shuffled' if shuffle else 'in order'}",
        peer=peer,
        ours=ours,
        peers=theirs,
        goal=1000,
        floor=50 if "list" in peer else 5,
        equal="x, edge_index, batch, ptr, y of every type of the first batch",
        note=f"the peer was timed on {peer_samples:,} samples and its time multiplied; ours reads float16, and checks of every shard the header, the pointers and the blocks that the batch lies in before it uses them",
    )


def first_of_store(folder: Path, shuffle: bool) -> Batch:
    """Return the first batch of a store, from nothing."""
    return next(gf.open_store(folder).batches(batch_size=BATCH_SIZE, shuffle=shuffle))


def first_of_list(path: Path, shuffle: bool) -> Batch:
    """Return the first batch of a list of graphs."""
    return next(iter(DataLoader(torch.load(path, weights_only=False), batch_size=BATCH_SIZE, shuffle=shuffle)))


def first_of_dataset(path: Path, shuffle: bool) -> Batch:
    """Return the first batch of a data set that was collated into one graph."""
    return next(iter(DataLoader(Collated(path), batch_size=BATCH_SIZE, shuffle=shuffle)))


class Collated(InMemoryDataset):
    """PyG's data set in memory, read from what `save` wrote."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.load(str(path))


def fresh(work: Callable[[], object]) -> tuple[float, float]:
    """Time a work in a process that has checked no file yet."""
    forget()
    return clocked(lambda _: work())


def scaled(measured: Times, scale: float) -> Times:
    """Return the times of a work that grows with its samples, at another number of them."""
    return Times(cpu=measured.cpu * scale, wall=measured.wall * scale, rounds=measured.rounds)


def made_list(path: Path, store: GraphStore, num_samples: int) -> Path:
    """Write the first samples as `torch.save` writes a list of graphs, unless they are there."""
    if not path.exists():
        torch.save([store.sample(i) for i in range(num_samples)], path)
        gc.collect()
    return path


def made_dataset(folder: Path, store: GraphStore, num_samples: int) -> Path:
    """Write the first samples as `InMemoryDataset` keeps them, unless they are there."""
    path = folder / "data.pt"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        InMemoryDataset.save([store.sample(i) for i in range(num_samples)], str(path))
    return path
