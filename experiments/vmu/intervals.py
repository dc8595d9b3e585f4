"""Accuracy, macro-F1 and ROC AUC, with intervals from drawing claims again, not posts.

Hundreds of posts repeat one picture: they are one observation of whether a method is right about it. So an interval
draws claims with replacement, and every post counts as often as its claim was drawn.
"""

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import t

Floats = npt.NDArray[np.float64]
METRICS = ("accuracy", "macro_f1", "roc_auc")


def claims_of(cells: list[str], separator: str = ",") -> npt.NDArray[np.int64]:
    """Return a claim number per post: posts that share a picture id share a claim, a post without one is a claim of its own."""
    names: dict[str, int] = {}
    pairs = []
    for post, cell in enumerate(cells):
        ids = [name.strip() for name in cell.split(separator) if name.strip()] or [f"\0post {post}"]
        pairs += [(post, len(cells) + names.setdefault(name, len(names))) for name in ids]
    rows, columns = np.array(pairs).T
    size = len(cells) + len(names)
    labels = connected_components(coo_array((np.ones(len(pairs)), (rows, columns)), shape=(size, size)), directed=False)[1]
    return np.unique(labels[: len(cells)], return_inverse=True)[1].astype(np.int64)


def drawn_counts(claims: npt.NDArray[np.int64], draws: int, seed: int) -> Floats:
    """Return how often each post counts: first once each, then per draw of claims with replacement.  [1 + draws, num_posts]."""
    number = int(claims.max()) + 1
    chosen = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=draws)
    return np.concatenate([np.ones((1, len(claims))), chosen[:, claims].astype(np.float64)])


def measure(probability: Floats, fake: npt.NDArray[np.bool_], counts: Floats) -> dict[str, Floats]:
    """Return each metric per row of counts; NaN where a draw has one class only.  [1 + draws]."""
    said = probability > 0.5
    hit, miss, alarm, pass_ = (counts @ mask for mask in (said & fake, ~said & fake, said & ~fake, ~said & ~fake))
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = [np.nan_to_num(2 * right / (2 * right + miss + alarm)) for right in (hit, pass_)]
        return {
            "accuracy": (hit + pass_) / counts.sum(axis=1),
            "macro_f1": (f1[0] + f1[1]) / 2,
            "roc_auc": _area(probability, fake, counts),
        }


def _area(probability: Floats, fake: npt.NDArray[np.bool_], counts: Floats) -> Floats:
    """Return the chance that a fake post ranks above a real one, ties counting a half."""
    order = np.argsort(probability, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(probability[order]) > 0])
    fakes, reals = (np.add.reduceat(counts[:, order] * mask[order], starts, axis=1) for mask in (fake, ~fake))
    below = np.cumsum(reals, axis=1) - reals / 2
    return (fakes * below).sum(axis=1) / (fakes.sum(axis=1) * reals.sum(axis=1))


def over_draws(values: Floats) -> tuple[float, float]:
    """Return the middle 95 % of the draws; the first value is the observed one and no draw."""
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return float(low), float(high)


def over_seeds(values: list[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean over seeds by Student's t; None for a single value."""
    if len(values) < 2:
        return None
    half = float(t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(np.mean(values)) - half, float(np.mean(values)) + half
