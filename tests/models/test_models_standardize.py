"""Features in units of their spread over train rows."""

import torch

from graphfuse.models._standardize import Standardize
from graphfuse.nn.pooling import Pooled


def test_rows_with_the_modality_have_mean_zero_and_deviation_one() -> None:
    values = 3 + 5 * torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    has = (torch.arange(50) % 2).float().unsqueeze(1)
    standardize = Standardize(2)
    torch.testing.assert_close(standardize(values), values)
    standardize.fit(Pooled(mean=values * has, has=has))
    there = standardize(values)[1::2]
    torch.testing.assert_close(there.mean(dim=0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(there.std(dim=0, correction=0), torch.ones(2))


def test_a_channel_that_changes_by_rounding_only_keeps_its_scale() -> None:
    values = torch.full((40, 1), 700.1) + torch.linspace(0, 1e-4, 40).unsqueeze(1)
    standardize = Standardize(1)
    standardize.fit(Pooled(mean=values, has=torch.ones(40, 1)))
    assert standardize.scale.tolist() == [1.0]


def test_a_modality_that_no_row_has_changes_nothing() -> None:
    standardize = Standardize(2)
    standardize.fit(Pooled(mean=torch.zeros(4, 2), has=torch.zeros(4, 1)))
    assert torch.equal(standardize(torch.ones(1, 2)), torch.ones(1, 2))
