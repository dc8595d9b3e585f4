"""Encoded units are centred and scaled by what train rows taught."""

import numpy as np
import pytest
from modality_toys import manifest, modality
from PIL import Image

ROWS = ["Red shoe. Blue bag.", "Green hat.", "Two words more."]


def test_train_units_have_mean_zero_and_a_common_deviation_of_one():
    text = modality(name="text")
    rows = manifest(text=ROWS)
    x = text.nodes(rows, text.fit(rows)).x.astype(np.float64)
    assert np.abs(x.mean(axis=0)).max() < 1e-5
    assert np.sqrt(x.var(axis=0).mean()) == pytest.approx(1, abs=1e-5)


def test_new_rows_use_the_figures_of_train_rows():
    text, raw = modality(name="text"), modality(name="text", standardise=False)
    state = text.fit(manifest(text=ROWS))
    new = manifest(text=["Something else."])
    expected = (raw.nodes(new, {}).x - state["mean"]) / state["deviation"]
    assert np.array_equal(text.nodes(new, state).x, expected)


@pytest.mark.parametrize("train", [[""], ["Same text."], ["Same text.", "Same text."]])
def test_nothing_to_learn_from_leaves_vectors_of_ordinary_size(train):
    text = modality(name="text")
    x = text.nodes(manifest(text=["Something else."]), text.fit(manifest(text=train))).x
    assert np.isfinite(x).all()
    assert np.abs(x).max() < 10


def test_regions_are_standardised_alike(tmp_path):
    for name, colour in (("red.png", "red"), ("blue.png", "blue")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / name)
    rows = manifest(tmp_path, pictures=[["red.png"], ["blue.png"], []])
    image = modality(name="image", grid=1)
    x = image.nodes(rows, image.fit(rows)).x
    assert np.allclose(x[0], -x[1], atol=1e-5)
    assert not modality(name="image", standardise=False).fit(rows)
