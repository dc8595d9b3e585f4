"""A shuffled epoch over a store that is larger than the memory it may use, from a cold cache, beside PyG's `OnDiskDataset`.

All contestants take turns in one process whose memory the system limits, with what it reads counted (`limited.py`), so that none of
them can live from the system's cache. Where no such limit can be set, the store may still hold a few of its shards at a
time only (`memory_budget`), and what is resident is measured batch by batch; the peer may then keep in the cache what it reads.
"""

import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from clock import Contestant, Times, clocked, times
from limited import Group, memory_group
from made import WORK, made_store
from rows import Row
from torch_geometric.data import Batch, OnDiskDataset
from torch_geometric.loader import DataLoader
from works.batches import check_equal
from works.opening import scaled

import graphfuse as gf
from graphfuse.store.graph_store import GraphStore
from graphfuse.store.integrity import forget

SHARDS_IN_MEMORY = 2
PAGE = os.sysconf("SC_PAGE_SIZE")
ALLOWANCE = 128 * 2**20
"""Bytes beside the shards: some batches on their way, and what reading imports and starts."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """How much is read, and with how little memory."""

    samples: int
    peer_samples: int
    """The peer is timed on the first of the samples, as many as fill whole shards, and its time multiplied."""
    shard: int
    batch: int
    rounds: int
    room: int
    """Bytes that the limited process may have beside what it had when everything was imported and opened."""


QUICK = Case(samples=2_048, peer_samples=512, shard=128, batch=64, rounds=1, room=48 * 2**20)
FULL = Case(samples=81_920, peer_samples=10_240, shard=512, batch=256, rounds=2, room=160 * 2**20)


def rows(quick: bool) -> Iterator[Row]:
    """Yield the row, after measuring in a process of its own."""
    case = QUICK if quick else FULL
    folder, peer = places(case)
    made_peer(peer, made_store(folder, case.samples, shard_size=case.shard), case.peer_samples)
    gc.collect()  # a file that is mapped somewhere cannot be thrown out of the cache
    with memory_group("graphfuse-bench") as group:
        found = measured_apart(case, group)
    measured = {name: Times(**spent) for name, spent in found["times"].items()}
    size = sum(file.stat().st_size for file in shard_files(folder))
    if group:
        said = f"its memory limited to {case.room >> 20} MiB beside what was allocated before"
        limited = (
            f"the limit was the system's, {found['limit'] >> 20} MiB for the process and all that it reads, of which "
            f"{found['before'] >> 20} were in use before the first epoch; at most {found['most'] >> 20} were used; "
            f"something had to be thrown out {found['refusals']:,} times"
        )
    else:
        said = f"{found['budget'] >> 20} MiB of shards at a time"
        limited = f"the system could set no limit: resident memory stayed within the budget and {ALLOWANCE >> 20} MiB"
    yield Row(
        work=f"shuffled epoch of {case.samples:,} samples ({size >> 20} MiB), {said}, checksums checked",
        peer="`OnDiskDataset` (sqlite), `DataLoader`",
        limit="reading the same files from first to last",
        ours=measured["ours"],
        peers=scaled(measured["peers"], case.samples / case.peer_samples),
        limits=measured["limits"],
        goal=100,
        goal_limit=2,
        floor=8,
        by="wall",
        equal="every sample once; x, edge_index, batch, ptr, y of every type",
        note=f"the peer was timed on {case.peer_samples:,} samples and its time multiplied; caches of files cold; {limited}; bytes that ours read / bytes in the files: {found['read'] / size:.2f}",
    )


def places(case: Case) -> tuple[Path, Path]:
    """Return the folders of the store and of the peer."""
    return WORK / f"larger-{case.samples}-{case.shard}-float16", WORK / f"larger-{case.peer_samples}-{case.shard}-sqlite"


def shard_files(folder: Path) -> list[Path]:
    """Return the files that an epoch reads."""
    return sorted((folder / "shards").iterdir())


def measured_apart(case: Case, group: Group | None) -> dict[str, Any]:
    """Return what `measure` finds in a new process, a member of the group from its first byte on."""
    command = [sys.executable, "-m", "works.larger_than_memory", json.dumps(asdict(case)), str(group.path) if group else ""]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], preexec_fn=group and group.join, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(case: Case, group: Group | None) -> dict[str, Any]:
    """Let the contestants take turns under the limit, after they were found equal without it."""
    folder, peer_folder = places(case)
    files = shard_files(folder)
    budget = SHARDS_IN_MEMORY * max(file.stat().st_size for file in files)
    store, peer = gf.open_store(folder, memory_budget=budget), made_peer(peer_folder, gf.open_store(folder), case.peer_samples)
    check_epochs(store, peer, case.batch)
    gc.collect()
    torch.set_num_threads(1)
    limit = group.limit(case.room) if group else 0
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "peers": [], "limits": []}
    reading = []
    for number in range(case.rounds):
        forget()
        before = from_disk()
        found["ours"].append(cold(files, lambda epoch: bounded_epoch(store, epoch, case.batch, budget), number))
        reading.append(from_disk() - before)
        found["peers"].append(cold([*peer_files(peer)], lambda _: sum(batch.num_graphs for batch in loader(peer, case.batch)), number))
        found["limits"].append(cold(files, lambda _: read(files), number))
    return {
        "times": {name: asdict(times(spent)) for name, spent in found.items()},
        "budget": budget,
        "limit": limit,
        "before": limit - case.room,
        "most": group.most_used() if group else 0,
        "refusals": group.refusals() if group else 0,
        "read": reading[0],
    }


def bounded_epoch(store: GraphStore, epoch: int, batch_size: int, budget: int) -> int:
    """Go through an epoch, and fail if more became resident than the budget and the allowance."""
    before, most, seen = resident(), 0, 0
    for batch in store.batches(batch_size=batch_size, shuffle=True, epoch=epoch):
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


def from_disk() -> int:
    """Return the bytes that this process had the system read from disks."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["read_bytes"])


