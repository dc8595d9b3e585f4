"""Candidate edges join every pair."""

import pytest
from edge_tables import pairs, table, tables

from graphfuse.core.errors import ConfigError, ResourceError
from graphfuse.edges.candidate import CandidateEdges


def nodes():
    return tables(table("text_span", [0, 0, 2]), table("image_region", [0, 0, 1, 2]))


def test_every_pair_of_a_sample_may_match_and_none_across_samples():
    (edges,) = CandidateEdges().edges(nodes(), {})
    assert edges.edge_type == ("text_span", "may_match", "image_region")
    assert pairs(edges) == [(0, 0), (1, 0), (0, 1), (1, 1), (2, 3)]


def test_a_node_is_no_candidate_for_itself():
    (edges,) = CandidateEdges(source="text_span", destination="text_span").edges(nodes(), {})
    assert pairs(edges) == [(1, 0), (0, 1)]


def test_too_many_edges_are_refused_before_they_are_built():
    many = tables(table("text_span", [0] * 20_000), table("image_region", [0] * 20_000))
    with pytest.raises(ResourceError, match=r"max_edges=20,000,000 .*needs 400,000,000.*top_k.*raise max_edges"):
        CandidateEdges().edges(many, {})


def test_an_unknown_node_type_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"destination: must be a node type .*\(got 'image_regoin'\). Did you mean 'image_region'\?"):
        CandidateEdges(destination="image_regoin").edge_types(("text_span", "image_region"))
