"""Canonical correlation of two and more views: linear maps under which they agree, and the loss of deep networks that do.

All work on second moments in float64. A view is one matrix with a row per sample; a row may lack a view, and then counts only where
its other views do. Covariances are shrunk towards the identity, `(1 - c) S + c I`: 0 is plain correlation analysis, 1 is partial least
squares ("Canonical ridge and econometrics of joint production", Vinod, Journal of Econometrics 1976).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

RANK = 1e-10
"""Share of the largest eigenvalue below which a direction counts as not there."""


@dataclass(frozen=True, kw_only=True)
class CanonicalMaps:
    """A linear map per view, fitted; all have the same number of columns."""

    means: tuple[Tensor, ...]
    """Per view, over the rows that were fitted on.  [channels of the view]"""
    maps: tuple[Tensor, ...]
    """Per view.  [channels of the view, components]"""
    strengths: Tensor
    """What each component reaches of the method's criterion, largest first.  [components]"""

    def variates(self, views: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return every view in the shared space.  [num_rows, components] each."""
        return tuple((view.double() - mean) @ weight for view, mean, weight in zip(views, self.means, self.maps, strict=True))


def cca(first: Tensor, second: Tensor, num_components: int, *, shrinkage: float = 0.0, has: Tensor | None = None) -> CanonicalMaps:
    """Fit canonical correlation analysis: pairs of directions, one per view, that correlate most.

    "Relations between two sets of variates" (Hotelling, Biometrika 1936). Variates have variance 1 (at shrinkage 0) and do not correlate
    with one another; strengths are the canonical correlations. Where fewer than two rows have both views, there is nothing to correlate,
    and each view keeps its own principal components.

    Args:
        first: One view.  [num_rows, channels]
        second: The other.  [num_rows, channels]
        num_components: Most components; the narrower view bounds them.
        shrinkage: In [0, 1].
        has: Which rows have which view, None for all.  [num_rows, 2]
    """
    has = _presence([first, second], has)
    both = has.all(dim=1)
    paired = int(both.sum()) > 1
    chosen = [both, both] if paired else [has[:, 0], has[:, 1]]
    (mean1, x1), (mean2, x2) = (_centred(view, rows) for view, rows in zip((first, second), chosen, strict=True))
    white1, white2 = (_whitener(_covariance(x, rows), shrinkage) for x, rows in zip((x1, x2), chosen, strict=True))
    cross = x1.T @ x2 / max(int(both.sum()) - 1, 1) if paired else x1.new_zeros(x1.size(1), x2.size(1))
    left, strengths, right = torch.linalg.svd(white1.T @ cross @ white2, full_matrices=False)
    maps = (white1 @ left[:, :num_components], white2 @ right.mT[:, :num_components])
    return CanonicalMaps(means=(mean1, mean2), maps=maps, strengths=strengths[:num_components])


def maxvar(views: Sequence[Tensor], num_components: int, *, shrinkage: float = 0.0, has: Tensor | None = None) -> CanonicalMaps:
    """Fit generalised CCA: shared variables that can be regressed best on every view (the MAX-VAR criterion).

    "Canonical analysis of several sets of variables" (Kettenring, Biometrika 1971); with rows that lack a view as in "Generalized
    canonical correlation analysis with missing values" (van de Velden and Takane, Computational Statistics 2012): a row pulls at the
    shared variables with the views it has, and all rows pull alike. Strengths are the mean share of variance explained, in [0, 1].

    Args:
        views: Two or more.  [num_rows, channels] each
        num_components: Most components; the narrowest view bounds them.
        shrinkage: In [0, 1].
        has: Which rows have which view, None for all.  [num_rows, num_views]
    """
    has = _shared_rows(_presence(views, has))
    parts = _all_centred(views, has)
    white = [_whitener(_covariance(x, rows), shrinkage) for (_, x), rows in zip(parts, has.unbind(dim=1), strict=True)]
    # a row with two of three views counts as much as a row with all
    share = has.sum(dim=1, keepdim=True).clamp(min=1).double().rsqrt()
    rows = (has.sum(dim=0).double() - 1).clamp(min=1).sqrt()
    whitened = [share * (x @ w) / n for (_, x), w, n in zip(parts, white, rows, strict=True)]
    strengths, directions = _leading(second_moments(whitened), min(num_components, *(view.size(1) for view in views)))
    maps = _unwhitened(white, directions * (strengths.clamp(min=0) * len(views)).sqrt())
    return CanonicalMaps(means=tuple(mean for mean, _ in parts), maps=maps, strengths=strengths)


def multiset(views: Sequence[Tensor], num_components: int, *, shrinkage: float = 0.0, has: Tensor | None = None) -> CanonicalMaps:
    """Fit multi-set CCA: directions whose covariances, summed over all pairs of views, are largest.

    "Canonical analysis of several sets of variables" (Kettenring, Biometrika 1971), under one constraint on the sum of the variances, so
    that it is one eigenproblem. A pair of views counts over the rows that have both. Arguments are those of `maxvar`.
    """
    has = _presence(views, has)
    parts = _all_centred(views, has)
    sizes = [view.size(1) for view in views]
    covariance = second_moments([x for _, x in parts]) / expanded((has.T.double() @ has.double() - 1).clamp(min=1), sizes)
    maps, strengths = multiset_maps(covariance, sizes, num_components, shrinkage=shrinkage)
    return CanonicalMaps(means=tuple(mean for mean, _ in parts), maps=maps, strengths=strengths)


def multiset_maps(
    covariance: Tensor, sizes: Sequence[int], num_components: int, *, shrinkage: float = 0.0
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Return the maps of multi-set CCA, and their strengths, from the covariance of all views side by side.

    Args:
        covariance: [all channels, all channels]
        sizes: Channels of each view, which sum to all channels.
        num_components: Most components; the narrowest view bounds them.
        shrinkage: In [0, 1].
    """
    covariance, same = covariance.double(), torch.eye(len(sizes), dtype=torch.double, device=covariance.device)
    edges = [0, *accumulate(sizes)]
    white = [_whitener(covariance[start:end, start:end], shrinkage) for start, end in pairwise(edges)]
    whole: Tensor = torch.block_diag(*white)  # type: ignore[no-untyped-call]  # torch's stub
    between = expanded(1 - same, sizes) * (whole.T @ covariance @ whole)
    strengths, directions = _leading(between, min(num_components, *sizes))
    return _unwhitened(white, directions * len(sizes) ** 0.5), strengths


def second_moments(views: Sequence[Tensor]) -> Tensor:
    """Return the products of all channels, summed over rows.  [all channels, all channels]."""
    stacked = torch.cat(list(views), dim=1)
    return stacked.T @ stacked


def expanded(pairs: Tensor, sizes: Sequence[int]) -> Tensor:
    """Give every pair of channels the value of their pair of views: [num_views, num_views] -> [all channels, all channels]."""
    repeats = torch.tensor(sizes, device=pairs.device)
    return pairs.repeat_interleave(repeats, dim=0).repeat_interleave(repeats, dim=1)


def gma(
    views: Sequence[Tensor],
    targets: Tensor,
    num_components: int,
    *,
    shrinkage: float = 0.0,
    has: Tensor | None = None,
    coupling: float = 1.0,
) -> CanonicalMaps:
    """Fit generalised multiview analysis: directions that tell targets apart in every view, and alike in all.

    "Generalized Multiview Analysis: A Discriminative Latent Space" (Sharma et al., CVPR 2012), its form after linear discriminant analysis:
    scatter between classes against scatter within, and products of the views' class means, weighted by class size, between views.
    For one-hot targets, what lies between classes is what a regression on the targets explains; so any targets will do.

    Args:
        views: One or more.  [num_rows, channels] each
        targets: One-hot classes, labels or values, NaN where unknown.  [num_rows, num_targets]
        num_components: Most components; the rank of the targets bounds what they can hold.
        shrinkage: Of the scatter within, in [0, 1].
        has: Which rows have which view, None for all.  [num_rows, num_views]
        coupling: Weight of the products between views; the paper's alpha.
    """
    known = ~targets.isnan().all(dim=1)
    has = _presence(views, has) & known[:, None]
    middle = targets[known].double().nanmean(dim=0) if known.any() else targets.new_zeros(targets.size(1)).double()
    y = torch.where(targets.isnan(), 0.0, targets.double() - middle)
    spread = y.T @ y / max(int(known.sum()) - 1, 1)
    means, white, slopes = [], [], []
    for view, rows in zip(views, has.unbind(dim=1), strict=True):
        mean, x = _centred(view, rows)
        own = _centred(y, rows)[1]
        slope = torch.linalg.pinv(own) @ x  # [num_targets, channels]
        within = _covariance(x - own @ slope, rows)
        # each view's scatter within counts as much as any other's, whatever its scale
        scale = (within.trace() / within.size(0)).clamp(min=torch.finfo(within.dtype).tiny)
        white.append(_whitener(within / scale, shrinkage))
        means.append(mean)
        slopes.append(slope @ white[-1])
    stacked = torch.cat(slopes, dim=1)
    same = torch.eye(len(views), dtype=stacked.dtype, device=stacked.device)
    between = stacked.T @ spread @ stacked * expanded(same + coupling * (1 - same), [view.size(1) for view in views])
    strengths, directions = _leading(between, min(num_components, *(view.size(1) for view in views)))
    # what tells no targets apart is no direction at all
    directions = directions * (strengths > RANK * strengths[0])
    return CanonicalMaps(means=tuple(means), maps=_unwhitened(white, directions), strengths=strengths)


def total_correlation(first: Tensor, second: Tensor, weight: Tensor | None = None, ridge: float = 1e-4) -> Tensor:
    """Return the sum of the canonical correlations of two views, differentiable: what deep CCA maximises.

    The trace norm of the whitened cross-covariance, "Deep Canonical Correlation Analysis" (Andrew et al., ICML 2013). Whitening by
    Cholesky factors leaves the singular values as they are, and its gradient stays finite where eigenvalues repeat.

    Args:
        first: One view.  [num_rows, channels]
        second: The other.  [num_rows, channels]
        weight: How much each row counts, in [0, 1]; None for all the same.  [num_rows]
        ridge: Added to the variances, above 0.

    Returns:
        Between 0 and the channels of the narrower view; 0 where fewer than two rows count.  []
    """
    counts = first.new_ones(first.size(0)).double() if weight is None else weight.double()
    total, counts = counts.sum().clamp(min=1), counts.unsqueeze(-1)
    x, y = (view.double() - (view.double() * counts).sum(dim=0) / total for view in (first, second))
    rows = (total - 1).clamp(min=1)
    lower1, lower2 = (torch.linalg.cholesky_ex(_ridged(view.T @ (view * counts) / rows, ridge))[0] for view in (x, y))
    half = torch.linalg.solve_triangular(lower1, x.T @ (y * counts) / rows, upper=False)
    return torch.linalg.svdvals(torch.linalg.solve_triangular(lower2, half.mT, upper=False)).sum().to(first.dtype)


def _ridged(covariance: Tensor, ridge: float) -> Tensor:
    return covariance + ridge * torch.eye(covariance.size(0), dtype=covariance.dtype, device=covariance.device)


def _presence(views: Sequence[Tensor], has: Tensor | None) -> Tensor:
    """Return which rows have which view, as booleans.  [num_rows, num_views]."""
    return views[0].new_ones(views[0].size(0), len(views)) > 0 if has is None else has > 0


def _shared_rows(has: Tensor) -> Tensor:
    """Leave out rows with a single view, which would agree with themselves; unless there are no others."""
    counts = has.sum(dim=1, keepdim=True)
    shared = counts > 1
    return has & shared if int(shared.sum()) > 1 else has


def _centred(view: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of the chosen rows, and the view less it, 0 in all other rows."""
    x = torch.where(rows[:, None], view.double(), 0.0)
    mean = x.sum(dim=0) / max(int(rows.sum()), 1)
    return mean, torch.where(rows[:, None], x - mean, 0.0)


def _all_centred(views: Sequence[Tensor], has: Tensor) -> list[tuple[Tensor, Tensor]]:
    return [_centred(view, rows) for view, rows in zip(views, has.unbind(dim=1), strict=True)]


def _covariance(centred: Tensor, rows: Tensor) -> Tensor:
    return centred.T @ centred / max(int(rows.sum()) - 1, 1)


def _whitener(covariance: Tensor, shrinkage: float) -> Tensor:
    """Return W with W' ((1 - c) S + c I) W = I on the directions that S has, most variance first, and 0 elsewhere.  [channels, channels]."""
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0), vectors.flip(1)
    there = values > RANK * values[0].clamp(min=torch.finfo(values.dtype).tiny)
    shrunk = (1 - shrinkage) * values + shrinkage
    return vectors * torch.where(there, shrunk, torch.inf).rsqrt()


def _leading(matrix: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the largest eigenvalues of a symmetric matrix and their vectors, largest first."""
    values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
    return values.flip(0)[:count], vectors.flip(1)[:, :count]


def _unwhitened(white: Sequence[Tensor], directions: Tensor) -> tuple[Tensor, ...]:
    """Return the map of each view from directions in the space of all whitened views side by side."""
    parts = torch.split(directions, [w.size(1) for w in white])
    return tuple(w @ part for w, part in zip(white, parts, strict=True))
