"""Statistics of regions tell colours and shapes, quickly and repeatably."""

import time

import numpy as np
import pytest
from encoder_toys import QUARTERS, drawn_cells, encoder, noise_pictures
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

CELLS = np.array([[x, y, x + 0.25, y + 0.25] for y in np.arange(0, 1, 0.25) for x in np.arange(0, 1, 0.25)], dtype=np.float32)


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    pairs = [drawn_cells(rng) for _ in range(160)]
    start = time.process_time()
    x = np.concatenate(encoder(name="image_statistics").encode([picture for picture, _ in pairs], [CELLS] * len(pairs)))
    return x, np.array([answer for _, answers in pairs for answer in answers]), (time.process_time() - start) / len(pairs)


@pytest.mark.parametrize(("which", "least"), [(0, 0.98), (1, 0.99)], ids=["six shapes", "eight colours"])
def test_a_linear_model_tells_them_apart_in_jittered_cells(drawn, which, least):
    x, answers, _ = drawn
    x, y, cut = StandardScaler().fit_transform(x), answers[:, which], 1600
    assert LogisticRegression(max_iter=300).fit(x[:cut], y[:cut]).score(x[cut:], y[cut:]) >= least


def test_features_are_finite_and_of_about_unit_size(drawn):
    x, _, _ = drawn
    assert x.shape[1] == encoder(name="image_statistics").channels <= 128
    assert np.isfinite(x).all()
    assert np.abs(x).max() < 4


def test_a_picture_of_sixteen_cells_takes_milliseconds(drawn):
    assert drawn[2] < 0.05


@pytest.mark.parametrize("regions", [1, 3, 4, 9, 15])  # products of matrices treat rows beyond a multiple of four otherwise
def test_a_picture_does_not_depend_on_other_pictures_to_the_last_bit(regions):
    pictures = noise_pictures(np.random.default_rng(1), 70)
    statistics = encoder(name="image_statistics")
    together = statistics.encode(pictures, [CELLS[:regions]] * len(pictures))
    alone = [statistics.encode([picture], [CELLS[:regions]])[0] for picture in pictures]
    assert np.concatenate(together).tobytes() == np.concatenate(alone).tobytes()


@pytest.mark.parametrize("fill", ["black", "white", (128, 0, 7)])
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (300, 2)])
def test_a_plain_or_tiny_picture_gives_finite_features(fill, size):
    (x,) = encoder(name="image_statistics").encode([Image.new("RGB", size, fill)], [QUARTERS])
    assert x.shape[0] == 4
    assert np.isfinite(x).all()


def test_features_stay_of_unit_size_on_noise_and_gradients():
    rng = np.random.default_rng(2)
    soft = np.linspace(0, 255, 64)[None, :, None] * np.linspace(0, 1, 64)[:, None, None] * rng.random((40, 1, 1, 3))
    pictures = [*noise_pictures(rng, 40), *(Image.fromarray(part.astype(np.uint8)) for part in soft)]
    x = np.concatenate(encoder(name="image_statistics").encode(pictures, [QUARTERS] * 80))
    assert x.min() >= 0
    assert x.max() <= 2


def test_no_boxes_give_no_rows():
    statistics = encoder(name="image_statistics")
    (x,) = statistics.encode([Image.new("RGB", (9, 9))], [np.zeros((0, 4), dtype=np.float32)])
    assert x.shape == (0, statistics.channels)
    assert statistics.encode([], []) == []
