"""Every pair of two node types within a sample: candidates among which a model finds the matches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from graphfuse.core.errors import ResourceError
from graphfuse.core.schema import EdgeType
from graphfuse.core.sockets import EdgeBuilder
from graphfuse.core.tables import EdgeTable, NodeTable, State
from graphfuse.edges._helpers import all_pairs, check_ends, count_pairs, edge_table


@dataclass(frozen=True, kw_only=True)
class CandidateEdges(EdgeBuilder):
    """Links every source node to every destination node of the same sample (`may_match`)."""

    source: str = "text_span"
    """Node type that the edges start from."""
    destination: str = "image_region"
    """Node type that the edges lead to."""
    max_edges: Annotated[int, Field(ge=1)] = 20_000_000
    """Most edges in one chunk of samples; counted before any is built."""

    def edge_types(self, node_types: Sequence[str]) -> tuple[EdgeType, ...]:
        """Return `may_match`.

        Raises:
            ConfigError: If one of the two node types does not exist.
        """
        check_ends(self.source, self.destination, node_types)
        return ((self.source, "may_match", self.destination),)

    def edges(self, tables: Mapping[str, NodeTable], state: State) -> list[EdgeTable]:
        """Return all pairs (without a node's pair with itself).

        Raises:
            ResourceError: If there are more than `max_edges`.
        """
        (kind,) = self.edge_types(tuple(tables))
        first, second = tables[self.source].sample, tables[self.destination].sample
        total = int(count_pairs(first, second).sum())
        if total > self.max_edges:
            raise ResourceError(
                f"candidate makes at most max_edges={self.max_edges:,} edges per chunk ({self.source} x {self.destination} needs {total:,}). "
                "Use similarity with top_k, lower convert.shard_size, or raise max_edges."
            )
        source, destination = all_pairs(first, second)
        if self.source == self.destination:
            apart = source != destination
            source, destination = source[apart], destination[apart]
        return [edge_table(kind, source, destination)]
