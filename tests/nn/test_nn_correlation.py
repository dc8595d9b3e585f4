"""Correlations are those that other packages find, and rows that lack a view do no harm."""

import numpy as np
import pytest
import torch
from cca_zoo.deep.objectives import CCALoss
from cca_zoo.linear import GCCA, MCCA, RidgeCCA
from sklearn.cross_decomposition import CCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from graphfuse.nn.correlation import CanonicalMaps, cca, gma, maxvar, multiset, total_correlation

ROWS = 300


def related_views(*widths: int, shared: int = 3, seed: int = 0) -> list[Tensor]:
    """Return views that hold the same few variables under noise of their own."""
    draw = np.random.default_rng(seed)
    common = draw.normal(size=(ROWS, shared)) * [2.0, 1.0, 0.5]
    return [torch.from_numpy(common @ draw.normal(size=(shared, width)) + draw.normal(size=(ROWS, width)) + 5) for width in widths]


def aligned(ours: Tensor, theirs: np.ndarray) -> Tensor:
    """Return per component the cosine of ours with theirs."""
    return torch.nn.functional.cosine_similarity(ours - ours.mean(0), torch.from_numpy(theirs - theirs.mean(0)), dim=0).abs()


def correlations(fitted: CanonicalMaps, views: list[Tensor]) -> list[float]:
    first, second = fitted.variates(views)
    return [float(np.corrcoef(first[:, i], second[:, i])[0, 1]) for i in range(first.size(1))]


