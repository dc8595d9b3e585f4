import torch
from toy_fusion import MATCH, REV_MATCH, batch_of, sample, two_posts

from graphfuse.analyses._copies import blocks, first_samples, take_samples


def equal(left, right):
    for node_type in right.node_types:
        for key in ("x", "batch", "ptr"):
            assert torch.equal(left[node_type][key], right[node_type][key]), (node_type, key)
    for edge_type in right.edge_types:
        assert torch.equal(left[edge_type].edge_index, right[edge_type].edge_index), edge_type
    assert torch.equal(left.y, right.y) and torch.equal(left.position, right.position)
    assert left.num_graphs == right.num_graphs


def test_taken_samples_equal_batching_them_one_by_one():
    first = sample(7, [2.0, 1.0], [3.0, -1.0, 0.5], match=[(0, 0), (1, 1)], order=[(0, 1)])
    second = sample(9, [-2.0], [1.0], match=[(0, 0)])
    empty = sample(3, [1.0], [])
    batch = batch_of(first, second, empty)
    index = torch.tensor([1, 0, 2, 0, 0])
    equal(take_samples(batch, index).batch, batch_of(second, first, empty, first, first))


def test_every_copied_edge_knows_its_original_and_its_copy():
    copies = take_samples(two_posts(), torch.tensor([1, 0]))
    assert copies.edge_rows[MATCH].tolist() == [2, 0, 1]
    assert copies.edge_copy[MATCH].tolist() == [0, 1, 1]


def test_edges_that_are_not_grouped_by_sample_are_still_found():
    batch = two_posts()
    shuffled = two_posts()
    for edge_type in (MATCH, REV_MATCH):
        shuffled[edge_type].edge_index = batch[edge_type].edge_index[:, [2, 0, 1]]
    equal(take_samples(shuffled, torch.tensor([0, 1])).batch, batch)


def test_edge_weights_travel_with_their_edges():
    batch = two_posts()
    batch[MATCH].edge_weight = torch.tensor([0.1, 0.2, 0.3])
    assert take_samples(batch, torch.tensor([1, 0])).batch[MATCH].edge_weight.tolist() == torch.tensor([0.3, 0.1, 0.2]).tolist()


def test_the_first_samples_stop_in_the_middle_of_a_batch():
    parts = list(first_samples([two_posts(), two_posts()], 3))
    assert [part.num_graphs for part in parts] == [2, 1]
    assert len(list(first_samples([two_posts(), two_posts()], 0))) == 2


def test_blocks_bound_the_size_of_copies_and_leave_nothing_out():
    index = torch.tensor([0, 1] * 10)
    pieces = blocks(two_posts(), index, 30)
    assert len(pieces) > 3
    assert torch.equal(torch.cat(pieces), torch.arange(20))
