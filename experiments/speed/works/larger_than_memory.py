"""A shuffled epoch over a store that is larger than the memory it may use, from a cold cache, beside PyG's `OnDiskDataset`.

The store may hold a few of its shards at a time (`memory_budget`), and what is resident is measured batch by batch. The files of
all contestants are thrown out of the system's cache before each epoch; the peer may keep there what it reads.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from clock import Contestant, Times, clocked, times
from made import WORK, made_store
from rows import Row
from torch_geometric.data import Batch, OnDiskDataset
from torch_geometric.loader import DataLoader
from works.batches import check_equal

import graphfuse as gf
from graphfuse.store.graph_store import GraphStore
from graphfuse.store.integrity import forget

BATCH_SIZE = 256
SHARDS_IN_MEMORY = 2
PAGE = os.sysconf("SC_PAGE_SIZE")
ALLOWANCE = 128 * 2**20
"""Bytes beside the shards: some batches on their way, and what reading imports and starts."""


def rows(quick: bool) -> Iterator[Row]:
    """Yield a row for the first epoch of a process, in which digests are checked, and one for every later epoch."""
    num_samples, shard_size, rounds = (1_000, 128, 2) if quick else (10_000, 512, 3)
    folder = WORK / f"larger-{num_samples}-float16"
    made_store(folder, num_samples, shard_size=shard_size)
    files = sorted((folder / "shards").iterdir())
    budget = SHARDS_IN_MEMORY * max(file.stat().st_size for file in files)
    store = gf.open_store(folder, memory_budget=budget)
    peer = made_peer(WORK / f"larger-{num_samples}-sqlite", store)
    check_epochs(store, peer)
    found: dict[str, list[tuple[float, float]]] = {"first": [], "later": [], "peers": [], "limits": []}
    for number in range(rounds):
        forget()
        found["first"].append(cold(files, lambda epoch: bounded_epoch(store, epoch, budget), number))
        found["later"].append(cold(files, lambda epoch: bounded_epoch(store, epoch, budget), number + rounds))
        found["peers"].append(cold([*peer_files(peer)], lambda _: sum(batch.num_graphs for batch in loader(peer)), number))
        found["limits"].append(cold(files, lambda _: read(files), number))
    measured = {name: times(spent) for name, spent in found.items()}
    size = sum(file.stat().st_size for file in files)
    for name, said in (("first", "digests checked"), ("later", "digests known")):
        yield row(said, measured[name], measured, num_samples, size / budget, read_again(store, files))


def row(said: str, ours: Times, measured: dict[str, Times], num_samples: int, times_memory: float, again: float) -> Row:
    """Return one row of the table."""
    return Row(
        work=f"shuffled epoch of {num_samples:,} samples, store {times_memory:.0f} x the memory it may use, {said}",
        peer="`OnDiskDataset` (sqlite), `DataLoader`",
        limit="reading the same files from first to last",
        ours=ours,
        peers=measured["peers"],
        limits=measured["limits"],
        goal=100,
        goal_limit=2,
        floor=8,
        by="wall",
        equal="every sample once; x, edge_index, batch, ptr, y of every type",
        note=f"caches of files cold; bytes read / bytes in the files: {again:.2f}; resident memory stayed within the budget "
        f"and {ALLOWANCE >> 20} MiB",
    )


def bounded_epoch(store: GraphStore, epoch: int, budget: int) -> int:
    """Go through an epoch, and fail if more became resident than the budget and the allowance."""
    before, most, seen = resident(), 0, 0
    for batch in store.batches(batch_size=BATCH_SIZE, shuffle=True, epoch=epoch):
        seen += batch.num_graphs
        most = max(most, resident())
    assert seen == len(store)
    # windows are made ready one ahead, so that the parts of a shard that are checked (edges, not features) may be there twice
    assert most - before <= budget + ALLOWANCE, f"{most - before:,} bytes became resident, {budget:,} are allowed"
    return seen


def resident() -> int:
    """Return bytes of this process that are in memory, mapped files included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def cold(files: list[Path], work: Contestant, number: int) -> tuple[float, float]:
    """Return processor and wall seconds of a work that finds nothing of some files in the system's cache."""
    for file in files:
        handle = os.open(file, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
    return clocked(work, number)


def read(files: list[Path]) -> None:
    """Read files from first to last."""
    buffer = bytearray(4 * 2**20)
    for file in files:
        with file.open("rb", buffering=0) as open_file:
            while open_file.readinto(buffer):
                pass


def read_again(store: GraphStore, files: list[Path]) -> float:
    """Return bytes that a cold epoch reads from the disk, of those that are in the files."""

    def from_disk() -> int:
        fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
        return int(fields["read_bytes"])

    before = from_disk()
    cold(files, lambda _: [None for _ in store.batches(batch_size=BATCH_SIZE, shuffle=True)], 0)
    return (from_disk() - before) / sum(file.stat().st_size for file in files)


class OnDisk(OnDiskDataset):
    """PyG's data set on disk, as it comes: graphs over sqlite."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), backend="sqlite")


def made_peer(folder: Path, store: GraphStore) -> OnDisk:
    """Return the data set on disk, written if it is not there."""
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        peer = OnDisk(folder)
        for start in range(0, len(store), 500):
            peer.extend([store.sample(i) for i in range(start, min(start + 500, len(store)))])
        peer.close()
        (folder / "whole").touch()
    return OnDisk(folder)


def peer_files(peer: OnDisk) -> Iterator[Path]:
    """Return the files of the data set on disk."""
    return (path for path in Path(peer.root).rglob("*") if path.is_file())


def loader(peer: OnDisk) -> DataLoader:
    """Return a loader of shuffled batches."""
    return DataLoader(peer, batch_size=BATCH_SIZE, shuffle=True, generator=torch.Generator().manual_seed(0))


def check_epochs(store: GraphStore, peer: OnDisk) -> None:
    """Fail unless an epoch of ours gives every sample once, with the content that the peer has of it."""
    seen = torch.zeros(len(store), dtype=torch.long)
    for number, batch in enumerate(store.batches(batch_size=BATCH_SIZE, shuffle=True)):
        seen[batch.position] += 1
        if number % 10 == 0:
            check_equal(batch, Batch.from_data_list(peer.multi_get(batch.position.tolist())))
    assert (seen == 1).all()
    assert len(peer) == len(store)
