"""Against references: all swaps by hand, the paired t of accuracy, Holm's procedure by hand."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from graphfuse.comparison.significance import Resampler, holm
from graphfuse.tasks.classification import Classification

TASK = Classification(select_by="accuracy")
TARGET = TASK.fit(pd.DataFrame({"label": ["a", "b"] * 10}))


def right(rows, y):
    """Return logits that are right in some rows only."""
    sign = torch.where(torch.tensor(rows) == (y == 1), 1.0, -1.0)
    return torch.stack([-sign, sign], dim=1)


def drawn(num_rows, chances, seed=0):
    rng = np.random.default_rng(seed)
    y = torch.from_numpy(rng.integers(0, 2, num_rows))
    return y, [{s: right(rng.random(num_rows) < chance, y) for s in range(3)} for chance in chances]


def measured(logits, y, metric="accuracy"):
    return TASK.metrics(logits, y, TARGET)[metric]


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "roc_auc"])
@pytest.mark.parametrize("groups", [None, np.array([3, 3, 5, 5, 9, 8])])
def test_p_is_that_of_all_swaps(metric: str, groups: np.ndarray | None) -> None:
    """With 6 rows there are 64 swaps (16 of groups), each tried here by hand, the same for all seeds."""
    y, (one, other) = drawn(6, (0.9, 0.3), seed=3)
    found = Resampler(TASK, TARGET, metric, y, groups, 4000).compare(one, other)
    units = np.unique(np.arange(6) if groups is None else groups, return_inverse=True)[1]

    def difference(mask):
        swap = torch.tensor(mask)[units][:, None].bool()
        pairs = [(torch.where(swap, other[s], one[s]), torch.where(swap, one[s], other[s])) for s in one]
        return np.mean([measured(a, y, metric) - measured(b, y, metric) for a, b in pairs])

    observed = difference([0] * (units.max() + 1))
    exact = np.mean([abs(difference(mask)) >= abs(observed) - 1e-12 for mask in product([0, 1], repeat=units.max() + 1)])
    assert found.difference == pytest.approx(observed)
    assert found.p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000) + 1e-3)


def alike(logits):
    """Return a row to which its two seeds make no difference."""
    return {0: logits, 1: logits}


def test_the_interval_of_seeds_that_agree_is_that_of_paired_differences() -> None:
    y, (one, other) = drawn(900, (0.8, 0.7))
    found = Resampler(TASK, TARGET, "accuracy", y, None, 2000).compare(alike(one[0]), alike(other[0]))
    paired = (one[0].argmax(1) == y).double().numpy() - (other[0].argmax(1) == y).double().numpy()
    half = 1.96 * paired.std(ddof=1) / 30
    assert (found.low, found.high) == pytest.approx((paired.mean() - half, paired.mean() + half), abs=0.15 * half)
    assert found.effect_size == pytest.approx(paired.mean() / paired.std(ddof=1), rel=0.08)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(paired.mean()) / (paired.std(ddof=1) / 30)), abs=0.02)


def test_seeds_that_disagree_widen_the_interval() -> None:
    y, (good, bad) = drawn(400, (0.9, 0.5))
    _, (other, _) = drawn(400, (0.7, 0.5), seed=1)
    resampler = Resampler(TASK, TARGET, "accuracy", y, None, 1000)
    steady = resampler.compare({0: good[0], 1: good[1]}, {0: other[0], 1: other[1]})
    torn = resampler.compare({0: good[0], 1: bad[1]}, {0: other[0], 1: other[1]})
    assert torn.high - torn.low > 2 * (steady.high - steady.low)
    assert steady.p < 0.05 < torn.p


def test_few_seeds_widen_it_as_student_says() -> None:
    """Rows are so many that they hardly matter: what is left are the interval and the test of the mean of three seeds."""
    rng, y = np.random.default_rng(0), torch.ones(40_000, dtype=torch.int64)
    one, other = (
        {s: right(rng.random(len(y)) < skill, y) for s, skill in enumerate(skills)} for skills in ((0.70, 0.85, 0.74), (0.7,) * 3)
    )
    found = Resampler(TASK, TARGET, "accuracy", y, None, 199).compare(one, other)
    by_seed = [measured(one[s], y) - measured(other[s], y) for s in one]
    student = stats.ttest_1samp(by_seed, 0)
    assert (found.low, found.high) == pytest.approx(student.confidence_interval(), abs=0.002)
    assert found.p == pytest.approx(student.pvalue, abs=0.01)


def test_with_one_seed_there_is_a_difference_and_no_more() -> None:
    y, (one, other) = drawn(400, (0.9, 0.5))
    found = Resampler(TASK, TARGET, "accuracy", y, None, 199).compare({0: one[0]}, {0: other[0]})
    assert found.difference > 0.2
    assert found.effect_size > 0.2
    assert (found.low, found.high, found.p) == (None, None, None)


def test_rows_that_stand_and_fall_together_are_fewer_than_they_look() -> None:
    y, (one, other) = drawn(40, (0.9, 0.5))
    repeated = alike(one[0].repeat_interleave(5, 0)), alike(other[0].repeat_interleave(5, 0))
    naive = Resampler(TASK, TARGET, "accuracy", y.repeat_interleave(5), None, 1000).compare(*repeated)
    grouped = Resampler(TASK, TARGET, "accuracy", y.repeat_interleave(5), np.repeat(np.arange(40), 5), 1000).compare(*repeated)
    alone = Resampler(TASK, TARGET, "accuracy", y, None, 1000).compare(alike(one[0]), alike(other[0]))
    assert grouped == alone
    assert naive.high - naive.low < 0.6 * (grouped.high - grouped.low)


def test_rows_without_a_target_count_nowhere() -> None:
    y, (one, other) = drawn(600, (0.8, 0.7))
    blank, nothing = torch.full((400,), -1), torch.zeros(400, 2)
    some = Resampler(TASK, TARGET, "accuracy", torch.cat([y, blank]), None, 2000)
    found = some.compare(*({s: torch.cat([logits, nothing]) for s, logits in row.items()} for row in (one, other)))
    whole = Resampler(TASK, TARGET, "accuracy", y, None, 2000).compare(one, other)
    assert some.num_rows == 600
    assert found.effect_size == pytest.approx(whole.effect_size, rel=0.05)
    assert (found.low, found.high) == pytest.approx((whole.low, whole.high), abs=0.01)


def test_what_is_alike_differs_by_nothing_and_by_chance() -> None:
    y, (one, _) = drawn(30, (0.7, 0.5))
    found = Resampler(TASK, TARGET, "macro_f1", y, None, 199).compare(one, dict(one))
    assert (found.difference, found.low, found.high, found.p, found.effect_size) == (0, 0, 0, 1, None)


def test_only_seeds_of_both_count_and_without_any_there_is_no_difference() -> None:
    y, (one, other) = drawn(30, (0.9, 0.5))
    resampler = Resampler(TASK, TARGET, "accuracy", y, None, 199)
    assert resampler.compare({0: one[0], 7: one[1]}, {0: other[0], 8: other[1]}) == resampler.compare({0: one[0]}, {0: other[0]})
    assert resampler.compare({7: one[1]}, {8: other[1]}) is None


def test_false_alarms_are_as_rare_as_promised() -> None:
    """Two methods of the same skill, 100 times: p below 0.05 in about 1 of 20."""
    alarms = 0
    for seed in range(100):
        y, (one, other) = drawn(60, (0.7, 0.7), seed=seed)
        alarms += Resampler(TASK, TARGET, "accuracy", y, None, 199).compare(one, other).p < 0.05
    assert alarms <= stats.binom.ppf(0.999, 100, 0.05)


def test_seeds_of_equal_skill_but_much_luck_are_not_told_apart() -> None:
    """Two methods of the same mean skill, whose seeds differ by 8 hundredths, 60 times: no more claims than 1 of 20."""
    rng, claims = np.random.default_rng(0), 0
    for _ in range(60):
        y = torch.from_numpy(rng.integers(0, 2, 300))
        one, other = ({s: right(rng.random(300) < 0.75 + 0.08 * rng.standard_normal(), y) for s in range(3)} for _ in range(2))
        found = Resampler(TASK, TARGET, "accuracy", y, None, 99).compare(one, other)
        claims += found.p < 0.05 or not found.low <= 0 <= found.high
    assert claims <= stats.binom.ppf(0.999, 60, 0.05)


def test_p_and_interval_say_the_same() -> None:
    """Of 60 pairs of all sorts: where the interval leaves 0 out by something, p is below 0.05, and the other way round."""
    rng, both = np.random.default_rng(1), []
    for _ in range(60):
        y = torch.from_numpy(rng.integers(0, 2, 200))
        skills = 0.7 + 0.1 * rng.standard_normal(2)
        one, other = ({s: right(rng.random(200) < skill + 0.02 * rng.standard_normal(), y) for s in range(4)} for skill in skills)
        found = Resampler(TASK, TARGET, "accuracy", y, None, 499).compare(one, other)
        if min(abs(found.low), abs(found.high)) > 0.015:  # the bootstrap's ends are drawn
            both.append((found.p < 0.05, not found.low <= 0 <= found.high))
    assert len(both) > 30
    assert all(by_p == by_interval for by_p, by_interval in both)
    assert {by_p for by_p, _ in both} == {True, False}


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, None, 0.5]) == [1.0, None, 1.0]
    assert holm([]) == []
