"""Similarity edges join what is near."""

import numpy as np
import pytest
from edge_tables import pairs, table, tables

from graphfuse.core.errors import ConfigError, InputError
from graphfuse.edges import _alignment, _nearest
from graphfuse.edges.similarity import SimilarityEdges


def shared(**settings):
    return SimilarityEdges(space="shared", **settings)


def test_the_nearest_within_the_sample_is_linked_with_its_cosine():
    spans = table("text_span", [0, 1], x=[[2, 0], [1, 1]])
    regions = table("image_region", [0, 0, 1], x=[[0, 5], [3, 4], [4, 4]])
    (edges,) = shared(top_k=1).edges(tables(spans, regions), {})
    assert pairs(edges) == [(0, 1), (1, 2)]
    assert edges.weight == pytest.approx([0.6, 1.0], abs=1e-6)


def test_top_k_bounds_the_edges_per_source_and_equal_ones_keep_their_order():
    spans = table("text_span", [0], x=[[1, 0]])
    regions = table("image_region", [0] * 4, x=[[1, 0]] * 4)
    (edges,) = shared(top_k=3).edges(tables(spans, regions), {})
    assert pairs(edges) == [(0, 0), (0, 1), (0, 2)]


def test_opposite_and_empty_vectors_are_not_linked():
    spans = table("text_span", [0, 0], x=[[1, 0], [0, 0]])
    regions = table("image_region", [0, 0], x=[[-1, 0], [0, 1]])
    (edges,) = shared().edges(tables(spans, regions), {})
    assert len(edges) == 0
    assert edges.weight is not None


def test_within_one_type_no_node_is_its_own_neighbour():
    spans = table("text_span", [0, 0, 1], x=[[1, 0], [1, 0.1], [1, 0]])
    (edges,) = shared(source="text_span", destination="text_span").edges(tables(spans), {})
    assert pairs(edges) == [(1, 0), (0, 1)]


def random_nodes(samples=60, seed=0):
    """Spans and regions that share one hidden vector per sample, seen through different random lenses."""
    random = np.random.default_rng(seed)
    hidden = random.normal(size=(samples, 3))
    lenses = np.random.default_rng(99).normal(size=(2, 3, 8))
    sides = []
    for name, lens, largest in (("text_span", lenses[0], 5), ("image_region", lenses[1], 4)):
        sample = np.repeat(np.arange(samples), random.integers(0, largest + 1, samples))
        sides.append(table(name, sample, x=hidden[sample] @ lens + 0.1 * random.normal(size=(len(sample), 8))))
    return tables(*sides)


def test_an_aligned_space_brings_together_what_belongs_together():
    builder = SimilarityEdges(top_k=1, dimensions=3, ridge=0.01)
    state = builder.fit(random_nodes(seed=0))
    new = random_nodes(seed=1)
    # mixed into one sample, spans must find regions of their former own
    spans, regions = new["text_span"], new["image_region"]
    mixed = tables(
        table("text_span", np.zeros(len(spans), dtype=int), x=spans.x),
        table("image_region", np.zeros(len(regions), dtype=int), x=regions.x),
    )
    (edges,) = builder.edges(mixed, state)
    source, destination = edges.index
    paired = np.isin(spans.sample[source], regions.sample)
    assert np.mean(spans.sample[source][paired] == regions.sample[destination][paired]) > 0.8


def test_fitting_twice_gives_the_same_bytes():
    builder = SimilarityEdges()
    nodes = random_nodes()
    first, second = builder.fit(nodes), builder.fit(nodes)
    assert {name: array.tobytes() for name, array in first.items()} == {name: array.tobytes() for name, array in second.items()}


def test_how_many_samples_are_summed_at_a_time_changes_a_fit_by_rounding_only(monkeypatch):
    found = []
    for at_once in (1, 7, 1000):
        monkeypatch.setattr(_alignment, "SAMPLES_AT_ONCE", at_once)
        state = SimilarityEdges(dimensions=3).fit(random_nodes())
        found.append(state["source_projection"] @ state["destination_projection"].T)
    assert np.allclose(found[0], found[1], atol=1e-4)
    assert np.allclose(found[0], found[2], atol=1e-4)


