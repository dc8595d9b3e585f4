"""Text span precedes text span: the reading order within a column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from graphfuse.core.columns import places_among
from graphfuse.core.schema import EdgeType
from graphfuse.core.sockets import EdgeBuilder
from graphfuse.core.tables import EdgeTable, NodeTable, State
from graphfuse.edges._helpers import edge_table, successors, text_column

PRECEDES: EdgeType = ("text_span", "precedes", "text_span")


@dataclass(frozen=True, kw_only=True)
class SequenceEdges(EdgeBuilder):
    """Links every span to the spans that follow it in the same column of the same sample."""

    hops: Annotated[int, Field(ge=1)] = 1
    """How many spans ahead to link; 1 is the next span only."""

    def edge_types(self, node_types: Sequence[str]) -> tuple[EdgeType, ...]:
        """Return `precedes` where there are text spans."""
        return (PRECEDES,) if "text_span" in node_types else ()

    def edges(self, tables: Mapping[str, NodeTable], state: State) -> list[EdgeTable]:
        """Return the edges in reading order, by start offset."""
        if not self.edge_types(tuple(tables)):
            return []
        spans = tables["text_span"]
        columns = text_column(spans, "column")
        # a column is known by the first row that has it
        source, destination = successors([spans.sample, places_among(columns, columns)], spans.units["start"], self.hops)
        return [edge_table(PRECEDES, source, destination)]
