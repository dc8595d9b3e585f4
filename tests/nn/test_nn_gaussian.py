"""Products and divergences of Gaussians, against the closed form and torch's distributions."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from graphfuse.nn.gaussian import Gaussian, product_with_prior


def gaussians(number: int, rows: int = 4, channels: int = 3) -> list[Gaussian]:
    draw = torch.Generator().manual_seed(0)
    return [
        Gaussian(mean=torch.randn(rows, channels, generator=draw), precision=torch.rand(rows, channels, generator=draw) * 3 + 0.1)
        for _ in range(number)
    ]


def test_the_divergence_is_that_of_torchs_distributions() -> None:
    (found,) = gaussians(1)
    expected = kl_divergence(Normal(found.mean, found.precision.rsqrt()), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(found.divergence(), expected)


def test_the_product_is_the_normalised_product_of_the_densities() -> None:
    experts = gaussians(2, rows=1, channels=1)
    product = product_with_prior(experts, [torch.ones(1, 1), torch.ones(1, 1)])
    place = torch.linspace(-12, 12, 40_001, dtype=torch.double)
    density = Normal(0.0, 1.0).log_prob(place)
    for expert in experts:
        density = density + Normal(expert.mean.double().squeeze(), expert.precision.double().rsqrt().squeeze()).log_prob(place)
    mass = density.exp() / density.exp().sum()
    mean = (mass * place).sum()
    assert product.mean.item() == pytest.approx(mean.item(), abs=1e-5)
    assert 1 / product.precision.item() == pytest.approx((mass * (place - mean) ** 2).sum().item(), rel=1e-4)


def test_an_absent_expert_is_no_factor_and_one_of_half_weight_half_as_sure() -> None:
    first, second = gaussians(2)
    present = torch.tensor([[1.0], [0.0], [1.0], [0.5]])
    found = product_with_prior([first, second], [torch.ones(4, 1), present])
    alone, both = product_with_prior([first], [torch.ones(4, 1)]), product_with_prior([first, second], [torch.ones(4, 1)] * 2)
    torch.testing.assert_close(found.mean[[1]], alone.mean[[1]], rtol=0, atol=0)
    torch.testing.assert_close(found.mean[[0, 2]], both.mean[[0, 2]], rtol=0, atol=0)
    torch.testing.assert_close(found.precision[3], 1 + first.precision[3] + second.precision[3] / 2)


def test_without_any_expert_it_is_the_prior() -> None:
    found = product_with_prior(gaussians(2), [torch.zeros(4, 1)] * 2)
    assert torch.equal(found.mean, torch.zeros(4, 3))
    assert torch.equal(found.precision, torch.ones(4, 3))
    assert torch.equal(found.divergence(), torch.zeros(4))


def test_draws_have_its_mean_and_deviation() -> None:
    torch.manual_seed(0)
    wide = Gaussian(mean=torch.full((50_000, 1), 2.0), precision=torch.full((50_000, 1), 4.0))
    draws = wide.sample()
    assert draws.mean().item() == pytest.approx(2, abs=0.01)
    assert draws.std().item() == pytest.approx(0.5, abs=0.01)