def test_cca_finds_the_correlations_that_scikit_learn_finds() -> None:
    views = related_views(6, 4)
    fitted = cca(*views, 3)
    theirs = (
        CCA(n_components=3, tol=1e-12, max_iter=10000).fit(*(view.numpy() for view in views)).transform(*(view.numpy() for view in views))
    )
    expected = [np.corrcoef(theirs[0][:, i], theirs[1][:, i])[0, 1] for i in range(3)]
    np.testing.assert_allclose(fitted.strengths.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(correlations(fitted, views), expected, atol=1e-6)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_ridge_cca_gives_the_variates_that_cca_zoo_gives(shrinkage: float) -> None:
    views = related_views(6, 4)
    fitted = cca(*views, 3, shrinkage=shrinkage)
    theirs = RidgeCCA(n_components=3, shrinkage=shrinkage).fit([view.numpy() for view in views]).transform([view.numpy() for view in views])
    for ours, other in zip(fitted.variates(views), theirs, strict=True):
        torch.testing.assert_close(aligned(ours, other), torch.ones(3, dtype=torch.double), rtol=0, atol=1e-9)
        np.testing.assert_allclose(ours.std(0).numpy(), other.std(0, ddof=1), rtol=1e-6)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
@pytest.mark.parametrize(("ours", "theirs"), [(maxvar, GCCA), (multiset, MCCA)])
def test_three_views_give_the_variates_that_cca_zoo_gives(ours, theirs, shrinkage: float) -> None:
    views = related_views(6, 4, 5)
    fitted = ours(views, 3, shrinkage=shrinkage)
    expected = theirs(n_components=3, shrinkage=shrinkage).fit([view.numpy() for view in views]).transform([view.numpy() for view in views])
    for variates, other in zip(fitted.variates(views), expected, strict=True):
        torch.testing.assert_close(aligned(variates, other), torch.ones(3, dtype=torch.double), rtol=0, atol=1e-6)
        np.testing.assert_allclose(variates.std(0).numpy(), other.std(0, ddof=1), rtol=1e-4)


def test_two_views_of_multiset_cca_are_cca() -> None:
    views = related_views(6, 4)
    torch.testing.assert_close(multiset(views, 3).strengths, cca(*views, 3).strengths)
    torch.testing.assert_close(correlations(multiset(views, 3), views), correlations(cca(*views, 3), views))


def test_maxvar_strengths_are_the_mean_share_of_variance_that_the_views_explain() -> None:
    views = related_views(6, 4, 5)
    fitted = maxvar(views, 2)
    shared = torch.stack(fitted.variates(views)).sum(0)
    explained = []
    for view in views:
        x = view - view.mean(0)
        fit = x @ torch.linalg.lstsq(x, shared).solution
        explained.append(fit.square().sum(0) / shared.square().sum(0))
    torch.testing.assert_close(torch.stack(explained).mean(0), fitted.strengths)


def test_a_view_in_other_units_has_the_same_correlations() -> None:
    first, second, third = related_views(6, 4, 5)
    scaled = [first * 1e4, second, third * 1e-4]
    torch.testing.assert_close(cca(*scaled[:2], 3).strengths, cca(first, second, 3).strengths)
    torch.testing.assert_close(maxvar(scaled, 3).strengths, maxvar([first, second, third], 3).strengths)


def test_cca_is_fitted_on_the_rows_that_have_both_views() -> None:
    first, second = related_views(6, 4)
    has = torch.ones(ROWS, 2)
    has[:60, 0], has[60:100, 1] = 0, 0
    spoilt = [torch.where(has[:, [i]] > 0, view, torch.nan) for i, view in enumerate((first, second))]
    torch.testing.assert_close(cca(*spoilt, 3, has=has).strengths, cca(first[100:], second[100:], 3).strengths)


@pytest.mark.parametrize("fit", [maxvar, multiset])
def test_what_stands_where_a_view_is_absent_does_not_matter(fit) -> None:
    views = related_views(6, 4, 5)
    has = torch.rand(ROWS, 3, generator=torch.Generator().manual_seed(0)) > 0.3
    one, other = (fit([torch.where(has[:, [i]], view, fill) for i, view in enumerate(views)], 2, has=has) for fill in (0.0, 1e6))
    torch.testing.assert_close(one.strengths, other.strengths)
    whole = fit(views, 2)
    for partial, complete in zip(one.variates(views), whole.variates(views), strict=True):
        assert (aligned(partial, complete.numpy()) > 0.97).all(), "a third of the views missing at random leaves the directions"


def test_maxvar_with_missing_views_solves_the_weighted_eigenproblem() -> None:
    views = related_views(6, 4, 5)
    has = torch.rand(ROWS, 3, generator=torch.Generator().manual_seed(0)) > 0.3
    rows = has.sum(1) > 1
    projections = torch.zeros(int(rows.sum()), int(rows.sum()), dtype=torch.double)
    for view, there in zip(views, has[rows].T, strict=True):
        x = torch.where(there[:, None], view[rows], 0.0)
        x = torch.where(there[:, None], x - x[there].mean(0), 0.0)
        projections += x @ torch.linalg.pinv(x)
    root = has[rows].sum(1).double().rsqrt()
    expected = torch.linalg.eigvalsh(root[:, None] * projections * root).flip(0)[:3]
    torch.testing.assert_close(maxvar(views, 3, has=has).strengths, expected)


def test_without_pairs_each_view_keeps_its_principal_components() -> None:
    first, second = related_views(6, 4)
    has = torch.ones(ROWS, 2)
    has[:100, 0], has[100:, 1] = 0, 0
    fitted = cca(first, second, 2, has=has)
    assert (fitted.strengths == 0).all()
    x = first[100:] - first[100:].mean(0)
    components = torch.linalg.svd(x, full_matrices=False).Vh[:2].T
    own = fitted.variates([first[100:], second[100:]])[0]
    torch.testing.assert_close(aligned(own, (x @ components).numpy()), torch.ones(2, dtype=torch.double))


@pytest.mark.parametrize("fit", [maxvar, multiset, lambda views, k, has: cca(*views[:2], k, has=has[:, :2])])
def test_a_view_that_no_row_has_gets_a_map_of_zeros(fit) -> None:
    views = related_views(6, 4, 5)
    has = torch.tensor([1, 0, 1]).expand(ROWS, 3)
    fitted = fit([views[0], torch.zeros_like(views[1]), views[2]], 2, has=has)
    assert (fitted.maps[1] == 0).all()
    assert fitted.maps[0].isfinite().all()
    assert fitted.maps[0].abs().sum() > 0


def test_more_channels_than_rows_and_constant_channels_stay_finite() -> None:
    draw = torch.Generator().manual_seed(0)
    views = [torch.randn(10, 30, generator=draw), torch.randn(10, 20, generator=draw)]
    views[0][:, 3] = 2.0
    for fitted in (cca(*views, 4), maxvar(views, 4), multiset(views, 4)):
        assert all(weight.isfinite().all() for weight in fitted.maps)
        assert all(weight[3].abs().max() < 1e-6 for weight in fitted.maps[:1])


def classes(num_classes: int = 3) -> Tensor:
    return torch.nn.functional.one_hot(torch.arange(ROWS) % num_classes).double()


def classed_views() -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    views = related_views(6, 4)
    return [view + classes() @ torch.randn(3, view.size(1), generator=draw).double() for view in views]


def test_gma_of_one_view_is_linear_discriminant_analysis() -> None:
    view = classed_views()[0]
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(view.numpy(), classes().argmax(1).numpy()).transform(view.numpy())
    (ours,) = gma([view], classes(), 2).variates([view])
    torch.testing.assert_close(aligned(ours, theirs), torch.ones(2, dtype=torch.double), rtol=0, atol=1e-9)


def test_gma_solves_the_eigenproblem_of_its_paper() -> None:
    views = classed_views()
    between, within = torch.zeros(10, 10, dtype=torch.double), torch.zeros(10, 10, dtype=torch.double)
    centred = [view - view.mean(0) for view in views]
    group = classes().argmax(1)
    means = [torch.stack([x[group == c].mean(0) for c in range(3)]) for x in centred]
    for i, rows in enumerate((slice(0, 6), slice(6, 10))):
        scatter = (centred[i] - means[i][group]).T @ (centred[i] - means[i][group])
        within[rows, rows] = scatter / scatter.trace() * scatter.size(0)
        for j, columns in enumerate((slice(0, 6), slice(6, 10))):
            between[rows, columns] = (1.0 if i == j else 0.5) * ROWS / 3 / (ROWS - 1) * means[i].T @ means[j]
    fitted = gma(views, classes(), 2, coupling=0.5)
    stacked = torch.cat(fitted.maps)
    torch.testing.assert_close(between @ stacked, within @ stacked * fitted.strengths)


def test_gma_leaves_out_rows_without_target_and_takes_values_too() -> None:
    views = classed_views()
    some = classes()
    some[200:] = torch.nan
    whole = gma([view[:200] for view in views], classes()[:200], 2)
    torch.testing.assert_close(gma(views, some, 2).strengths, whole.strengths)
    value = views[0][:, :1] - views[1][:, :1]
    fitted = gma(views, value, 1, shrinkage=0.1)
    shared = torch.stack(fitted.variates(views)).sum(0)
    assert abs(float(np.corrcoef(shared[:, 0], value[:, 0])[0, 1])) > 0.5


def test_total_correlation_is_the_sum_of_the_canonical_correlations() -> None:
    first, second = related_views(6, 4)
    expected = cca(first, second, 4).strengths.sum()
    torch.testing.assert_close(total_correlation(first, second, ridge=1e-9), expected)


def test_total_correlation_agrees_with_a_published_loss_where_one_component_is_left() -> None:
    first, second = related_views(6, 1)
    theirs = CCALoss(reg_covar=1e-4)([first, second])
    torch.testing.assert_close(total_correlation(first, second, ridge=1e-4).square(), -theirs)


def test_rows_of_weight_zero_do_not_count_in_the_total_correlation() -> None:
    first, second = related_views(6, 4)
    weight = (torch.arange(ROWS) % 3 > 0).double()
    kept = weight > 0
    torch.testing.assert_close(total_correlation(first, second, weight), total_correlation(first[kept], second[kept]))
    assert total_correlation(first, second, torch.zeros(ROWS)) == 0


def test_gradients_of_the_total_correlation_are_finite_also_for_few_rows_and_equal_views() -> None:
    for rows in (1, 2, 30):
        x = torch.randn(rows, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
        total_correlation(x, x * 2).backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()
