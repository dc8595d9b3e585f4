"""The compiled loop finds the same neighbours, with the same bits."""

import numpy as np
import pytest
from test_edges_similarity import near_middles, nearest_of

from graphfuse.core.compiled import Loops, has_compiler, use_kernels
from graphfuse.edges import _compiled_nearest, _nearest

pytestmark = pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")


def both(find, *arguments, **options):
    """Return what numpy finds, after comparing it with what the loop finds."""
    expected = find(*arguments, **options)
    with use_kernels("compiled"):
        found = find(*arguments, **options)
    assert all(x.tobytes() == y.tobytes() for x, y in zip(expected, found, strict=True))
    return expected


@pytest.fixture
def calls(monkeypatch):
    """Return a list that grows with each call of a loop."""
    names, call = [], Loops.__call__

    def counted(loops, name, *arguments):
        names.append(name)
        return call(loops, name, *arguments)

    monkeypatch.setattr(Loops, "__call__", counted)
    return names


def random_rows(num_samples, largest, channels, dtype, seed=0):
    """Return rows of some samples, some of them zeros and some of them twice, and the sample of each."""
    random = np.random.default_rng(seed)
    sample = np.repeat(np.arange(num_samples), random.integers(0, largest + 1, num_samples))
    x = random.normal(size=(len(sample), channels)) * 10.0 ** random.integers(-3, 4, (len(sample), 1))
    x[random.random(len(x)) < 0.1] = 0
    again = np.flatnonzero(random.random(len(x)) < 0.2)
    x[again] = x[again - 1]
    return x.astype(dtype), sample


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 8, 9, 31, 64, 385])
def test_random_samples_of_any_shape_give_the_same_bits(channels, dtype, calls):
    a, b = random_rows(40, 11, channels, dtype), random_rows(40, 21, channels, dtype, seed=1)
    source, _, _ = both(_nearest.nearest, *a, *b, 4, apart=False)
    both(_nearest.nearest, *a, *a, 3, apart=True)
    assert len(source) > 100
    assert set(calls) == {"cosines"}


def test_a_sample_that_does_not_fit_the_cache_at_once_gives_the_same_bits(monkeypatch):
    a, b = (random_rows(2, 700, 200, np.float32, seed=seed) for seed in (0, 1))
    monkeypatch.setattr(_nearest, "NUMBERS_AT_ONCE", 50_000)
    both(_nearest.nearest, *a, *b, 4, apart=False)


def test_where_noise_could_decide_the_loop_gives_the_same_bits():
    a, b = near_middles(300)
    _, found, _ = both(nearest_of, a, b, top_k=300)
    assert len(found) == 300


@pytest.mark.parametrize("size", [1e-150, 1e-60, 1e60])
def test_lengths_of_any_size_are_taken_out(size):
    both(nearest_of, np.array([[1.0, 0.0]]) * size, np.array([[3.0, 4.0], [-1.0, 0.0]]) * size, top_k=2)


def test_samples_without_channels_or_rows_have_no_neighbours():
    none = np.zeros(0, dtype=np.int64)
    both(_nearest.nearest, np.zeros((2, 0)), np.zeros(2, dtype=np.int64), np.zeros((1, 0)), np.zeros(1, dtype=np.int64), 2, apart=False)
    both(_nearest.nearest, np.zeros((0, 3)), none, np.zeros((0, 3)), none, 2, apart=False)


def test_tables_that_the_loop_cannot_read_are_left_to_numpy(calls):
    a, b = (random_rows(5, 4, 8, dtype) for dtype in (np.float32, np.float64))
    both(_nearest.nearest, *a, *b, 2, apart=False)
    with use_kernels("compiled"):
        assert not _compiled_nearest.serves(a[0].astype(np.float16), a[0].astype(np.float16))
    assert not calls
