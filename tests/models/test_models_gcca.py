"""Three views meet in one space, as other packages put them there, or as the targets ask."""

import pytest
import torch
from cca_zoo.linear import GCCA, MCCA
from early_rows import TYPES, cosines, fitted, standardised, train_rows
from torch import nn

from graphfuse.models.gcca import GccaModel, _columns


@pytest.mark.parametrize(("method", "theirs"), [("maxvar", GCCA), ("multiset", MCCA)])
def test_views_are_the_variates_that_cca_zoo_gives(method: str, theirs: type) -> None:
    rows = train_rows()
    (batch,) = rows()
    views = fitted(GccaModel(method=method, num_components=2, shrinkage=0.2), rows)(batch).views
    x = [view.numpy() for view in standardised(rows).values()]
    # both shrink towards the identity; theirs divides by one row less
    expected = theirs(n_components=2, shrinkage=0.2).fit_transform(x)
    assert list(views) == list(TYPES)
    for view, other in zip(views.values(), expected, strict=True):
        torch.testing.assert_close(cosines(view, torch.from_numpy(other)), torch.ones(2, dtype=torch.double), rtol=0, atol=1e-6)


def test_modalities_of_one_sample_are_near_each_other_in_new_rows() -> None:
    network = fitted(GccaModel(num_components=2), train_rows(400, absent=0.3))
    (batch,) = train_rows(100, seed=1)()
    text, image, _ = (nn.functional.normalize(view, dim=1) for view in network(batch).views.values())
    own = (text * image).sum(1).mean()
    others = (text @ image.T).mean()
    assert own > 0.8
    assert others.abs() < 0.3


def test_gma_finds_the_direction_of_the_target_in_every_modality() -> None:
    rows = train_rows(absent=0.2)
    network = fitted(GccaModel(method="gma", num_components=4), rows)
    (batch,) = train_rows(seed=1)()
    sides = []
    for view in network(batch).views.values():
        side = view[batch.y == 1].mean(0) - view[batch.y == 0].mean(0)
        assert side[0].abs() > 1.0, "in units of the deviation within classes"
        assert (view[:, 1:] == 0).all(), "two classes have one direction"
        sides.append(side[0].sign())
    assert len(set(map(float, sides))) == 1, "all modalities point the same way"


def test_targets_of_all_kinds_become_columns() -> None:
    classes = _columns(torch.tensor([0, 2, -1]))
    torch.testing.assert_close(classes, torch.tensor([[1, 0, 0], [0, 0, 1], [torch.nan] * 3]), equal_nan=True)
    assert _columns(torch.tensor([0.5, torch.nan])).shape == (2, 1)
    assert _columns(torch.zeros(2, 3)).shape == (2, 3)
