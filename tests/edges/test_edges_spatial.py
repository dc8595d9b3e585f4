"""Regions adjoin their neighbours."""

import numpy as np
import pytest
from edge_tables import pairs, table, tables

from graphfuse.edges import spatial
from graphfuse.edges.spatial import SpatialEdges


def grid(size, sample=0, picture=0):
    cells = [(x / size, y / size, (x + 1) / size, (y + 1) / size) for y in range(size) for x in range(size)]
    x0, y0, x1, y1 = np.array(cells, dtype=np.float32).T
    count = size * size
    return table("image_region", [sample] * count, picture=[picture] * count, x0=x0, y0=y0, x1=x1, y1=y1)


@pytest.mark.parametrize(("neighbours", "count"), [(4, 12), (8, 20)])
def test_a_grid_has_its_known_number_of_neighbours(neighbours, count):
    (edges,) = SpatialEdges(neighbours=neighbours).edges(tables(grid(3)), {})
    assert len(edges) == 2 * count


def test_the_middle_of_a_grid_adjoins_its_sides_and_with_eight_its_corners():
    around = {n: {s for s, d in pairs(SpatialEdges(neighbours=n).edges(tables(grid(3)), {})[0]) if d == 4} for n in (4, 8)}
    assert around == {4: {1, 3, 5, 7}, 8: {0, 1, 2, 3, 5, 6, 7, 8}}


def test_regions_of_different_pictures_or_samples_never_adjoin():
    same_box = {"x0": [0.0] * 4, "y0": [0.0] * 4, "x1": [1.0] * 4, "y1": [1.0] * 4}
    regions = table("image_region", [0, 0, 0, 1], picture=[0, 1, 1, 1], **same_box)
    (edges,) = SpatialEdges().edges(tables(regions), {})
    assert pairs(edges) == [(2, 1), (1, 2)]


def test_given_boxes_that_overlap_adjoin_and_those_apart_do_not():
    regions = table("image_region", [0] * 3, picture=[0] * 3, x0=[0, 0.3, 0.8], y0=[0, 0.3, 0.8], x1=[0.5, 0.6, 1], y1=[0.5, 0.6, 1])
    (edges,) = SpatialEdges(neighbours=4).edges(tables(regions), {})
    assert pairs(edges) == [(1, 0), (0, 1)]


def test_working_in_small_blocks_changes_nothing(monkeypatch):
    (whole,) = SpatialEdges().edges(tables(grid(4)), {})
    monkeypatch.setattr(spatial, "PAIRS_AT_ONCE", 20)
    (blocks,) = SpatialEdges().edges(tables(grid(4)), {})
    assert np.array_equal(whole.index, blocks.index)


def test_no_regions_give_no_edges():
    empty = table("image_region", [], picture=[], x0=[], y0=[], x1=[], y1=[])
    (edges,) = SpatialEdges().edges(tables(empty), {})
    assert edges.index.shape == (2, 0)
