"""Any backbone of torchvision: one pass per picture, pooled per box."""

from urllib.error import URLError

import numpy as np
import pytest
import torch
from encoder_toys import QUARTERS, encoder, noise_pictures
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import VisionTransformer, get_model

from graphfuse.core.errors import ConfigError, InputError
from graphfuse.encoders._convolution import FrozenConvolution, freeze_convolutions
from graphfuse.encoders._regions import BATCH, batches, same_alone
from graphfuse.encoders.torchvision_backbone import _map


def backbone(**settings):
    return encoder(name="torchvision_backbone", **{"model": "squeezenet1_1", "size": 64, **settings})


@pytest.mark.parametrize(
    ("model", "channels"),
    [("resnet18", 512), ("mobilenet_v3_small", 576), ("convnext_tiny", 768), ("swin_t", 768), ("vit_b_32", 768), ("regnet_y_400mf", 440)],
)
def test_channels_are_found_without_weights(model, channels):
    assert backbone(model=model, size=224).channels == channels


def test_a_box_is_pooled_from_where_it_lies():
    picture = Image.new("RGB", (64, 64), "black")
    picture.paste(Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)), (32, 32))
    (x,) = backbone(size=128).encode([picture], [QUARTERS])
    assert x.shape == (4, 512)
    assert np.abs(x[3] - x[0]).max() > 2 * np.abs(x[1] - x[2]).mean()


def test_one_box_over_everything_is_the_mean_of_the_map():
    (picture,) = noise_pictures(np.random.default_rng(0), 1, 64, 64)
    (x,) = backbone().encode([picture], [np.array([[0, 0, 1, 1]], dtype=np.float32)])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = get_model("squeezenet1_1", weights=None).eval()
    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None] / 255
    pixels = (pixels - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.inference_mode():
        assert np.allclose(x[0], network.features(pixels).mean((2, 3))[0], atol=1e-4)


def test_a_picture_does_not_depend_on_other_pictures_to_the_last_bit():
    pictures = noise_pictures(np.random.default_rng(1), 11)
    together = backbone().encode(pictures, [QUARTERS] * 11)
    assert all(np.array_equal(together[row], backbone().encode([pictures[row]], [QUARTERS])[0]) for row in (0, 10))


def test_a_transformers_patches_are_a_map():
    network = VisionTransformer(image_size=64, patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8).eval()
    with torch.inference_mode():
        features = _map(network, "encoder", torch.rand(2, 3, 64, 64))
    assert features.shape == (2, 8, 4, 4)


def test_random_weights_leave_torchs_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    backbone(size=65).encode(noise_pictures(np.random.default_rng(0), 1), [QUARTERS])
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_come_from_a_safetensors_file_whatever_classes_it_was_trained_for(tmp_path):
    torch.manual_seed(3)
    save_file(get_model("squeezenet1_1", num_classes=7).state_dict(), tmp_path / "mine.safetensors")
    mine = backbone(weights=str(tmp_path / "mine.safetensors"))
    pictures = noise_pictures(np.random.default_rng(0), 1)
    assert not np.allclose(mine.encode(pictures, [QUARTERS])[0], backbone().encode(pictures, [QUARTERS])[0])
    assert mine.identity() != backbone().identity()
    assert str(tmp_path) not in mine.identity()


def test_weights_that_do_not_fit_or_are_damaged_are_refused(tmp_path):
    file = tmp_path / "other.safetensors"
    save_file({"features.0.weight": torch.zeros(1)}, file)
    with pytest.raises(InputError, match=r"weights must fit squeezenet1_1 \(got '.*other.safetensors'.*Name the model they belong to."):
        backbone(weights=str(file)).encode(noise_pictures(np.random.default_rng(0), 1), [QUARTERS])
    file.write_bytes(b"no safetensors")
    with pytest.raises(InputError, match=r"weights must be a whole safetensors file \(got '.*other.safetensors'\). Fetch it again."):
        backbone(weights=str(file)).encode(noise_pictures(np.random.default_rng(0), 1), [QUARTERS])


def test_wrong_names_are_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"model must be a model of torchvision. Did you mean 'resnet18'\?"):
        backbone(model="resnet1")
    with pytest.raises(InputError, match=r"weights must be a file that is there \(got 'nowhere.safetensors'\). Check the path."):
        backbone(weights="nowhere.safetensors").identity()
    with pytest.raises(InputError, match=r"weights must be a .safetensors file or weights of squeezenet1_1 .* Did you mean 'DEFAULT'\?"):
        backbone(weights="DEFAUL").encode(noise_pictures(np.random.default_rng(0), 1), [QUARTERS])
    with pytest.raises(InputError, match=r"size must be one that vit_b_32 takes \(got 100: Wrong image height!"):
        backbone(model="vit_b_32", size=100).channels  # noqa: B018  (reading it is the test)


def test_weights_that_cannot_be_fetched_are_an_error_that_a_person_can_mend(monkeypatch):
    def unreachable(*_, **__):
        raise URLError("Name or service not known")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    with pytest.raises(InputError, match=r"be fetched \(got 'DEFAULT': .*not known.*\). Check the network, or give a .safetensors file."):
        backbone(weights="DEFAULT").encode(noise_pictures(np.random.default_rng(0), 1), [QUARTERS])


def test_pictures_of_an_unfinished_batch_go_alone_only_where_that_changes_no_bit():
    batch = BATCH["cpu"]
    tiles = [np.full((4, 4, 3), value, dtype=np.uint8) for value in range(batch + 3)]
    for alone, sizes in ((False, [batch, batch]), (True, [batch, 1, 1, 1])):
        seen = []

        def run(pixels, seen=seen):
            seen.append(len(pixels))
            return pixels.mean(dim=(1, 2, 3))

        found = torch.stack(list(batches(tiles, (0.0,) * 3, (1.0,) * 3, run, torch.device("cpu"), alone=alone)))
        torch.testing.assert_close(found, torch.arange(batch + 3) / 255)
        assert seen == sizes
    assert same_alone(lambda pixels: pixels * 2, size=4)
    assert not same_alone(lambda pixels: pixels + pixels.mean(dim=0), size=4)  # sees its neighbours


def noise_of(network, size):
    x = torch.randn(3, 3, size, size).contiguous(memory_format=torch.channels_last)
    return x, lambda pixels: _map(network, "layer4", pixels)


def test_large_convolutions_are_laid_out_anew_and_say_the_same_to_the_last_bit():
    network = get_model("resnet18", weights=None).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    x, run = noise_of(network, 64)
    expected = run(x)
    freeze_convolutions(network, run, x)
    assert sum(isinstance(layer, FrozenConvolution) for layer in network.modules()) in (0, 4)  # 0 where a library sums in another order
    assert torch.equal(run(x), expected)


def test_a_network_that_would_say_something_else_keeps_its_convolutions(monkeypatch):
    network = get_model("resnet18", weights=None).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    x, run = noise_of(network, 64)
    expected = run(x)
    monkeypatch.setattr(FrozenConvolution, "forward", lambda layer, given: torch.nn.functional.conv2d(given, layer.weight.to_dense()) * 1.5)
    freeze_convolutions(network, run, x)
    assert not any(isinstance(layer, FrozenConvolution) for layer in network.modules())
    assert torch.equal(run(x), expected)