class OnDisk(OnDiskDataset):
    """PyG's data set on disk, as it comes: graphs over sqlite."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), backend="sqlite")


def made_peer(folder: Path, store: GraphStore, num_samples: int) -> OnDisk:
    """Return the data set on disk, written if it is not there."""
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        peer = OnDisk(folder)
        for start in range(0, num_samples, 512):
            peer.extend([store.sample(i) for i in range(start, min(start + 512, num_samples))])
        peer.close()
        (folder / "whole").touch()
    return OnDisk(folder)


def peer_files(peer: OnDisk) -> Iterator[Path]:
    """Return the files of the data set on disk."""
    return (path for path in Path(peer.root).rglob("*") if path.is_file())


def loader(peer: OnDisk, batch_size: int) -> DataLoader:
    """Return a loader of shuffled batches."""
    return DataLoader(peer, batch_size=batch_size, shuffle=True, generator=torch.Generator().manual_seed(0))


def check_epochs(store: GraphStore, peer: OnDisk, batch_size: int) -> None:
    """Fail unless an epoch of ours gives every sample once, with the content that the peer has of it."""
    seen, compared = torch.zeros(len(store), dtype=torch.long), 0
    for number, batch in enumerate(store.batches(batch_size=batch_size, shuffle=True)):
        seen[batch.position] += 1
        if (shared := batch.position[batch.position < len(peer)].tolist()) and number % 10 == 0:
            check_equal(store.batch(shared), Batch.from_data_list(peer.multi_get(shared)))
            compared += len(shared)
    assert (seen == 1).all()
    assert compared


if __name__ == "__main__":
    print(json.dumps(measure(Case(**json.loads(sys.argv[1])), Group(Path(sys.argv[2])) if sys.argv[2] else None)))
