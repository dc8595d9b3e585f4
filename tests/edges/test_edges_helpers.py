"""The vectorised building blocks agree with loops that anyone can check."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graphfuse.edges._helpers import all_pairs, blocks, count_pairs, successors
from graphfuse.edges._nearest import nearest

groups = st.lists(st.integers(0, 5), max_size=12).map(lambda values: np.array(sorted(values), dtype=np.int64))


@given(groups, groups)
def test_all_pairs_are_those_of_two_loops(first, second):
    source, destination = all_pairs(first, second)
    expected = [(s, d) for d in range(len(second)) for s in range(len(first)) if first[s] == second[d]]
    assert list(zip(source.tolist(), destination.tolist(), strict=True)) == expected
    assert count_pairs(first, second).sum() == len(expected)


@given(groups, st.integers(1, 4), st.randoms(use_true_random=False))
def test_successors_are_those_of_two_loops(group, hops, random):
    position = [random.randint(0, 9) for _ in group]
    source, destination = successors([group], position, hops)
    expected = set()
    for value in set(group.tolist()):
        line = sorted(np.flatnonzero(group == value).tolist(), key=lambda row: position[row])
        expected |= {(line[i], line[j]) for i in range(len(line)) for j in range(i + 1, min(i + 1 + hops, len(line)))}
    assert set(zip(source.tolist(), destination.tolist(), strict=True)) == expected
    assert len(source) == len(expected)


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 15))
def test_blocks_cover_everything_once_within_the_limit(sizes, limit):
    sizes = np.array(sizes, dtype=np.int64)
    parts = list(blocks(sizes, limit))
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(len(sizes)))
    assert all(sizes[part].sum() <= limit or part.stop - part.start == 1 for part in parts)


@given(groups, groups, st.integers(1, 3), st.integers(0, 1000))
def test_the_nearest_are_those_of_a_sort_per_row(first, second, top_k, seed):
    random = np.random.default_rng(seed)
    a, b = (random.normal(size=(len(samples), 4)) for samples in (first, second))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    source, destination, _ = nearest(a, first, b, second, top_k, apart=False)
    expected = set()
    for row in range(len(first)):
        near = sorted(((a[row] @ b[other], other) for other in np.flatnonzero(second == first[row])), reverse=True)[:top_k]
        expected |= {(row, int(other)) for cosine, other in near if cosine > 1e-5}
    found = set(zip(source.tolist(), destination.tolist(), strict=True))
    assert expected <= found
    assert all(0 < a[row] @ b[other] <= 1e-4 for row, other in found - expected)
