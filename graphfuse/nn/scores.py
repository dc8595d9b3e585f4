"""Scores of edges that are worked out when somebody looks at them: training and prediction never do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial

import torch
from torch import Tensor

from graphfuse.core.schema import EdgeType


class EdgeScores(Mapping[EdgeType, Tensor]):
    """What something gives each edge, [num_edges] per edge type.

    Args:
        edge_types: Those that have scores.
        work_out: Returns the scores of all of them; called once, at the first look.
    """

    def __init__(self, edge_types: Sequence[EdgeType], work_out: Callable[[], Mapping[EdgeType, Tensor]]) -> None:
        self._edge_types = tuple(edge_types)
        self._work_out = work_out

    def __getitem__(self, edge_type: EdgeType) -> Tensor:
        return self._found[edge_type]

    def __iter__(self) -> Iterator[EdgeType]:
        return iter(self._edge_types)

    def __len__(self) -> int:
        return len(self._edge_types)

    @cached_property
    def _found(self) -> Mapping[EdgeType, Tensor]:
        return self._work_out()


def mean_scores(layers: Sequence[Mapping[EdgeType, Tensor]]) -> Mapping[EdgeType, Tensor]:
    """Average each edge's score over layers; empty if there are no layers, or they give none."""
    edge_types = tuple(layers[0]) if layers else ()
    return EdgeScores(edge_types, partial(_mean, layers))


def _mean(layers: Sequence[Mapping[EdgeType, Tensor]]) -> dict[EdgeType, Tensor]:
    return {name: torch.stack([scores[name] for scores in layers]).mean(dim=0) for name in layers[0]}
