"""Opening a data set on disk and taking its first batch, files checked, beside `torch.load` of a list and `InMemoryDataset`.

Contestants run in this process, everything they read in the system's cache: what is compared is work, not the disk.
"""

import gc
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import torch
from clock import Times, race
from kernels import COMPILES, by_kernels
from made import WORK, made_store
from rows import Row
from torch_geometric.data import Batch, InMemoryDataset
from torch_geometric.loader import DataLoader
from works.batches import check_equal

import graphfuse as gf
from graphfuse.core.compiled import Kernels, use_kernels
from graphfuse.store.graph_store import GraphStore
from graphfuse.store.integrity import forget

BATCH_SIZE = 64
OURS: dict[str, Kernels] = {"ours": "torch", **({"compiled": "compiled"} if COMPILES else {})}


def rows(quick: bool) -> Iterator[Row]:
    """Yield a row per peer and kind of first batch."""
    num_samples, peer_samples = (2_000, 1_000) if quick else (100_000, 4_000)
    folder = WORK / f"opening-{num_samples}-float16"
    store = made_store(folder, num_samples)
    listed, collated = WORK / f"opening-{peer_samples}.pt", WORK / f"opening-{peer_samples}-processed"
    peers = {
        "`torch.load` of a list": partial(first_of_list, made_list(listed, store, peer_samples)),
        "`InMemoryDataset`": partial(first_of_dataset, made_dataset(collated, store, peer_samples)),
    }
    for peer in peers.values():
        check_equal(store.batch(range(BATCH_SIZE)), peer())
    for (name, peer), shuffle in product(peers.items(), (False, True)):
        racing = {
            "peers": lambda _, peer=peer: peer(),
            **{kind: partial(_of_store, folder, kernels, shuffle) for kind, kernels in OURS.items()},
        }
        found = race(racing, seconds=1 if quick else 15)
        floor = 50 if "list" in name else 5
        for took, loops, least in by_kernels(found, floor, floor):
            yield Row(
                work=f"open a store of {num_samples:,} samples, first batch of {BATCH_SIZE} {'shuffled' if shuffle else 'in order'}{loops}",
                peer=name,
                ours=took,
                peers=scaled(found["peers"], num_samples / peer_samples),
                goal=1000,
                floor=least,
                equal="x, edge_index, batch, ptr, y of every type of the first batch",
                note=""
                if loops
                else f"the peer was timed on {peer_samples:,} samples and its time multiplied; ours reads float16, and checks of every shard the header, the pointers and the blocks that the batch lies in before it uses them",
            )


def _of_store(folder: Path, kernels: Kernels, shuffle: bool, _number: int) -> Batch:
    forget()  # as in a process that has checked no file yet
    with use_kernels(kernels):
        return first_of_store(folder, shuffle)


def first_of_store(folder: Path, shuffle: bool) -> Batch:
    """Return the first batch of a store, from nothing."""
    return next(gf.open_store(folder).batches(batch_size=BATCH_SIZE, shuffle=shuffle))


def first_of_list(path: Path) -> Batch:
    """Return the first batch of a list of graphs."""
    return next(iter(DataLoader(torch.load(path, weights_only=False), batch_size=BATCH_SIZE)))


def first_of_dataset(path: Path) -> Batch:
    """Return the first batch of a data set that was collated into one graph."""
    return next(iter(DataLoader(Collated(path), batch_size=BATCH_SIZE)))


class Collated(InMemoryDataset):
    """PyG's data set in memory, read from what `save` wrote."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.load(str(path))


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
