"""Both halves of a CLIP-style model end in one space."""

import numpy as np
import pytest
import torch
from encoder_toys import QUARTERS, encoder, noise_pictures, save_clip, tokenizer, whole
from transformers import CLIPModel

from graphfuse.encoders import clip_image
from graphfuse.encoders._regions import square
from graphfuse.encoders.clip_image import CLIP_MEAN, CLIP_STD

WHOLE = np.array([[0, 0, 1, 1]], dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_clip(tmp_path_factory.mktemp("clip"))


def image(folder, **settings):
    return encoder(name="clip_image", model=str(folder), **settings)


def text(folder):
    return encoder(name="clip_text", model=str(folder))


def test_both_halves_have_the_width_of_the_shared_space(folder):
    assert image(folder).channels == text(folder).channels == 10


def test_a_span_is_what_the_model_itself_says_of_it(folder):
    (x,) = text(folder).encode(["so the red shoe"], [np.array([[3, 15], [7, 10]])])
    model = CLIPModel.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.inference_mode():
        expected = model.get_text_features(
            **{k: v for k, v in tokenizer(8)("the red shoe", return_tensors="pt").items() if k != "token_type_ids"}
        )
    expected = expected.pooler_output[0].numpy()
    assert np.allclose(x[0], expected / np.linalg.norm(expected), atol=1e-5)
    assert np.linalg.norm(x, axis=1) == pytest.approx([1, 1])


def test_a_crop_is_what_the_model_itself_says_of_it(folder):
    (picture,) = noise_pictures(np.random.default_rng(0), 1)
    (x,) = image(folder).encode([picture], [QUARTERS])
    pixels = torch.tensor(square(picture, 32, QUARTERS[2])).permute(2, 0, 1)[None] / 255
    pixels = (pixels - torch.tensor(CLIP_MEAN).view(1, 3, 1, 1)) / torch.tensor(CLIP_STD).view(1, 3, 1, 1)
    with torch.inference_mode():
        expected = CLIPModel.from_pretrained(folder).eval().get_image_features(pixel_values=pixels).pooler_output[0].numpy()
    assert np.allclose(x[2], expected / np.linalg.norm(expected), atol=1e-5)


@pytest.mark.parametrize("regions", ["crop", "patch"])
def test_a_picture_does_not_depend_on_other_pictures_to_the_last_bit(folder, regions):
    pictures = noise_pictures(np.random.default_rng(1), 11)
    half = image(folder, regions=regions)
    together = half.encode(pictures, [QUARTERS] * 11)
    assert all(np.array_equal(together[row], half.encode([pictures[row]], [QUARTERS])[0]) for row in (0, 5, 10))


def test_patches_are_pooled_where_the_box_lies(folder):
    rng = np.random.default_rng(2)
    half = image(folder, regions="patch")
    (x,) = half.encode(noise_pictures(rng, 1), [np.concatenate([QUARTERS, WHOLE])])
    assert x.shape == (5, 10)
    assert np.linalg.norm(x, axis=1) == pytest.approx(np.ones(5))
    assert not np.allclose(x[0], x[3])


def test_a_long_span_is_read_in_windows(folder):
    long = "red shoe " * 30
    (x,) = text(folder).encode([long], whole(long))
    assert np.linalg.norm(x) == pytest.approx(1)


def test_the_models_own_normalisation_is_used(folder, tmp_path):
    copy = save_clip(tmp_path / "clip")
    (picture,) = noise_pictures(np.random.default_rng(0), 1)
    before = image(copy).encode([picture], [WHOLE])[0]
    (copy / "preprocessor_config.json").write_text('{"image_mean": [0, 0, 0], "image_std": [1, 1, 1]}')
    assert not np.allclose(image(copy).encode([picture], [WHOLE])[0], before)


def test_the_identity_tells_halves_and_ways_apart(folder):
    assert len({text(folder).identity(), image(folder).identity(), image(folder, regions="patch").identity()}) == 3


def test_nothing_gives_nothing(folder):
    assert text(folder).encode([], []) == image(folder).encode([], []) == image(folder, regions="patch").encode([], []) == []
    (x,) = text(folder).encode(["red"], [np.zeros((0, 2), dtype=np.int64)])
    assert x.shape == (0, 10)


def test_a_single_picture_is_not_filled_up_where_its_patches_have_the_same_bits_alone(folder, monkeypatch):
    seen = []
    patches = clip_image._patches
    monkeypatch.setattr(clip_image, "_patches", lambda network, pixels: (seen.append(len(pixels)), patches(network, pixels))[1])
    for same, expected in ((True, [8, 1, 1]), (False, [8, 8])):
        seen.clear()
        monkeypatch.setattr(clip_image, "_same_alone", lambda *_, same=same: same)
        image(folder, regions="patch").encode(noise_pictures(np.random.default_rng(0), 10), [QUARTERS] * 10)
        assert seen == expected
