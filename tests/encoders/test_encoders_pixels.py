"""The quick ways to statistics give the bits of the plain ones."""

import numpy as np
import pytest

from graphfuse.encoders._pixels import Histograms, _fraction, _median, _quarters, _texture


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype == np.float32 and np.array_equal(a.view(np.int32), b.view(np.int32))


def test_a_fraction_is_the_remainder_by_one() -> None:
    ends = np.array([0.0, -0.0, 1.0, -1.0, 1e-9, -1e-9, 1e-40, -1e-40], dtype=np.float32)
    turns = np.concatenate([ends, np.random.default_rng(0).uniform(-1, 1, 100_000).astype(np.float32)])
    assert same(_fraction(turns), turns % 1)


def test_the_median_is_that_of_numpy() -> None:
    values = np.random.default_rng(0).integers(0, 9, (3, 50, 96)).astype(np.float32) / 7
    assert same(_median(values), np.median(values, axis=-1))


@pytest.mark.parametrize("count", [1, 2, 17])
def test_texture_is_what_means_over_squares_of_pixels_take_away(count: int) -> None:
    grey = np.random.default_rng(0).random((count, 24, 24), dtype=np.float32)
    expected, rest = [], grey
    for _ in range(3):
        half = rest.reshape(count, len(rest[0]) // 2, 2, -1, 2).mean(axis=(2, 4))
        expected.append(np.sqrt(np.square(rest - half.repeat(2, axis=1).repeat(2, axis=2)).mean(axis=(1, 2))) * 4)
        rest = half
    assert same(_texture(grey), np.stack(expected, axis=1))


@pytest.mark.parametrize("cyclic", [True, False])
def test_a_histogram_adds_up_the_pixels_of_each_picture_in_their_order(cyclic: bool) -> None:
    rng = np.random.default_rng(0)
    place = rng.integers(0, 500, (5, 6, 7)).astype(np.float32) / 100
    weight = rng.random((5, 6, 7), dtype=np.float32)
    expected = np.zeros((5, 5))
    for picture, (places, weights) in enumerate(zip(place.reshape(5, -1), weight.reshape(5, -1), strict=True)):
        below, above = np.zeros(5), np.zeros(6)
        for at, much in zip(places, weights, strict=True):
            share = at - np.floor(at)
            below[int(at)] += (1 - share) * much
            above[int(at) + 1] += share * much
        expected[picture] = below + above[:5]
        expected[picture, 0] += above[5] if cyclic else 0
    assert same(Histograms(place, 5, cyclic=cyclic).of(weight), expected.astype(np.float32))


def test_quarters_stand_row_by_row() -> None:
    maps = np.arange(32, dtype=np.float32).reshape(2, 4, 4)
    expected = [maps[n, r : r + 2, c : c + 2] for n in range(2) for r in (0, 2) for c in (0, 2)]
    assert same(_quarters(maps), np.stack(expected))
