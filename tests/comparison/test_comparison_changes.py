"""Each change of a store does what its name says, to a sample alone as in company, and to nothing on disk."""

import numpy as np
import pytest
import torch
from store_of_posts import BELONGS, FORWARD, MATCH, PRECEDES, SCHEMA, store_of_posts

from graphfuse.comparison.changes import changed_store
from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import edge_name, reverse_edge_type
from graphfuse.store.graph_store import open_store

CHANGES = {
    "modality removed": {"remove_modalities": ["image"]},
    "missing": {"missing": {"image": 0.4, "text": 0.2}, "seed": 3},
    "missing in train": {"missing": {"user": 0.6}, "splits": ["train", "validation"]},
    "swapped": {"swap": "image", "seed": 1},
    "users swapped": {"swap": "user", "seed": 1},
    "noisy": {"noise": {"image": 0.5, "user": 2.0}, "seed": 2},
    "replaced": {"replace": ["text"], "seed": 4},
    "kind removed": {"remove_edge_kinds": [edge_name(MATCH)]},
    "no edges": {"edges": "none"},
    "shuffled": {"edges": "shuffled", "seed": 5},
    "full": {"edges": "full"},
    "several": {"missing": {"image": 0.3}, "swap": "image", "noise": {"text": 1.0}, "edges": "shuffled", "seed": 6},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return store_of_posts(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def plain(folder):
    return open_store(folder)


def everything(store):
    return store.batch(np.arange(len(store)))


def columns(batch):
    """Return all tensors of a batch by name."""
    return {
        (key, name): value for key in (*batch.node_types, *batch.edge_types) for name, value in batch[key].items() if torch.is_tensor(value)
    }


def edges_of(batch, kind, sample):
    """Return the edges of one sample as pairs of local numbers with their weights."""
    source, destination = batch[kind].edge_index
    inside = batch[kind[0]].batch[source] == sample
    ends = [end[inside] - batch[name].ptr[sample] for end, name in ((source, kind[0]), (destination, kind[2]))]
    weights = batch[kind].edge_weight[inside] if "edge_weight" in batch[kind] else torch.ones(int(inside.sum()))
    return list(zip(*(end.tolist() for end in ends), weights.tolist(), strict=True))


@pytest.mark.parametrize("name", CHANGES)
def test_a_sample_is_changed_alike_alone_and_in_company(folder, name):
    store = changed_store(folder, CHANGES[name])
    whole = everything(store)
    mixed = store.batch([41, 7, 22])
    for place, position in enumerate((41, 7, 22)):
        alone = store.batch([position])
        for other, number in ((whole, position), (mixed, place)):
            for node_type in SCHEMA.node_types:
                mine = other[node_type].batch == number
                torch.testing.assert_close(other[node_type].x[mine], alone[node_type].x, rtol=0, atol=0)
                assert len(alone[node_type].batch) == alone[node_type].num_nodes == len(alone[node_type].x)
            assert all(edges_of(other, kind, number) == edges_of(alone, kind, 0) for kind in SCHEMA.edge_types)


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_on_disk_and_the_batch_before_stay_as_they_were(folder, plain, name):
    batch = plain.batch([3, 4, 5])
    before = {key: value.clone() for key, value in columns(batch).items()}
    store = changed_store(folder, CHANGES[name])
    store._change(batch)
    list(store.batches("train", batch_size=8))
    for now in (batch, open_store(folder).batch([3, 4, 5])):
        for key, value in columns(now).items():
            torch.testing.assert_close(value, before[key], rtol=0, atol=0)


@pytest.mark.parametrize("name", CHANGES)
def test_edges_stay_inside_their_sample_and_in_store_order(folder, name):
    batch = everything(changed_store(folder, CHANGES[name]))
    for kind in SCHEMA.edge_types:
        source, destination = batch[kind].edge_index
        assert torch.equal(batch[kind[0]].batch[source], batch[kind[2]].batch[destination])
        order = np.lexsort((source.numpy(), destination.numpy()))
        assert np.array_equal(order, np.arange(len(order)))
        if "edge_weight" in batch[kind]:
            assert len(batch[kind].edge_weight) == len(source)


def test_the_description_is_kept_for_the_receipt(folder):
    assert changed_store(folder, {"edges": "shuffled", "seed": 3}).change == {"edges": "shuffled", "seed": 3}


def test_an_empty_description_changes_nothing(folder, plain):
    now = columns(everything(changed_store(folder, {})))
    for key, value in columns(everything(plain)).items():
        torch.testing.assert_close(now[key], value, rtol=0, atol=0)


# edges


def test_without_edges_all_nodes_stay(folder, plain):
    before, batch = everything(plain), everything(changed_store(folder, {"edges": "none"}))
    assert all(batch[kind].edge_index.shape == (2, 0) for kind in SCHEMA.edge_types)
    assert batch[MATCH].edge_weight.shape == (0,)
    assert all(batch[name].num_nodes == before[name].num_nodes for name in SCHEMA.node_types)


@pytest.mark.parametrize("seed", [0, 1])
def test_shuffled_edges_keep_their_number_per_source_and_their_weights(folder, plain, seed):
    before, after = everything(plain), everything(changed_store(folder, {"edges": "shuffled", "seed": seed}))
    for kind in FORWARD:
        sources = [torch.bincount(batch[kind].edge_index[0], minlength=batch[kind[0]].num_nodes) for batch in (before, after)]
        assert torch.equal(*sources)
    for sample in range(60):
        of_source = [sorted((source, weight) for source, _, weight in edges_of(batch, MATCH, sample)) for batch in (before, after)]
        assert of_source[0] == of_source[1]
        pairs = [edge[:2] for edge in edges_of(after, MATCH, sample)]
        assert len(set(pairs)) == len(pairs)


def test_shuffled_edges_lead_elsewhere_each_place_alike(folder, plain):
    before = set(map(tuple, everything(plain)[MATCH].edge_index.T.tolist()))
    again = np.zeros(2)
    for seed in range(40):
        now = everything(changed_store(folder, {"edges": "shuffled", "seed": seed}))[MATCH].edge_index.T.tolist()
        again += np.mean([tuple(pair) in before for pair in now]), 1
    batch = everything(plain)
    regions = batch["image_region"].ptr.diff()[batch["text_span"].batch[batch[MATCH].edge_index[0]]]
    degree = torch.bincount(batch[MATCH].edge_index[0])[batch[MATCH].edge_index[0]]
    # an edge meets one of the old destinations of its source with chance degree / regions
    assert again[0] / again[1] == pytest.approx(float((degree / regions).mean()), abs=0.02)


def test_shuffled_edges_within_a_type_never_lead_to_the_node_itself(folder):
    for seed in range(10):
        batch = everything(changed_store(folder, {"edges": "shuffled", "seed": seed}))
        source, destination = batch[PRECEDES].edge_index
        assert bool((source != destination).all())


def test_reverse_edges_are_shuffled_with_their_forward_edges(folder):
    batch = everything(changed_store(folder, {"edges": "shuffled", "seed": 1}))
    for kind in FORWARD:
        for sample in range(60):
            forward, back = edges_of(batch, kind, sample), edges_of(batch, reverse_edge_type(kind), sample)
            assert sorted((d, s, weight) for s, d, weight in forward) == sorted(back)


def test_where_every_pair_is_joined_shuffling_leaves_it_so(folder, plain):
    after = everything(changed_store(folder, {"edges": "shuffled", "seed": 1}))
    assert torch.equal(after[BELONGS].edge_index, everything(plain)[BELONGS].edge_index)


def test_fully_connected_joins_every_pair_of_different_nodes_once_with_weight_one(folder, plain):
    batch = everything(changed_store(folder, {"edges": "full"}))
    for kind in SCHEMA.edge_types:
        for sample in range(60):
            first, second = (int(batch[name].ptr.diff()[sample]) for name in (kind[0], kind[2]))
            expected = {(i, j, 1.0) for i in range(first) for j in range(second) if kind[0] != kind[2] or i != j}
            found = edges_of(batch, kind, sample)
            assert set(found) == expected
            assert len(found) == len(expected)
    assert batch[MATCH].edge_weight.unique().tolist() == [1.0]


@pytest.mark.parametrize("name", [edge_name(MATCH), edge_name(reverse_edge_type(MATCH))])
def test_a_kind_of_edges_goes_in_both_directions_and_the_others_stay(folder, plain, name):
    batch = everything(changed_store(folder, {"remove_edge_kinds": [name]}))
    for kind in SCHEMA.edge_types:
        gone = kind in (MATCH, reverse_edge_type(MATCH))
        assert batch[kind].edge_index.size(1) == (0 if gone else everything(plain)[kind].edge_index.size(1))


# nodes


def test_a_removed_modality_was_never_there(folder):
    batch = everything(changed_store(folder, {"remove_modalities": ["image", "user"]}))
    assert batch["image_region"].num_nodes == batch["user"].num_nodes == len(batch["user"].entity) == 0
    assert batch["text_span"].num_nodes > 0


def lacking(folder, plain, description, name="image_region"):
    had = everything(plain)[name].ptr.diff() > 0
    return had & (everything(changed_store(folder, description))[name].ptr.diff() == 0)


def test_missing_samples_are_nested_over_rates_and_as_many_as_asked_for(tmp_path):
    folder = store_of_posts(tmp_path, 800)
    plain = open_store(folder)
    before = torch.zeros(800, dtype=torch.bool)
    for rate in (0.0, 0.3, 0.5, 0.9, 1.0):
        now = lacking(folder, plain, {"missing": {"text": rate}, "seed": 2}, "text_span")
        assert bool((now | ~before).all())
        assert float(now.float().mean()) == pytest.approx(rate, abs=0.05)
        before = now


def test_missing_samples_differ_by_seed_and_by_modality(tmp_path):
    folder = store_of_posts(tmp_path, 800)
    plain = open_store(folder)
    first = lacking(folder, plain, {"missing": {"text": 0.5, "user": 0.5}}, "text_span")
    user = lacking(folder, plain, {"missing": {"text": 0.5, "user": 0.5}}, "user")
    other = lacking(folder, plain, {"missing": {"text": 0.5}, "seed": 1}, "text_span")
    for pair in ((first, user), (first, other)):
        assert abs(np.corrcoef(*(mask.float().numpy() for mask in pair))[0, 1]) < 0.12


def test_missing_keeps_to_its_splits(folder, plain):
    gone = lacking(folder, plain, {"missing": {"text": 1.0}, "splits": ["train", "validation"]}, "text_span")
    assert gone.tolist() == (plain.samples["split"] != "test").tolist()


def test_a_swapped_picture_comes_from_one_other_sample_of_the_split_and_each_gives_once(folder, plain):
    before, after = everything(plain)["image_region"], everything(changed_store(folder, {"swap": "image", "seed": 1}))["image_region"]
    assert torch.equal(before.ptr, after.ptr)
    owner = {tuple(row): int(sample) for row, sample in zip(before.x.tolist(), before.batch, strict=True)}
    split, givers = plain.samples["split"], []
    for sample in torch.unique(after.batch).tolist():
        rows = after.x[after.batch == sample].tolist()
        donor = owner[tuple(rows[0])]
        given = before.x[before.batch == donor].tolist()
        assert rows == [given[number % len(given)] for number in range(len(rows))]
        assert donor != sample
        assert split[donor] == split[sample]
        givers.append(donor)
    assert sorted(givers) == torch.unique(before.batch).tolist()


def test_a_swap_leaves_edges_and_other_modalities(folder, plain):
    before, after = columns(everything(plain)), columns(everything(changed_store(folder, {"swap": "image", "seed": 1})))
    changed = {key for key, value in before.items() if not torch.equal(value, after[key])}
    assert changed == {("image_region", "x")}


def test_a_swapped_user_brings_its_entity_along(folder, plain):
    before, after = everything(plain)["user"], everything(changed_store(folder, {"swap": "user"}))["user"]
    features = dict(zip(before.entity.tolist(), before.x.tolist(), strict=True))
    assert [features[entity] for entity in after.entity.tolist()] == after.x.tolist()
    assert not torch.equal(before.entity, after.entity)


def test_noise_has_the_size_asked_for_in_deviations_of_the_train_rows(tmp_path):
    folder = store_of_posts(tmp_path, 1200)
    plain = open_store(folder)
    before, after = everything(plain)["image_region"], everything(changed_store(folder, {"noise": {"image": 0.5}}))["image_region"]
    train = torch.tensor((plain.samples["split"] == "train").tolist())[before.batch]
    torch.testing.assert_close((after.x - before.x).std(dim=0), 0.5 * before.x[train].std(dim=0), rtol=0.05, atol=0)
    assert float((after.x - before.x).mean().abs()) < 0.1
    none = everything(changed_store(folder, {"noise": {"image": 0.0}}))["image_region"]
    assert torch.equal(none.x, before.x)


def test_replaced_features_have_the_same_mean_and_deviation_and_know_nothing(tmp_path):
    folder = store_of_posts(tmp_path, 1200)
    before, after = (
        everything(open_store(folder))["image_region"].x,
        everything(changed_store(folder, {"replace": ["image"]}))["image_region"].x,
    )
    torch.testing.assert_close(after.mean(dim=0), before.mean(dim=0), rtol=0, atol=0.25)
    torch.testing.assert_close(after.std(dim=0), before.std(dim=0), rtol=0.05, atol=0)
    assert np.abs(np.corrcoef(before.T, after.T)[:4, 4:]).max() < 0.06


def test_what_is_unknown_is_named_at_once_with_the_nearest_name(folder):
    with pytest.raises(ConfigError) as caught:
        changed_store(folder, {"remove_modalities": ["imgae"], "noise": {"sound": 1.0}, "remove_edge_kinds": ["a__b__c"]})
    assert len(caught.value.problems) == 3
    assert "change.remove_modalities: 'imgae' is not in this store. Did you mean 'image'?" in caught.value.problems


@pytest.mark.parametrize("description", [{"edges": "some"}, {"missing": {"image": 1.5}}, {"sweep": "image"}, {"noise": {"image": -1}}])
def test_a_wrong_description_is_refused(folder, description):
    with pytest.raises(ConfigError, match=f"change.{next(iter(description))}"):
        changed_store(folder, description)
