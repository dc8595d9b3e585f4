import numpy as np

from graphfuse.analyses._frames import mean_intervals


def test_the_interval_of_a_mean_holds_it_and_narrows_with_rows():
    generator = np.random.default_rng(0)
    few, many = (mean_intervals(generator.normal(3, 1, size=(rows, 1)))[0] for rows in (30, 3000))
    for mean, low, high in (few, many):
        assert low < mean < high and low < 3 < high
    assert (many[2] - many[1]) < (few[2] - few[1]) / 5


def test_the_interval_has_the_width_of_the_standard_error():
    values = np.random.default_rng(1).normal(size=(500, 1))
    _, low, high = mean_intervals(values)[0]
    assert abs((high - low) / (2 * 1.96 * values.std() / np.sqrt(500)) - 1) < 0.1


def test_rows_with_nan_are_left_out_and_no_rows_give_nan():
    assert mean_intervals([[1.0], [np.nan], [3.0]])[0, 0] == 2
    assert np.isnan(mean_intervals(np.full((3, 2), np.nan))).all()


def test_many_rows_are_resampled_in_groups_with_the_same_width_however_they_are_sorted():
    values = np.random.default_rng(2).normal(size=(50_000, 2))
    values[:, 1].sort()
    for mean, low, high in mean_intervals(values):
        assert low < mean < high
        assert abs((high - low) / (2 * 1.96 / np.sqrt(50_000)) - 1) < 0.1
