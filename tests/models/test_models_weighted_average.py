"""Weights held against a search over a grid."""

import numpy as np
import pytest
import torch
from toy_late import WIDTH, decision, fusion, said, says

from graphfuse.models._decisions import mix


def made(target, rows=200):
    """Return two noisy experts, the second the better one, and the truth."""
    draw = torch.Generator().manual_seed(3)
    noise = torch.randn(rows, 2, WIDTH[target], generator=draw) * torch.tensor([2.0, 1.7])[:, None]
    if target == "classes":
        y = torch.randint(0, 3, (rows,), generator=draw)
        return 1.5 * torch.nn.functional.one_hot(y, 3)[:, None] + noise, y
    if target == "labels":
        y = (torch.rand(rows, 2, generator=draw) > 0.5).float()
        y[3, 1] = torch.nan
        return 2 * (2 * y.nan_to_num()[:, None] - 1) + noise, y
    y = torch.randn(rows, 2, generator=draw)
    return y[:, None] + noise, y * torch.tensor([2.0, 0.5]) + torch.tensor([1.0, -1.0])


@pytest.mark.parametrize("target", ["classes", "labels", "values"])
def test_no_point_of_a_grid_has_a_lower_validation_loss(target, monkeypatch) -> None:
    fused, (logits, y), criterion = fusion("weighted_average", target), made(target), decision(target).criterion
    says(fused, monkeypatch, logits, y)
    weight = fused.log_weight.exp()
    assert weight.sum().item() == pytest.approx(1)

    def loss(share):
        return criterion(mix(fused.kind, logits, torch.tensor([1 - share, share]).expand(len(logits), 2)), y).item()

    grid = np.linspace(0, 1, 201)
    losses = [loss(float(share)) for share in grid]
    assert weight[1].item() == pytest.approx(grid[np.argmin(losses)], abs=0.02)
    assert criterion(fused.combine(said(logits)), y).item() <= min(losses) + 1e-4


def test_weights_renormalise_over_the_experts_that_are_there() -> None:
    fused = fusion("weighted_average", "values")
    fused.log_weight = torch.tensor([0.2, 0.8]).log()
    values = [[[1.0, 1.0], [2.0, 2.0]]]
    torch.testing.assert_close(fused.combine(said(values))[0, 0], torch.tensor(1.8))
    assert fused.combine(said(values, [[1, 0]]))[0, 0] == 1


def test_an_expert_that_validation_never_shows_gets_a_finite_weight(monkeypatch) -> None:
    fused, (logits, y) = fusion("weighted_average"), made("classes")
    has = torch.ones(len(y), 2)
    has[:, 0] = 0
    says(fused, monkeypatch, logits, y, has)
    torch.testing.assert_close(fused.log_weight.exp(), torch.tensor([0.5, 0.5]))


def test_it_averages_until_it_has_seen_validation_rows() -> None:
    logits = torch.randn(4, 2, 3)
    torch.testing.assert_close(fusion("weighted_average").combine(said(logits)), fusion("average").combine(said(logits)))
