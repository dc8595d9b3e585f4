"""Every unit belongs to its sample's node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphfuse.core.schema import EdgeType
from graphfuse.core.sockets import EdgeBuilder
from graphfuse.core.tables import EdgeTable, NodeTable, State
from graphfuse.edges._helpers import all_pairs, edge_table


@dataclass(frozen=True, kw_only=True)
class MembershipEdges(EdgeBuilder):
    """Links every node of every type to the sample node; what the sample node gathers is what it can read out."""

    exclude: tuple[str, ...] = ("user",)
    """Node types left out; users belong to no sample, `authorship` says what they did."""

    def edge_types(self, node_types: Sequence[str]) -> tuple[EdgeType, ...]:
        """Return `belongs_to` for every unit type, where there is a sample node."""
        if "sample" not in node_types:
            return ()
        return tuple((name, "belongs_to", "sample") for name in node_types if name != "sample" and name not in self.exclude)

    def edges(self, tables: Mapping[str, NodeTable], state: State) -> list[EdgeTable]:
        """Return one edge per unit."""
        types = self.edge_types(tuple(tables))
        return [edge_table(kind, *all_pairs(tables[kind[0]].sample, tables["sample"].sample)) for kind in types]
