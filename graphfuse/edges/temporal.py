"""Interaction precedes interaction: the order of a sample's interactions in time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from graphfuse.core.schema import EdgeType
from graphfuse.core.sockets import EdgeBuilder
from graphfuse.core.tables import EdgeTable, NodeTable, State
from graphfuse.edges._helpers import edge_table, successors

PRECEDES: EdgeType = ("interaction", "precedes", "interaction")


@dataclass(frozen=True, kw_only=True)
class TemporalEdges(EdgeBuilder):
    """Links every interaction to those that follow it in time; interactions without a time have no place in the order."""

    hops: Annotated[int, Field(ge=1)] = 1
    """How many interactions ahead to link; 1 is the next one only."""

    def edge_types(self, node_types: Sequence[str]) -> tuple[EdgeType, ...]:
        """Return `precedes` where there are interactions."""
        return (PRECEDES,) if "interaction" in node_types else ()

    def edges(self, tables: Mapping[str, NodeTable], state: State) -> list[EdgeTable]:
        """Return the edges from earlier to later; at the same time, table order decides."""
        if not self.edge_types(tuple(tables)):
            return []
        interactions = tables["interaction"]
        time = interactions.units["time"].to_numpy(dtype=np.float64)
        timed = np.flatnonzero(np.isfinite(time))
        source, destination = successors([interactions.sample[timed]], time[timed], self.hops)
        return [edge_table(PRECEDES, timed[source], timed[destination])]