def test_every_sample_counts_the_same_in_a_fit_however_many_units_it_has():
    once = tables(table("text_span", [0, 1, 2], x=[[1, 0], [0, 1], [3, 1]]), table("image_region", [0, 1, 2], x=[[2], [0], [1]]))
    spans = once["text_span"]
    twice = tables(table("text_span", [0, 0, 1, 2], x=spans.x[[0, 0, 1, 2]]), once["image_region"])
    one, other = (SimilarityEdges().fit(nodes) for nodes in (once, twice))
    assert all(np.allclose(one[name], other[name], atol=1e-5) for name in one)


@pytest.mark.parametrize("space", ["shared", "aligned"])
def test_a_sample_gets_the_same_edges_whatever_else_is_in_the_chunk(space, monkeypatch):
    builder = SimilarityEdges(space=space, top_k=2)
    nodes = random_nodes()
    state = builder.fit(nodes) if space == "aligned" else {}
    (whole,) = builder.edges(nodes, state)
    monkeypatch.setattr(_nearest, "NUMBERS_AT_ONCE", 5)
    (small,) = builder.edges(nodes, state)
    assert whole.index.tobytes() == small.index.tobytes()
    assert whole.weight.tobytes() == small.weight.tobytes()
    for sample in range(10):
        rows = {name: np.flatnonzero(item.sample == sample) for name, item in nodes.items()}
        alone = tables(*(table(name, nodes[name].sample[rows[name]], x=nodes[name].x[rows[name]]) for name in nodes))
        (edges,) = builder.edges(alone, state)
        here = np.isin(whole.index[0], rows["text_span"])
        assert np.array_equal(rows["text_span"][edges.index[0]], whole.index[0][here])
        assert np.array_equal(rows["image_region"][edges.index[1]], whole.index[1][here])
        assert edges.weight.tobytes() == whole.weight[here].tobytes()


def test_exact_products_do_not_depend_on_the_order_of_summation():
    random = np.random.default_rng(0)
    a, b = (random.normal(size=(1, 500)) for _ in range(2))
    order = random.permutation(500)
    here = _nearest.nearest(a, np.zeros(1, int), b, np.zeros(1, int), 1, apart=False)[2]
    there = _nearest.nearest(a[:, order], np.zeros(1, int), b[:, order], np.zeros(1, int), 1, apart=False)[2]
    assert here.tobytes() == there.tobytes()


@pytest.mark.parametrize("count", [1, 3, 40, _nearest.PLACES + 1])
def test_the_largest_are_those_that_sorting_finds_and_equal_ones_keep_their_order(count):
    product = np.random.default_rng(0).integers(-3, 4, (5, 2, count)) * (2.0**41 - 1) / 3 // 1
    places, values = _nearest._largest(product, 4)
    expected = np.argsort(-product, axis=-1, kind="stable")[..., :4]
    assert np.array_equal(places, expected)
    assert np.array_equal(values, np.take_along_axis(product, expected, axis=-1))


def test_samples_that_only_one_end_has_are_passed_over():
    spans = table("text_span", [1, 1, 4], x=[[1, 0], [0, 1], [1, 1]])
    regions = table("image_region", [0, 4, 4], x=[[1, 0], [1, 0], [1, 2]])
    (edges,) = shared(top_k=1).edges(tables(spans, regions), {})
    assert pairs(edges) == [(2, 2)]


def test_finding_neighbours_leaves_the_features_as_they_are():
    nodes = random_nodes()
    before = {name: item.x.copy() for name, item in nodes.items()}
    SimilarityEdges().edges(nodes, SimilarityEdges().fit(nodes))
    assert all(np.array_equal(nodes[name].x, x) for name, x in before.items())


def test_a_shared_space_needs_equal_channels():
    nodes = tables(table("text_span", [0], x=[[1, 0]]), table("image_region", [0], x=[[1, 0, 0]]))
    with pytest.raises(ConfigError, match=r"text_span has 2, image_region has 3.*Use space: aligned"):
        shared().edges(nodes, {})


def test_aligning_needs_samples_with_both_ends():
    nodes = tables(table("text_span", [0, 1]), table("image_region", [2, 3]))
    with pytest.raises(InputError, match=r"at least 2 are needed \(got 0\).*Use space: shared"):
        SimilarityEdges().fit(nodes)


def test_constant_features_align_to_nothing_without_numbers_that_are_none():
    nodes = tables(table("text_span", [0, 1], x=[[1, 1], [1, 1]]), table("image_region", [0, 1], x=[[2, 2], [2, 2]]))
    builder = SimilarityEdges()
    (edges,) = builder.edges(nodes, builder.fit(nodes))
    assert len(edges) == 0
