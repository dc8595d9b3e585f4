from dataclasses import replace

import pytest
import torch
from toy_training import SETTINGS, made_store, train

from graphfuse.core.errors import ConfigError
from graphfuse.core.settings import TrainSettings
from graphfuse.training.computing import Computing, reproducible


def test_settings_come_back_even_after_an_error():
    torch.use_deterministic_algorithms(False)
    before = torch.get_num_threads()
    with pytest.raises(KeyError), reproducible(Computing(threads=before + 1)):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == before


def test_random_numbers_come_back():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with reproducible(Computing(threads=0)):
        torch.rand(100)
    assert torch.equal(torch.rand(4), expected)


def test_training_settings_say_all_of_it():
    settings = TrainSettings(threads=3, fast=True, kernels="compiled", device="cuda")
    assert Computing.of(settings) == Computing(threads=3, fast=True, kernels="compiled", device="cuda")


def test_a_gpu_that_is_not_there_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with (
        pytest.raises(ConfigError, match=r"train\.device: cuda needs an NVIDIA GPU .* Take train\.device=cpu"),
        reproducible(Computing(threads=1, device="cuda")),
    ):
        pytest.fail("it was not refused")


def test_a_training_that_is_refused_so_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    store = made_store(tmp_path / "store")
    with pytest.raises(ConfigError, match="needs an NVIDIA GPU"):
        train(store, tmp_path / "run", replace(SETTINGS, device="cuda"))
    assert not (tmp_path / "run").exists()
