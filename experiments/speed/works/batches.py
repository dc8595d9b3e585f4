"""A batch of mixed graphs from the store, beside PyG's own batching of a list in memory."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from clock import race
from kernels import COMPILES, by_kernels
from made import SHARD, WORK, made_store
from rows import Row
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.compiled import Kernels, use_kernels
from graphfuse.store.graph_store import GraphStore

GOALS = {64: 30, 256: 60}
DRAWS = 200
"""Different batches that the rounds go through."""


def rows(quick: bool) -> Iterator[Row]:
    """Yield a row per size and element type."""
    num_samples = 1_000 if quick else 20_000
    for dtype in ("float32", "float16"):
        store = made_store(WORK / f"batches-{num_samples}-{dtype}", num_samples, dtype)
        graphs = [store.sample(i) for i in range(len(store))]
        for size in (64, 256):
            yield from _rows(store, graphs, dtype, size, seconds=1 if quick else 10)


def _rows(store: GraphStore, graphs: list[HeteroData], dtype: str, size: int, seconds: float) -> Iterator[Row]:
    draws = [np.random.default_rng(number).choice(len(store), size, replace=False) for number in range(DRAWS)]
    first = Batch.from_data_list([graphs[i] for i in draws[0]])
    tensors = [value for kind in store.batch(draws[0]).stores for value in kind.values() if isinstance(value, torch.Tensor)]
    targets = [torch.empty_like(tensor) for tensor in tensors]

    def ours(kernels: Kernels) -> Callable[[int], object]:
        def work(number: int) -> object:
            with use_kernels(kernels):
                return store.batch(draws[number % DRAWS])

        check_equal(work(0), first)
        return work

    racing = {
        "ours": ours("torch"),
        "peers": lambda number: Batch.from_data_list([graphs[i] for i in draws[number % DRAWS]]),
        "limits": lambda _: [target.copy_(tensor) for target, tensor in zip(targets, tensors, strict=True)],
        "scattered": lambda number: scattered_copy(store, draws[number % DRAWS], targets),
    }
    found = race({**racing, **({"compiled": ours("compiled")} if COMPILES else {})}, seconds=seconds)
    for ours_took, loops, floor in by_kernels(found, 8, 8):
        yield Row(
            work=f"batch of {size} mixed graphs from the store ({dtype}){loops}",
            ours=ours_took,
            peer="`Batch.from_data_list`, list in memory",
            peers=found["peers"],
            limit="copying the same bytes",
            limits=found["limits"],
            goal=GOALS[size],
            goal_limit=3,
            floor=floor,
            equal="x, edge_index, batch, ptr, y of every type",
            note=""
            if loops
            else f"copying the features alone, as they are, from where they lie in the store: {found['scattered'].cpu * 1e3:.2g} ms",
        )


def scattered_copy(store: GraphStore, positions: np.ndarray, targets: list[torch.Tensor]) -> None:
    """Copy as many bytes of features as a batch has, in stretches as long as a sample's, from where some samples lie."""
    shards = [store._shard(number) for number in range(-(-len(store) // SHARD))]
    features = [target.numpy() for target in targets if target.dtype == torch.float32 and target.dim() == 2]
    for number, out in enumerate(features):
        each, stretches = len(out) // len(positions), []
        for position in positions.tolist():
            source = shards[position // SHARD].nodes[number]
            first = int(position % SHARD / SHARD * (len(source) - each))
            stretches.append(source[first : first + each])
        narrow = out.view(stretches[0].dtype).reshape(-1)[: each * len(positions) * out.shape[1]]  # float16 stays narrow
        np.concatenate(stretches, out=narrow.reshape(-1, out.shape[1]))


def check_equal(ours: Batch, theirs: Batch) -> None:
    """Fail unless the two batches hold the same."""
    for key in (*ours.node_types, *ours.edge_types):
        for name in ("x", "batch", "ptr") if isinstance(key, str) else ("edge_index",):
            assert torch.equal(ours[key][name], theirs[key][name]), (key, name)
    assert torch.equal(ours.y, theirs.y)
