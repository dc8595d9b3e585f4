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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cosines_do_not_depend_on_the_order_of_summation(dtype):
    random = np.random.default_rng(0)
    a, b = (random.normal(size=(1, 500)).astype(dtype) for _ in range(2))
    order = random.permutation(500)
    here, there = (np.array(nearest_of(x, y)[2]) for x, y in ((a, b), (a[:, order], b[:, order])))
    assert here.tobytes() == there.tobytes()
    assert here == pytest.approx(float(a[0] @ b[0] / np.linalg.norm(a) / np.linalg.norm(b)), abs=1e-6)


def nearest_of(a, b, top_k=1):
    return _nearest.nearest(a, np.zeros(len(a), int), b, np.zeros(len(b), int), top_k, apart=False)


def near_middles(count, seed=0):
    """Rows whose cosines lie in the middle between two steps, up to the noise of a product."""
    random = np.random.default_rng(seed)
    cosine = (random.integers(1, 2**23, count) + 0.5) * _nearest.STEP
    angles = np.arccos(cosine)
    turn = np.linalg.qr(random.normal(size=(64, 64)))[0]
    plane = np.zeros((count + 1, 64))
    plane[0, 0] = 1
    plane[1:, 0], plane[1:, 1] = np.cos(angles), np.sin(angles)
    rows = plane @ turn
    return rows[:1], rows[1:]


def test_where_the_noise_of_a_product_could_decide_the_cosine_is_that_of_its_rows_alone():
    a, b = near_middles(300)
    _, found, whole = nearest_of(a, b, top_k=300)
    alone = np.concatenate([nearest_of(a, b[row : row + 1])[2] for row in found])
    assert len(found) == 300
    assert whole.tobytes() == alone.tobytes()


@pytest.mark.parametrize("sums", ["matmul", "vecdot"])
def test_noise_in_sums_changes_no_bit(sums, monkeypatch):
    a, b = near_middles(300, seed=1)
    quiet = nearest_of(a, b, top_k=300)
    exact = getattr(np, sums)

    def noisy(x, y, out):
        exact(x, y, out=out)
        out *= 1 + np.random.default_rng(0).choice([-1, 1], out.shape) * 30 * 2.0**-53  # half of what 64 channels may err by

    monkeypatch.setattr(_nearest.np, sums, noisy)
    loud = nearest_of(a, b, top_k=300)
    assert all(x.tobytes() == y.tobytes() for x, y in zip(quiet, loud, strict=True))


@pytest.mark.parametrize("size", [1e-150, 1e-60, 1e-25, 1.0, 1e25, 1e60])
def test_lengths_of_any_size_are_taken_out(size):
    spans, regions = np.array([[1.0, 0.0]]), np.array([[3.0, 4.0], [-1.0, 0.0]])
    dtype = np.float32 if 1e-30 < size < 1e30 else np.float64
    found = nearest_of((spans * size).astype(dtype), (regions * size).astype(dtype), top_k=2)
    assert found[2] == pytest.approx([0.6] if size > _nearest.SHORTEST else [])


@pytest.mark.parametrize("count", [1, 3, 40, 5000])
def test_the_largest_are_those_that_sorting_finds_and_equal_ones_keep_their_order(count):
    steps = np.random.default_rng(0).integers(-3, 4, (10, count)) * (2.0**24 - 1) / 3 // 1
    places, values = _nearest._largest(steps, 4)
    expected = np.argsort(-steps, axis=1, kind="stable")[:, :4]
    assert np.array_equal(places, expected)
    assert np.array_equal(values, np.take_along_axis(steps, expected, axis=1))


@pytest.mark.parametrize("numbers", [1, 5, 40, 10**6])
def test_large_samples_are_cut_and_small_ones_put_together_without_a_change(numbers, monkeypatch):
    random = np.random.default_rng(0)
    a_sample, b_sample = np.repeat(np.arange(8), random.integers(0, 9, 8)), np.repeat(np.arange(8), random.integers(0, 3, 8))
    a, b = (random.integers(-1, 2, (len(sample), 3)).astype(float) for sample in (a_sample, b_sample))
    expected = _nearest.nearest(a, a_sample, b, b_sample, 2, apart=False)
    monkeypatch.setattr(_nearest, "NUMBERS_AT_ONCE", numbers)
    monkeypatch.setattr(_nearest, "NUMBERS_IN_CACHE", numbers)
    found = _nearest.nearest(a, a_sample, b, b_sample, 2, apart=False)
    assert all(x.tobytes() == y.tobytes() for x, y in zip(expected, found, strict=True))
    within = _nearest.nearest(a, a_sample, a, a_sample, 2, apart=True)
    assert (within[0] != within[1]).all()
    assert (a_sample[within[0]] == a_sample[within[1]]).all()


@pytest.mark.parametrize("at_once", [1, 7, 10**6])
def test_a_row_is_projected_alike_whatever_rows_are_with_it(at_once, monkeypatch):
    nodes = random_nodes()
    x = nodes["text_span"].x
    projection = _alignment.Projection(SimilarityEdges().fit(nodes), "source")
    rows = np.arange(len(x))
    whole = projection.rows(x, rows)
    monkeypatch.setattr(_alignment, "NUMBERS_IN_CACHE", at_once * x.shape[1])
    assert projection.rows(x, rows[::-1]).tobytes() == whole[::-1].tobytes()


def test_a_fit_in_float32_is_that_in_float64_though_the_mean_be_far_away(monkeypatch):
    nodes = {name: table(name, item.sample, x=item.x + 100) for name, item in random_nodes().items()}
    found = []
    for smallest in (0.0, 1.0):
        monkeypatch.setattr(_alignment, "SMALLEST_RIDGE", smallest)
        state = SimilarityEdges(dimensions=3).fit(nodes)
        found.append(state["source_projection"] @ state["destination_projection"].T)
    assert np.allclose(found[0], found[1], atol=1e-3 * np.abs(found[1]).max())


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
