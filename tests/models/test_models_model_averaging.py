"""Posterior weights held against their formula."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from toy_late import fusion, said, says


def test_weights_are_the_likelihoods_of_the_experts(monkeypatch) -> None:
    fused = fusion("model_averaging")
    probability = torch.tensor([[[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]], [[0.4, 0.4, 0.2], [0.1, 0.8, 0.1]], [[0.6, 0.2, 0.2], [0.1, 0.1, 0.8]]])
    says(fused, monkeypatch, probability.log(), [0, 1, -1])
    likelihood = np.array([0.5 * 0.4, 0.2 * 0.8])
    np.testing.assert_allclose(fused.log_weight.exp(), likelihood / likelihood.sum(), rtol=1e-6)


def test_labels_of_a_row_count_together_and_unknown_ones_do_not(monkeypatch) -> None:
    fused = fusion("model_averaging", "labels")
    probability = torch.tensor([[[0.9, 0.4], [0.6, 0.2]], [[0.5, 0.3], [0.7, 0.9]]])
    says(fused, monkeypatch, torch.logit(probability), [[1.0, 0.0], [torch.nan, 1.0]])
    likelihood = np.array([0.9 * 0.6 * 0.3, 0.6 * 0.8 * 0.9])
    np.testing.assert_allclose(fused.log_weight.exp(), likelihood / likelihood.sum(), rtol=1e-5)


def test_values_are_gaussian_around_each_expert(monkeypatch) -> None:
    fused, rng = fusion("model_averaging", "values"), np.random.default_rng(0)
    truth = rng.normal(size=(6, 2))
    values = truth[:, None] + rng.normal(size=(6, 2, 2)) * np.array([1.0, 1.1])[:, None]
    says(fused, monkeypatch, values, torch.tensor(truth * [2.0, 0.5] + [1.0, -1.0]))
    error = values - truth[:, None]
    likelihood = norm.logpdf(error, scale=np.sqrt((error**2).mean(axis=0))).sum(axis=(0, 2))
    expected = np.exp(likelihood - likelihood.max())
    np.testing.assert_allclose(fused.log_weight.exp(), expected / expected.sum(), rtol=1e-4)


def test_an_expert_of_vanishing_weight_still_decides_where_it_is_alone(monkeypatch) -> None:
    fused = fusion("model_averaging", "two classes")
    logits = torch.tensor([[9.0, -9.0], [-9.0, 9.0]]).expand(200, 2, 2)
    says(fused, monkeypatch, logits, torch.zeros(200, dtype=torch.long))
    assert fused.log_weight[1].item() == pytest.approx(-3600)
    alone = fused.combine(said(logits[:1], [[0, 1]]))
    torch.testing.assert_close(alone, logits[:1, 1].log_softmax(dim=1))
    torch.testing.assert_close(fused.combine(said(logits[:1])), logits[:1, 0].log_softmax(dim=1))
