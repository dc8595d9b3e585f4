"""Contract 1: batches equal PyG's own, in any order, over any number of shards."""

import copy
import gc
import pickle
import tempfile
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from store_toys import FULL, HOLES, SCHEMA, WORDS, toy_store
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.compiled import has_compiler, use_kernels
from graphfuse.core.errors import InputError
from graphfuse.store.arrays import map_arrays
from graphfuse.store.graph_store import open_store

KERNELS = ["torch", "compiled"] if has_compiler() else ["torch"]
counts = st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2))
shards = st.lists(st.lists(counts, min_size=1, max_size=5), min_size=1, max_size=3)


def assert_equal(ours, pygs):
    assert ours.node_types == pygs.node_types
    assert ours.edge_types == pygs.edge_types
    for mine, theirs in zip(ours.stores, pygs.stores, strict=True):
        assert list(mine.keys()) == list(theirs.keys())
        for name in theirs:
            assert mine[name].dtype == theirs[name].dtype, name
            assert mine[name].shape == theirs[name].shape, name
            assert torch.equal(mine[name], theirs[name]), name


def test_targets_are_those_of_a_batch_of_the_same_samples(tmp_path):
    store = open_store(toy_store(tmp_path / "store", FULL))
    assert store.targets([5, 0, 3, 0]).tolist() == store.batch([5, 0, 3, 0]).y.tolist()
    assert open_store(toy_store(tmp_path / "none", FULL, target=False)).targets([0]) is None


