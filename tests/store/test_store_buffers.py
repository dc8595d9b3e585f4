"""Memory of batches is used again when nobody holds it, and never before."""

import threading

import numpy as np
import torch
from store_toys import FULL, toy_store

from graphfuse.store.buffers import KEPT, Buffers
from graphfuse.store.graph_store import open_store

SHAPES = [(300, 7), (0, 5), (200, 3)]


def begins(array):
    return array.__array_interface__["data"][0]


def test_arrays_have_their_shapes_and_do_not_overlap():
    arrays = Buffers().allocate(SHAPES)

    for number, array in enumerate(arrays):
        array[:] = number
    assert [array.shape for array in arrays] == SHAPES
    assert [np.unique(array).tolist() for array in arrays] == [[0], [], [2]]
    assert all(begins(array) % 4 == 0 for array in arrays)


def test_memory_that_nobody_holds_is_used_again():
    buffers = Buffers()
    arrays = buffers.allocate(SHAPES)
    place = begins(arrays[0])
    del arrays

    assert begins(buffers.allocate(SHAPES)[0]) == place


def test_memory_is_kept_by_whatever_was_made_of_it():
    buffers = Buffers()
    for made in (
        lambda arrays: arrays[2],
        lambda arrays: arrays[0][5:9].T,
        lambda arrays: torch.from_numpy(arrays[0])[:, 1],
        lambda arrays: torch.from_numpy(arrays[2]).untyped_storage(),
        lambda arrays: torch.from_numpy(arrays[0]).detach().numpy()[3:],
        lambda arrays: torch.from_dlpack(torch.from_numpy(arrays[0])),
        lambda arrays: (torch.from_numpy(arrays[0]) * torch.ones(7, requires_grad=True)).grad_fn,
        lambda arrays: (row for row in arrays[2]),
        lambda arrays: memoryview(arrays[0]),
    ):
        arrays = buffers.allocate(SHAPES)
        held, place = made(arrays), begins(arrays[0])
        del arrays
        assert begins(buffers.allocate(SHAPES)[0]) != place
        del held
    assert len(buffers._free) <= KEPT


def test_a_small_array_does_not_hold_a_large_buffer():
    buffers = Buffers()
    del buffers.allocate([(100_000, 10)])[:]
    small = buffers.allocate([(10, 10)])[0]

    assert small.base.nbytes < 10_000


def test_a_batch_as_large_as_a_store_is_not_kept(monkeypatch):
    monkeypatch.setattr("graphfuse.store.buffers.LARGEST", 10_000)
    buffers = Buffers()
    arrays = buffers.allocate(SHAPES)
    assert [array.shape for array in arrays] == SHAPES
    del arrays

    assert len(buffers._free) == 0


def test_threads_are_never_given_the_same_memory():
    buffers, mixed = Buffers(), []

    def work(number):
        for _ in range(300):
            array = buffers.allocate([(50, 4)])[0]
            array[:] = number
            if (array != number).any():
                mixed.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mixed == []


def test_a_batch_keeps_its_content_while_others_are_made(tmp_path):
    store = open_store(toy_store(tmp_path, FULL))
    kept = store.batch([0, 1, 2])
    features = kept["text_span"].x[1:]
    before = features.clone()
    del kept

    for _ in range(10):
        store.batch([3, 4, 5])

    assert torch.equal(features, before)


def test_epoch_that_is_kept_as_a_list_equals_one_that_is_not(tmp_path):
    store = open_store(toy_store(tmp_path, FULL * 3))

    kept = list(store.batches(batch_size=4, shuffle=True))

    for mine, again in zip(kept, store.batches(batch_size=4, shuffle=True), strict=True):
        assert all(torch.equal(mine[name].x, again[name].x) for name in store.schema.node_types)
