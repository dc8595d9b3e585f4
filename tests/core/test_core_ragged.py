import numpy as np
import pytest

from graphfuse.core.ragged import exclusive_sums, places, ragged_rows
from graphfuse.core.tables import EdgeTable, edge_order


@pytest.mark.parametrize("counts", [[], [0], [3, 0, 2], [0, 0, 1, 4]])
def test_stretches_stand_one_after_the_other(counts):
    random = np.random.default_rng(0)
    counts = np.array(counts, dtype=np.int64)
    starts = random.integers(0, 100, len(counts))
    expected = [start + place for start, count in zip(starts.tolist(), counts.tolist(), strict=True) for place in range(count)]
    assert ragged_rows(starts, counts).tolist() == expected
    assert places(counts).tolist() == [place for count in counts.tolist() for place in range(count)]
    assert exclusive_sums(counts).tolist() == [int(counts[:end].sum()) for end in range(len(counts) + 1)]


def test_sums_run_along_the_last_axis():
    assert exclusive_sums(np.array([[1, 2], [3, 4]])).tolist() == [[0, 1, 3], [0, 3, 7]]


def test_edges_come_by_destination_then_source_and_equal_ones_in_their_order():
    random = np.random.default_rng(0)
    source, destination = random.integers(0, 5, 200), random.integers(0, 7, 200)
    expected = sorted(range(200), key=lambda edge: (destination[edge], source[edge]))
    assert edge_order(source, destination).tolist() == expected
    assert edge_order(source[:0], destination[:0]).tolist() == []


def test_edges_with_numbers_of_fewer_bits_are_ordered_alike():
    source, destination = np.array([[0, 60_000], [1, 60_000]], dtype=np.int32)
    assert edge_order(source, destination).tolist() == [0, 1]
    assert EdgeTable(edge_type=("a", "to", "b"), index=np.stack([source, destination])).index.dtype == np.int64
