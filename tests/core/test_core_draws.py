"""Numbers drawn by name: spread as they should be, and the same in any company."""

import numpy as np
import pytest
from scipy import stats

from graphfuse.core.draws import normal, uniform


def test_draws_are_uniform_and_independent_of_their_neighbours():
    positions = np.arange(20_000)
    draws = uniform(0, 1, 0, positions)
    assert stats.kstest(draws, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.03
    np.testing.assert_array_equal(uniform(0, 1, 0, positions[::-7]), draws[::-7])


@pytest.mark.parametrize("other", [(1, 1, 0), (0, 2, 0), (0, 1, 1)])
def test_draws_differ_by_seed_epoch_and_stream(other):
    positions = np.arange(5_000)
    assert abs(np.corrcoef(uniform(0, 1, 0, positions), uniform(*other, positions))[0, 1]) < 0.05


@pytest.mark.parametrize("width", [1, 4, 5])
def test_normal_draws_are_normal_in_every_column_and_unlike_each_other(width):
    draws = normal(3, np.arange(20_000), width=width)
    assert draws.shape == (20_000, width)
    assert all(stats.kstest(column, "norm").pvalue > 0.01 for column in draws.T)
    assert np.abs(np.corrcoef(draws.T) - np.eye(width)).max() < 0.03 or width == 1


def test_a_normal_row_is_that_of_its_names_alone():
    whole = normal(3, np.arange(100), np.arange(100) % 7, width=5)
    np.testing.assert_array_equal(normal(3, np.array([40, 7]), np.array([5, 0]), width=5), whole[[40, 7]])


def test_no_rows_give_no_draws():
    assert normal(0, np.zeros(0, dtype=np.int64), width=3).shape == (0, 3)
