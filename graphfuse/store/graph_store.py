"""A store that was written: samples, batches and what people read of them."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.errors import InputError, IntegrityError, suggest
from graphfuse.core.ragged import exclusive_sums, ragged_rows
from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.core.tables import SPLITS, IntArray, State
from graphfuse.store.batching import in_order, shard_windows, shuffled
from graphfuse.store.buffers import Allocate, Buffers, allocate_arrays
from graphfuse.store.columns import Shard, open_entities, open_shard
from graphfuse.store.frames import read_frame
from graphfuse.store.gather import gather
from graphfuse.store.gathered import Columns
from graphfuse.store.index import read_index
from graphfuse.store.integrity import check_digests, verified
from graphfuse.store.layout import QUARANTINE, SAMPLES, edge_ends, shard_file, state_file, units_file
from graphfuse.store.pyg import to_batch, to_sample
from graphfuse.store.read_ahead import ReadAhead
from graphfuse.store.stretches import take
from graphfuse.store.writer import read_state

MEMORY_BUDGET = 4 * 2**30
"""Bytes of shards kept open, and shuffled exactly. A fixed number, since the order of batches must not depend on the machine."""


def open_store(path: str | Path, *, verify: bool = True, memory_budget: int = MEMORY_BUDGET) -> "GraphStore":
    """Open a store that `graphfuse convert` made.

    Args:
        path: The store's folder.
        verify: Check the checksum of each file, of a shard that of each block, before its first use in this process. Turn it off only to time reading.
        memory_budget: Bytes of shards that are open at a time; a larger store is shuffled window by window, and the next window is
            opened while one is used.

    Raises:
        InputError: If there is no such folder.
        IntegrityError: If the store is not whole, damaged, or of another format.
    """
    return GraphStore(Path(path), verify=verify, memory_budget=memory_budget)


class GraphStore:
    """Samples as heterogeneous graphs, read from disk as they are needed.

    Every sample and batch carries all node and edge types of `schema`, empty where there is nothing.
    """

    path: Path
    schema: GraphSchema
    target: TargetSchema
    recipe: dict[str, Any]
    """The experiment that made the store, as plain JSON."""
    digests: dict[str, Any]
    """Digests of the inputs."""
    change: Mapping[str, Any] = {}
    """How batches differ from what is on disk, as plain JSON (`ChangedStore`); nothing here."""

    def __init__(self, path: Path, *, verify: bool = True, memory_budget: int = MEMORY_BUDGET) -> None:
        self._index = read_index(path)
        self.path = path
        self.schema = self._index.schema
        self.target = self._index.target
        self.recipe = self._index.recipe
        self.digests = self._index.digests
        self._verify = verify
        self._budget = memory_budget
        self._starts = exclusive_sums(np.array([shard["samples"] for shard in self._index.shards], dtype=np.int64))
        self._sizes = [int(self._index.files[shard_file(shard["number"])]["bytes"]) for shard in self._index.shards]
        self._ends = edge_ends(self.schema)
        self._begin()

    def _begin(self) -> None:
        """Have nothing open yet."""
        self._buffers = Buffers()
        self._ahead = ReadAhead(partial(self._read_shard, whole=True))
        self._open: OrderedDict[int, Shard] = OrderedDict()
        self._frames: OrderedDict[str, pd.DataFrame] = OrderedDict()
        self._turn = Lock()  # threads may share a store

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy, or another process, needs to open the files itself."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_buffers", "_ahead", "_open", "_frames", "_turn")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def __len__(self) -> int:
        """Return the number of samples."""
        return int(self._starts[-1])

    def sample(self, i: int) -> HeteroData:
        """Return the sample at a position, as a graph of its own."""
        positions = self._positions([i])
        return to_sample(self._columns(positions), positions, self.schema, self._entities)

    def batch(self, indices: npt.ArrayLike) -> Batch:
        """Return samples as one batch, in the order asked for: equal to `Batch.from_data_list([store.sample(i) for i in indices])`.

        Args:
            indices: Positions in the store, or a mask over it.
        """
        return self._batch(self._positions(indices))

    def batches(
        self, split: str | None = None, batch_size: int = 256, shuffle: bool = False, seed: int = 0, epoch: int = 0
    ) -> Iterator[Batch]:
        """Return an iterator over a split (None: all samples) in batches; the last may be smaller.

        Shuffled batches depend on (seed, epoch) only. Every sample comes once per epoch; inside a batch, samples are in store order.

        Raises:
            InputError: If the split is unknown or has no samples, or the batch size is below 1.
        """
        chosen = self.indices(split)
        if batch_size < 1:
            raise InputError(f"A batch must have at least 1 sample (got batch_size {batch_size}).")
        if not len(chosen):
            raise InputError(f"Split '{split or 'all'}' must have samples (has 0 of {len(self)}). Change dataset.split and convert again.")
        if not shuffle:
            return map(self._batch, in_order(chosen, batch_size))
        rng = np.random.default_rng([seed, epoch])
        windows = shard_windows(self._sizes, self._budget, rng)
        spans = [np.stack([self._starts[shards], self._starts[1:][shards]], axis=1) for shards in windows]
        if len(windows) == 1:
            return map(self._batch, shuffled(chosen, batch_size, spans, rng))
        needed = np.diff(np.searchsorted(chosen, self._starts)) > 0  # a shard may hold none of the split
        ahead = self._ahead.windows([[shard for shard in shards if needed[shard]] for shards in windows], spans)
        return map(self._batch, shuffled(chosen, batch_size, ahead, rng))

    def indices(self, split: str | None = None) -> IntArray:
        """Return the positions of a split's samples, ascending; none if the split is empty.

        Raises:
            InputError: If the split is not one of train, validation, test.
        """
        if split is None:
            return np.arange(len(self), dtype=np.int64)
        if split not in SPLITS:
            raise InputError(f"A split is one of {', '.join(SPLITS)} (got '{split[:40]}'). {suggest(split, SPLITS)}")
        return np.flatnonzero((self.samples["split"] == split).to_numpy()).astype(np.int64)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per sample: `sample_id`, `split`, `source_row`, targets as text, `sample_weight` if set, `has_<modality>`."""
        frame = self._frame(SAMPLES)
        if len(frame) != len(self) or not {"sample_id", "split"} <= set(frame.columns):
            raise IntegrityError(
                f"{self.path / SAMPLES} must have a row per sample with sample_id and split. Repeat convert into a new folder."
            )
        return frame

    @cached_property
    def quarantine(self) -> pd.DataFrame:
        """What was not used, and why (contract 5)."""
        return self._frame(QUARANTINE)

    def units(self, node_type: str, i: int) -> pd.DataFrame:
        """Return what a person can read of a sample's nodes of one type, one row per node, in node order."""
        return self.units_of(node_type, [i]).reset_index(drop=True)

    def units_of(self, node_type: str, indices: npt.ArrayLike) -> pd.DataFrame:
        """Return the units of many samples one below the other, in the order asked for.

        The table's index says to which of the samples asked for each row belongs.
        """
        if node_type not in self.schema.node_types:
            raise InputError(f"The store has no node type '{node_type[:40]}'. {suggest(node_type, self.schema.node_types)}")
        positions, kind, parts = self._positions(indices), self.schema.node_types.index(node_type), []
        numbers = np.searchsorted(self._starts, positions, side="right") - 1
        for number in np.flatnonzero(np.bincount(numbers)).tolist():
            places = np.flatnonzero(numbers == number)
            local = positions[places] - self._starts[number]
            pointers = self._shard(number).pointers[:, kind]
            first, count = pointers[local], pointers[local + 1] - pointers[local]
            name = units_file(node_type, self._index.shards[number]["number"])
            if count.any() or name in self._index.files:
                parts.append(self._units_frame(name).take(ragged_rows(first, count)).set_axis(np.repeat(places, count)))
        return pd.concat(parts).sort_index(kind="stable") if parts else pd.DataFrame()

    def _units_frame(self, name: str) -> pd.DataFrame:
        with self._turn:
            if name not in self._frames:
                self._frames[name] = self._frame(name)
                if len(self._frames) > 2 * len(self.schema.node_types):  # the shard at hand and the one before
                    self._frames.popitem(last=False)
            return self._frames[name]

    def targets(self, indices: npt.ArrayLike) -> npt.NDArray[Any] | None:
        """Return the targets of samples as the task encoded them, in the order asked for, or None.  [num_indices, ...]."""
        shards, shard_of, local = self._located(self._positions(indices))
        columns = [shard.y for shard in shards if shard.y is not None]
        return take(columns, shard_of, local, local + 1) if columns else None

    def node_counts(self, node_type: str) -> IntArray:
        """Return how many nodes of a type each sample has on disk.  [num_samples]."""
        number = self.schema.node_types.index(node_type)
        return np.concatenate([np.diff(self._shard(shard).pointers[:, number]) for shard in range(len(self._sizes))])

    def state(self, name: str) -> State:
        """Return a fitted state, such as `modalities-0-text`."""
        verified(self.path, state_file(name), self._index.files, check=self._verify)
        return read_state(self.path, name)

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the fitted states."""
        return tuple(sorted(Path(name).stem for name in self._index.files if name.startswith("state/")))

    def check(self) -> None:
        """Check every file by its SHA-256, some second per gigabyte; an IntegrityError names the first that is not as it was written."""
        check_digests(self.path, self._index.files)

    def _positions(self, indices: npt.ArrayLike) -> IntArray:
        asked = np.asarray(indices)
        if asked.dtype == bool and asked.shape == (len(self),):
            asked = np.flatnonzero(asked)
        if asked.ndim != 1 or not len(asked) or asked.dtype.kind not in "iu":
            raise InputError(
                f"Samples are named by a list of at least one whole number, or a mask over the store (got {str(indices)[:40]})."
            )
        if asked.min() < 0 or asked.max() >= len(self):
            raise InputError(f"Samples are numbered 0 to {len(self) - 1} (got {asked[(asked < 0) | (asked >= len(self))][0]}).")
        return asked.astype(np.int64)

    def _batch(self, positions: IntArray) -> Batch:
        return to_batch(self._columns(positions, self._buffers.allocate), positions, self.schema, self._entities)

    def _columns(self, positions: IntArray, allocate: Allocate = allocate_arrays) -> Columns:
        return gather(*self._located(positions), self._ends, allocate)

    def _located(self, positions: IntArray) -> tuple[list[Shard], IntArray, IntArray]:
        """Return the shards in which samples lie, checked there; of each sample its place among them, and its position within."""
        number = np.searchsorted(self._starts, positions, side="right") - 1
        local = positions - self._starts[number]
        occurring = np.flatnonzero(np.bincount(number))
        shard_of = np.searchsorted(occurring, number)
        shards = self._shards(occurring.tolist())
        for place, shard in enumerate(shards):
            if shard.blocks is not None and not shard.blocks.all_known:
                shard.blocks.check(local[shard_of == place])
        return shards, shard_of, local

    def _shard(self, number: int) -> Shard:
        return self._shards([number])[0]

    def _shards(self, numbers: list[int]) -> list[Shard]:
        with self._turn:
            missing = [number for number in numbers if number not in self._open]
            self._open.update({number: self._open_shard(number) for number in missing})
            shards = [self._open[number] for number in numbers]
            for number in numbers:
                self._open.move_to_end(number)
            used = sum(self._sizes[number] for number in self._open) if missing else 0
            while used > self._budget and len(self._open) > 1:
                used -= self._sizes[self._open.popitem(last=False)[0]]
            return shards

    def _open_shard(self, number: int) -> Shard:
        return self._ahead.take(number) or self._read_shard(number)

    def _read_shard(self, number: int, *, whole: bool = False) -> Shard:
        return open_shard(self.path, self._index, number, self._entities, check=self._verify, whole=whole)

    @cached_property
    def _entities(self) -> dict[str, npt.NDArray[Any]]:
        return {node_type: open_entities(self.path, self._index, node_type, check=self._verify) for node_type in self.schema.entity_types}

    def _frame(self, name: str) -> pd.DataFrame:
        verified(self.path, name, self._index.files, check=self._verify)
        return read_frame(self.path / name)
