"""Networks of encoders on a GPU: the same vectors, marked as what they are."""

import numpy as np
import pytest
import torch
from encoder_toys import QUARTERS, encoder, noise_pictures, save_bert, save_clip, whole

from graphfuse.encoders._device import usable

TEXTS = ["so the red shoe", "bag", "it is in the bag and the green shoes", "runs to the blue bag"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert")), save_clip(tmp_path_factory.mktemp("clip"))


def sections(folders):
    bert, clip = (str(folder) for folder in folders)
    return [
        {"name": "transformers_text", "model": bert},
        {"name": "clip_text", "model": clip},
        {"name": "clip_image", "model": clip},
        {"name": "clip_image", "model": clip, "regions": "patch"},
        {"name": "torchvision_backbone", "size": 64},
    ]


def encoded(section, count, device):
    """Return the vectors of the first texts or pictures."""
    made = encoder(**section, device=device)
    if "text" in section["name"]:
        return made.encode(TEXTS[:count], whole(*TEXTS[:count]))
    pictures = noise_pictures(np.random.default_rng(0), len(TEXTS))[:count]
    return made.encode(pictures, [QUARTERS] * count)


def test_without_a_gpu_the_processor_takes_over_and_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert usable("cpu") == torch.device("cpu")
    with pytest.warns(UserWarning, match="asks for a GPU .* it runs on the processor"):
        assert usable("cuda") == torch.device("cpu")


def test_a_cache_keeps_vectors_of_a_gpu_apart(folders, monkeypatch):
    for section in sections(folders):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        of_gpu = encoder(**section, device="cuda").identity()
        plain = encoder(**section).identity()
        assert of_gpu == f"{plain} on a GPU"
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.warns(UserWarning, match="asks for a GPU"):
            assert encoder(**section, device="cuda").identity() == plain


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU on this machine")
def test_a_gpu_gives_the_vectors_of_the_processor_whatever_stands_beside(folders):
    for section in sections(folders):
        together, alone, expected = (encoded(section, *how) for how in ((len(TEXTS), "cuda"), (1, "cuda"), (len(TEXTS), "cpu")))
        for found, wanted in zip(together, expected, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-4, err_msg=section["name"])
        np.testing.assert_array_equal(together[0], alone[0], err_msg=section["name"])
