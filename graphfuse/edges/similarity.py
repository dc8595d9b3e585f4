"""Node resembles node: top-k by cosine, within or across modalities, in a shared or an aligned space.

Hotelling, Relations between two sets of variates, Biometrika 1936; the ridge: Vinod, Canonical ridge and econometrics of joint production,
Journal of Econometrics 1976; directions weighted by their correlation: Gong et al., A multi-view embedding space for modeling internet
images, tags, and their semantics, IJCV 2014.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import EdgeType
from graphfuse.core.sockets import EdgeBuilder
from graphfuse.core.tables import EdgeTable, NodeTable, State
from graphfuse.edges._alignment import Projection, fit_alignment
from graphfuse.edges._helpers import Features, Float64Array, check_ends
from graphfuse.edges._nearest import nearest


@dataclass(frozen=True, kw_only=True)
class SimilarityEdges(EdgeBuilder):
    """Links every source node to the most similar destination nodes of its sample; the weight is the cosine.

    Pairs with a cosine of 0 or less are left out, since an edge of weight 0 is no edge.
    """

    source: str = "text_span"
    """Node type that the edges start from."""
    destination: str = "image_region"
    """Node type that the edges lead to."""
    top_k: Annotated[int, Field(ge=1)] = 4
    """Most edges from one source node."""
    space: Literal["shared", "aligned"] = "aligned"
    """shared: both ends come from encoders with one space (two text modalities, a dual encoder); aligned: a canonical
    correlation analysis of units that share a train sample makes the space."""
    dimensions: Annotated[int, Field(ge=1)] = 64
    """Most directions of the aligned space."""
    ridge: Annotated[float, Field(gt=0)] = 0.1
    """Share of the mean variance added to every direction before whitening, against chance correlations."""

    def edge_types(self, node_types: Sequence[str]) -> tuple[EdgeType, ...]:
        """Return `resembles`.

        Raises:
            ConfigError: If one of the two node types does not exist.
        """
        check_ends(self.source, self.destination, node_types)
        return ((self.source, "resembles", self.destination),)

    def needs_fit(self) -> bool:
        """Return whether the space has to be learned."""
        return self.space == "aligned"

    def fit(self, tables: Mapping[str, NodeTable]) -> State:
        """Learn the aligned space from units of train samples.

        Raises:
            InputError: If fewer than two samples have both ends.
        """
        return fit_alignment(tables[self.source], tables[self.destination], self.dimensions, self.ridge)

    def edges(self, tables: Mapping[str, NodeTable], state: State) -> list[EdgeTable]:
        """Return at most `top_k` edges per source node.

        Raises:
            ConfigError: If the space is shared and the two ends differ in channels.
        """
        (kind,) = self.edge_types(tuple(tables))
        first, second = tables[self.source], tables[self.destination]
        # 1. Bring both ends into one space.
        x: Features
        y: Features
        if self.space == "aligned":
            x, y = _aligned(first, second, state)
        else:
            _check_channels(first, second)
            x, y = first.x, second.x
        # 2. Keep the nearest within each sample.
        source, destination, cosine = nearest(x, first.sample, y, second.sample, self.top_k, apart=self.source == self.destination)
        weight = np.minimum(cosine, 1.0).astype(np.float32)
        return [EdgeTable(edge_type=kind, index=np.stack([source, destination]), weight=weight)]


def _aligned(first: NodeTable, second: NodeTable, state: State) -> tuple[Float64Array, Float64Array]:
    """Return both ends in the aligned space; rows of samples that only one end has stay zeros.  [num_nodes, dimensions]."""
    found = []
    for end, table, other in (("source", first, second), ("destination", second, first)):
        projection = Projection(state, end)
        rows = np.flatnonzero(np.isin(table.sample, other.sample))
        x = np.zeros((len(table), projection.dimensions))
        x[rows] = projection.rows(table.x, rows)
        found.append(x)
    return found[0], found[1]


def _check_channels(first: NodeTable, second: NodeTable) -> None:
    if first.x.shape[1] != second.x.shape[1]:
        raise ConfigError(
            f"similarity.space: shared needs ends with equal channels ({first.node_type} has {first.x.shape[1]}, {second.node_type} has "
            f"{second.x.shape[1]}). Use space: aligned, or encoders that share a space (clip_text and clip_image)."
        )
