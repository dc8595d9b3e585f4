"""Compiled loops gather the same bits, and nothing that does not lie in a shard."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from store_toys import FULL, SCHEMA, toy_store

from graphfuse.core.compiled import Loops, has_compiler, use_kernels
from graphfuse.store.gather import gather
from graphfuse.store.graph_store import open_store
from graphfuse.store.layout import edge_ends

pytestmark = pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_shuffled_epoch_is_the_same_to_the_bit(tmp_path, dtype):
    store = open_store(toy_store(tmp_path, FULL * 5, dtype=dtype))
    expected = list(store.batches(batch_size=7, shuffle=True, seed=3))
    with use_kernels("compiled"):
        found = list(store.batches(batch_size=7, shuffle=True, seed=3))
    assert len(found) == len(expected)
    for mine, other in zip(found, expected, strict=True):
        for one, two in zip(mine.stores, other.stores, strict=True):
            assert list(one) == list(two)
            assert all(torch.equal(one[name], two[name]) for name in one if isinstance(two[name], torch.Tensor))


def test_every_number_of_float16_is_widened_exactly(tmp_path):
    shard = open_store(toy_store(tmp_path, FULL))._shard(0)
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    pointers = np.zeros((2, shard.pointers.shape[1]), dtype=np.int64)
    pointers[1, 0] = len(every)
    nodes = [every.reshape(-1, 1), *(column[:0] for column in shard.nodes[1:])]
    whole = replace(shard, pointers=pointers, nodes=nodes, edges=shard.edges[:0], weights={}, y=None)
    with use_kernels("compiled"):
        (found, *_) = gather([whole], np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), edge_ends(SCHEMA)).nodes
    found, expected = found.numpy(), every.astype(np.float32)
    number = ~np.isnan(expected)
    assert np.array_equal(found[number, 0].view(np.uint32), expected[number].view(np.uint32))
    assert np.isnan(found[~number]).all()
    assert (~number).any()


@pytest.mark.parametrize(("row", "value"), [(1, -1), (2, 10**9)])
def test_pointers_that_lead_out_of_a_shard_are_refused(tmp_path, row, value):
    shard = open_store(toy_store(tmp_path, FULL))._shard(0)
    for column in range(shard.pointers.shape[1]):
        pointers = shard.pointers.copy()
        pointers[row, column] = value
        damaged = replace(shard, pointers=pointers)
        with use_kernels("compiled"), pytest.raises(IndexError, match="opened unchecked"):
            gather([damaged], np.zeros(2, dtype=np.int64), np.arange(2), edge_ends(SCHEMA))


@pytest.mark.parametrize("local", [-1, len(FULL)])
def test_samples_that_a_shard_does_not_have_are_refused(tmp_path, local):
    shard = open_store(toy_store(tmp_path, FULL))._shard(0)
    with use_kernels("compiled"), pytest.raises(IndexError, match="lie in its shard"):
        gather([shard], np.zeros(1, dtype=np.int64), np.array([local]), edge_ends(SCHEMA))


def test_columns_shorter_than_their_pointers_say_are_refused(tmp_path):
    shard = open_store(toy_store(tmp_path, FULL))._shard(0)
    last = np.array([len(shard.pointers) - 2])
    short = {
        "nodes": [column[:-1] for column in shard.nodes],
        "edges": shard.edges[:-2],
        "weights": {number: column[:-1] for number, column in shard.weights.items()},
        "y": shard.y[:-1],
    }
    assert short["weights"]
    for name, columns in short.items():
        with use_kernels("compiled"), pytest.raises(IndexError, match="lie in its shard"):
            gather([replace(shard, **{name: columns})], np.zeros(1, dtype=np.int64), last, edge_ends(SCHEMA))


def test_nothing_is_compiled_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(Loops, "__init__", lambda *_, **__: pytest.fail("compiled"))
    assert open_store(toy_store(tmp_path, FULL)).batch([0, 1]).num_graphs == 2
