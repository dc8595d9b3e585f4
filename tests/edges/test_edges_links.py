"""Membership, authorship and reference edges follow keys."""

import pytest
from edge_tables import pairs, table, tables

from graphfuse.edges.authorship import AuthorshipEdges
from graphfuse.edges.membership import MembershipEdges
from graphfuse.edges.reference import ReferenceEdges


def post():
    """Two samples: in the first, ann posts, bob and cid reply; the second has no author and no replies."""
    return tables(
        table("text_span", [0, 0, 1]),
        table("user", [0, 0, 0], user_id=["ann", "bob", "cid"]),
        table(
            "interaction",
            [0, 0, 0, 0],
            interaction_id=["r1", "r2", "r3", "r4"],
            user_id=["bob", "cid", "bob", ""],
            reply_to=["", "r1", "r2", ""],
        ),
        table("sample", [0, 1], user_id=["ann", ""]),
    )


def by_type(builder, nodes):
    return {edges.edge_type: pairs(edges) for edges in builder.edges(nodes, {})}


def test_every_unit_belongs_to_its_own_sample():
    assert by_type(MembershipEdges(), post()) == {
        ("text_span", "belongs_to", "sample"): [(0, 0), (1, 0), (2, 1)],
        ("interaction", "belongs_to", "sample"): [(0, 0), (1, 0), (2, 0), (3, 0)],
    }


def test_membership_leaves_out_the_types_it_is_told_to():
    types = MembershipEdges(exclude=("interaction",)).edge_types(tuple(post()))
    assert [kind[0] for kind in types] == ["text_span", "user"]


def test_users_are_linked_to_what_they_wrote_and_made():
    assert by_type(AuthorshipEdges(), post()) == {
        ("user", "wrote", "sample"): [(0, 0)],
        ("user", "made", "interaction"): [(1, 0), (2, 1), (1, 2)],
    }


def test_replies_are_linked_to_what_they_answer():
    assert by_type(ReferenceEdges(), post()) == {
        ("interaction", "replies_to", "interaction"): [(1, 0), (2, 1)],
        ("interaction", "replies_to", "sample"): [(0, 0), (3, 0)],
    }


def test_users_who_interacted_are_linked_to_the_sample_once():
    edges = by_type(ReferenceEdges(users=True), post())
    assert edges["user", "interacts_with", "sample"] == [(1, 0), (2, 0)]


def test_a_reply_to_nothing_known_is_rejected_and_counted():
    replies = table("interaction", [0, 0, 1], interaction_id=["a", "b", "c"], reply_to=["b", "gone", "a"], user_id=[""] * 3)
    (edges,) = ReferenceEdges().edges(tables(replies), {})
    assert pairs(edges) == [(0, 1)]
    assert [(item.key, item.reason) for item in edges.rejections] == [("b", "reply_target_missing"), ("c", "reply_target_missing")]
    assert "must be another interaction of the same sample (got 'gone')" in edges.rejections[0].detail


def test_a_reply_to_itself_is_no_reply():
    replies = table("interaction", [0], interaction_id=["a"], reply_to=["a"], user_id=[""])
    (edges,) = ReferenceEdges().edges(tables(replies), {})
    assert len(edges) == 0
    assert len(edges.rejections) == 1


@pytest.mark.parametrize("builder", [MembershipEdges(), AuthorshipEdges(), ReferenceEdges()])
def test_without_its_node_types_a_builder_makes_no_edge_types(builder):
    assert builder.edge_types(("text_span",)) == ()
