"""User wrote sample, user made interaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphfuse.core.schema import EdgeType
from graphfuse.core.sockets import EdgeBuilder
from graphfuse.core.tables import EdgeTable, NodeTable, State
from graphfuse.edges._helpers import edge_table, joined, text_column

WORK_BY_RELATION = {"wrote": "sample", "made": "interaction"}


@dataclass(frozen=True, kw_only=True)
class AuthorshipEdges(EdgeBuilder):
    """Links users to what they wrote or did, by `user_id`."""

    def edge_types(self, node_types: Sequence[str]) -> tuple[EdgeType, ...]:
        """Return `wrote` and `made` where there are users and samples or interactions."""
        if "user" not in node_types:
            return ()
        return tuple(("user", relation, work) for relation, work in WORK_BY_RELATION.items() if work in node_types)

    def edges(self, tables: Mapping[str, NodeTable], state: State) -> list[EdgeTable]:
        """Return one edge per work whose user has a node in the sample."""
        result = []
        for kind in self.edge_types(tuple(tables)):
            users, works = tables["user"], tables[kind[2]]
            pairs = joined(users, text_column(users, "user_id"), works, text_column(works, "user_id"))
            result.append(edge_table(kind, *pairs))
        return result
