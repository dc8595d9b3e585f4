"""Sequence and temporal edges follow an order."""

import numpy as np
import pytest
from edge_tables import pairs, table, tables

from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError
from graphfuse.edges.sequence import SequenceEdges
from graphfuse.edges.temporal import TemporalEdges


def spans():
    return table("text_span", [0, 0, 0, 0, 1, 1], column=["title", "title", "body", "body", "title", "body"], start=[0, 5, 0, 9, 0, 0])


def test_a_span_precedes_the_next_one_of_its_column():
    (edges,) = SequenceEdges().edges(tables(spans()), {})
    assert pairs(edges) == [(0, 1), (2, 3)]


def test_spans_of_interleaved_columns_are_ordered_by_offset():
    mixed = table("text_span", [0] * 5, column=["a", "b", "a", "b", "a"], start=[9, 0, 0, 4, 5])
    (edges,) = SequenceEdges().edges(tables(mixed), {})
    assert pairs(edges) == [(4, 0), (1, 3), (2, 4)]


def test_hops_reach_further():
    line = table("text_span", [0] * 4, column=["a"] * 4, start=[0, 1, 2, 3])
    (edges,) = SequenceEdges(hops=2).edges(tables(line), {})
    assert pairs(edges) == [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]


def test_hops_beyond_the_longest_text_make_no_more_edges():
    (edges,) = SequenceEdges(hops=50).edges(tables(spans()), {})
    assert pairs(edges) == [(0, 1), (2, 3)]


def test_interactions_follow_in_time_and_those_without_a_time_stay_out():
    replies = table("interaction", [0, 0, 0, 1], time=[30.0, np.nan, 10.0, 5.0])
    (edges,) = TemporalEdges().edges(tables(replies), {})
    assert pairs(edges) == [(2, 0)]


def test_interactions_at_the_same_time_keep_table_order():
    replies = table("interaction", [0, 0, 0], time=[7.0, 7.0, 1.0])
    (edges,) = TemporalEdges().edges(tables(replies), {})
    assert pairs(edges) == [(2, 0), (0, 1)]


@pytest.mark.parametrize("builder", [SequenceEdges(), TemporalEdges()])
def test_empty_tables_give_no_edges(builder):
    empty = tables(table("text_span", [], column=[], start=[]), table("interaction", [], time=[]))
    (edges,) = builder.edges(empty, {})
    assert edges.index.shape == (2, 0)


def test_without_its_node_type_a_builder_makes_no_edge_types():
    assert SequenceEdges().edge_types(("image_region",)) == ()
    assert TemporalEdges().edges({}, {}) == []


def test_hops_below_one_are_refused_with_the_rule_and_the_value():
    with pytest.raises(ConfigError, match=r"edges\.0\.hops: must be at least 1 \(got '0'\)"):
        build("edges", {"name": "sequence", "hops": 0}, "edges.0")