@settings(max_examples=50, deadline=None)
@given(shards, st.data(), st.sampled_from(["float16", "float32"]), st.sampled_from(KERNELS))
def test_batch_equals_pygs_batch_of_the_same_samples(counts_by_shard, data, dtype, kernels):
    with tempfile.TemporaryDirectory() as folder, use_kernels(kernels):
        store = open_store(toy_store(Path(folder), counts_by_shard, dtype=dtype))
        asked = data.draw(st.lists(st.integers(0, len(store) - 1), min_size=1, max_size=8))
        samples = [store.sample(i) for i in asked]
        ours, pygs = store.batch(asked), Batch.from_data_list(samples)

    assert type(ours) is type(pygs)
    assert ours.num_graphs == pygs.num_graphs == len(asked)
    assert_equal(ours, pygs)
    for name in ("_slice_dict", "_inc_dict"):
        mine, theirs = getattr(ours, name), getattr(pygs, name)
        assert set(mine) == set(theirs)
        for key, value in theirs.items():
            for attribute, tensor in value.items() if isinstance(value, dict) else [(None, value)]:
                assert torch.equal(mine[key] if attribute is None else mine[key][attribute], tensor), (name, key, attribute)
    for example, sample in zip(ours.to_data_list(), samples, strict=True):
        assert isinstance(example, HeteroData)
        assert_equal(example, sample)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize(
    "asked", [[*range(12, 24), *range(12)], [i // 2 + i % 2 * 12 for i in range(24)]], ids=["side by side", "by turns"]
)
def test_samples_of_two_shards_are_the_same_whether_they_stand_side_by_side_or_by_turns(tmp_path, dtype, asked):
    store = open_store(toy_store(tmp_path, [[[2, 1, 1], [0, 3, 2], [3, 0, 0]] * 4] * 2, dtype=dtype))

    assert_equal(store.batch(asked), Batch.from_data_list([store.sample(i) for i in asked]))


def test_batch_holds_what_was_written(tmp_path):
    store = open_store(toy_store(tmp_path, FULL, dtype="float32"))

    batch = store.batch([4, 0, 5])

    assert batch.position.tolist() == [4, 0, 5]
    assert batch["text_span"].batch.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert batch["text_span"].ptr.tolist() == [0, 3, 5, 7]
    users = map_arrays(tmp_path / "entities/user.safetensors")["x"]
    assert np.array_equal(batch["user"].x, users[batch["user"].entity])
    source, destination = batch[WORDS].edge_index
    assert torch.equal(batch["text_span"].batch[source], batch["image_region"].batch[destination])
    assert batch[WORDS].edge_weight.shape == source.shape


def test_edges_are_sorted_by_destination(tmp_path):
    store = open_store(toy_store(tmp_path, FULL))

    for edge_type in SCHEMA.edge_types:
        assert (store.batch([3, 1, 2])[edge_type].edge_index[1].diff() >= 0).all()


def test_types_that_a_sample_lacks_are_empty_and_keep_their_width(tmp_path):
    store = open_store(toy_store(tmp_path, HOLES))

    bare = store.sample(3)  # neither text nor picture nor user

    assert bare.node_types == list(SCHEMA.node_types)
    assert bare.edge_types == list(SCHEMA.edge_types)
    assert bare["text_span"].x.shape == (0, 3)
    assert bare["user"].entity.shape == (0,)
    assert bare[WORDS].edge_index.shape == (2, 0)
    assert bare[WORDS].edge_weight.shape == (0,)
    assert store.batch([3])["image_region"].x.shape == (0, 2)


def test_features_are_float32_whatever_is_on_disk(tmp_path):
    for dtype in ("float16", "float32"):
        batch = open_store(toy_store(tmp_path / dtype, FULL, dtype=dtype)).batch([0, 1])
        assert {x.dtype for x in batch.x_dict.values()} == {torch.float32}


def test_store_without_target_gives_batches_without_y(tmp_path):
    batch = open_store(toy_store(tmp_path, FULL, target=False)).batch([0, 1])

    assert "y" not in batch
    assert len(batch.to_data_list()) == 2


def test_mask_and_tensor_name_samples_too(tmp_path):
    store = open_store(toy_store(tmp_path, FULL))

    assert store.batch(np.arange(6) % 2 == 0).position.tolist() == [0, 2, 4]
    assert store.batch(torch.tensor([5, 1])).position.tolist() == [5, 1]


@pytest.mark.parametrize(
    ("indices", "said"), [([6], "0 to 5 .got 6"), ([-1], "0 to 5 .got -1"), ([], "at least one"), ([0.5], "whole number")]
)
def test_sample_that_does_not_exist_is_named(tmp_path, indices, said):
    store = open_store(toy_store(tmp_path, FULL))

    with pytest.raises(InputError, match=said):
        store.batch(indices)


def test_batches_cover_a_split_in_order(tmp_path):
    store = open_store(toy_store(tmp_path, FULL))

    assert [batch.position.tolist() for batch in store.batches("train", batch_size=2)] == [[0, 3], [4]]
    assert [batch.position.tolist() for batch in store.batches(batch_size=100)] == [[0, 1, 2, 3, 4, 5]]


def test_shuffle_depends_on_seed_and_epoch_and_covers_every_sample(tmp_path):
    store = open_store(toy_store(tmp_path, [[[1, 1, 1]] * 8] * 5))

    def order(**settings):
        return [batch.position.tolist() for batch in store.batches(batch_size=7, shuffle=True, **settings)]

    assert order(seed=1, epoch=2) == order(seed=1, epoch=2)
    assert order(seed=1, epoch=2) != order(seed=1, epoch=3)
    assert order(seed=1, epoch=2) != order(seed=2, epoch=2)
    assert sorted(position for batch in order() for position in batch) == list(range(40))
    assert [len(batch) for batch in order()] == [7, 7, 7, 7, 7, 5]


def test_store_beyond_the_memory_budget_is_shuffled_in_windows(tmp_path):
    folder = toy_store(tmp_path, [[[1, 1, 1]] * 8] * 6)
    shard = (folder / "shards/00000.safetensors").stat().st_size
    store = open_store(folder, memory_budget=int(2.5 * shard))
    opened = []
    batches = []
    for batch in store.batches(batch_size=5, shuffle=True, seed=3):
        batches.append(batch.position.tolist())
        opened.append(len(store._open))

    assert sorted(position for batch in batches for position in batch) == list(range(48))
    assert [len(batch) for batch in batches] == [5] * 9 + [3]
    assert max(opened) == 2  # memory stays bounded
    first_window = {position // 8 for batch in batches[:3] for position in batch}
    assert len(first_window) == 2  # the first 15 of 16 samples of a window of two shards
    again = open_store(folder, memory_budget=int(2.5 * shard)).batches(batch_size=5, shuffle=True, seed=3)
    assert [batch.position.tolist() for batch in again] == batches


def test_unknown_split_is_told_the_known_ones(tmp_path):
    store = open_store(toy_store(tmp_path, FULL))

    with pytest.raises(InputError, match=r"train, validation, test .got 'trian'.*Did you mean 'train'"):
        store.batches("trian")


def test_empty_split_says_what_to_change(tmp_path):
    store = open_store(toy_store(tmp_path, FULL, splits=["train"] * 6))

    assert len(store.indices("test")) == 0
    with pytest.raises(InputError, match=r"'test' must have samples .has 0 of 6.*dataset.split"):
        store.batches("test")


def test_batch_size_below_one_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        open_store(toy_store(tmp_path, FULL)).batches(batch_size=0)


def test_units_are_those_of_the_nodes(tmp_path):
    store = open_store(toy_store(tmp_path, HOLES))

    for i in range(len(store)):
        sample = store.sample(i)
        for node_type in SCHEMA.node_types:
            assert len(store.units(node_type, i)) == sample[node_type].num_nodes
    assert store.units("text_span", 2)["text"].tolist() == ["text_span 2 of 2"]
    with pytest.raises(InputError, match="Did you mean 'text_span'"):
        store.units("text_spam", 0)


def test_units_of_many_samples_are_those_of_each_in_the_order_asked_for(tmp_path):
    store = open_store(toy_store(tmp_path, HOLES))
    asked = [*reversed(range(len(store))), 2]

    for node_type in SCHEMA.node_types:
        many = store.units_of(node_type, asked)
        for place, i in enumerate(asked):
            assert many[many.index == place].to_dict("records") == store.units(node_type, i).to_dict("records")
        assert many.index.is_monotonic_increasing


def test_state_and_tables_come_back(tmp_path):
    store = open_store(toy_store(tmp_path, FULL))

    assert store.states == ("modalities-0-text",)
    assert store.state("modalities-0-text")["mean"].tolist() == [0, 1, 2]
    assert store.samples["sample_id"].tolist()[:2] == ["post 0", "post 1"]
    assert len(store.quarantine) == 0
    assert store.target.classes == ("no", "yes")
    assert store.recipe == {"model": {"name": "concat"}}


def test_batch_is_freed_when_it_is_dropped_without_waiting_for_the_collector(tmp_path):
    batch = open_store(toy_store(tmp_path, FULL)).batch([0, 1])
    features = weakref.ref(batch["text_span"].x)
    gc.disable()
    try:
        del batch
        assert features() is None
    finally:
        gc.enable()


def test_batch_can_be_pickled_cloned_and_taken_apart_afterwards(tmp_path):
    store = open_store(toy_store(tmp_path, FULL))
    batch = store.batch([5, 0])

    for copied in (pickle.loads(pickle.dumps(batch)), batch.clone(), copy.copy(batch)):
        assert_equal(copied, batch)
        assert_equal(copied.get_example(1), store.sample(0))


@pytest.mark.parametrize("kernels", KERNELS)
def test_store_can_be_pickled_and_copied_after_use(tmp_path, kernels):
    store = open_store(toy_store(tmp_path, FULL))
    with use_kernels(kernels):
        batch = store.batch([5, 0])
        for copied in (pickle.loads(pickle.dumps(store)), copy.deepcopy(store), copy.copy(store)):
            assert not copied._open  # it maps the files itself: addresses of others are of no use to it
            assert_equal(copied.batch([5, 0]), batch)


def test_threads_may_share_a_store_that_closes_shards(tmp_path):
    store = open_store(toy_store(tmp_path, FULL * 4), memory_budget=1)

    def batches(seed):
        draw = np.random.default_rng(seed)
        for _ in range(40):
            chosen = draw.integers(0, len(store), 5)
            assert store.batch(chosen).position.tolist() == chosen.tolist()
            assert len(store.units("sample", chosen[0])) == 1

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(batches, range(4)))


@pytest.mark.parametrize("kernels", KERNELS)
def test_columns_may_hold_nothing(tmp_path, monkeypatch, kernels):
    monkeypatch.setattr("store_toys.SCHEMA", replace(SCHEMA, channels_by_node_type=SCHEMA.channels_by_node_type | {"text_span": 0}))
    store = open_store(toy_store(tmp_path, FULL))
    with use_kernels(kernels):
        assert_equal(store.batch([5, 0]), Batch.from_data_list([store.sample(5), store.sample(0)]))


def test_store_without_edge_types_gives_batches_over_several_shards(tmp_path, monkeypatch):
    monkeypatch.setattr("store_toys.SCHEMA", replace(SCHEMA, edge_types=()))
    store = open_store(toy_store(tmp_path, FULL))

    assert_equal(store.batch([5, 0, 3]), Batch.from_data_list([store.sample(i) for i in (5, 0, 3)]))
    assert store.batch([5, 0, 3]).edge_types == []
