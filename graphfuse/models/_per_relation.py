"""One layer per edge type, their results summed: what PyG's `HeteroConv` does, with edge weights and edge scores."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from graphfuse.core.schema import EdgeType, edge_name


class PerRelation(nn.Module):
    """`HeteroConv({edge type: layer}, aggr="sum")` that also takes edge weights.

    Args:
        edge_types: Edge types of the schema.
        make: Returns a new layer ((x of the source type, x of the destination type), edge_index, edge_weight or None)
            -> x of the destination type, or a pair of that and the score of every edge.
    """

    def __init__(self, edge_types: tuple[EdgeType, ...], make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.convs = nn.ModuleDict({edge_name(edge_type): make() for edge_type in edge_types})

    def forward(
        self,
        x_dict: Mapping[str, Tensor],
        edge_index_dict: Mapping[EdgeType, Tensor],
        edge_weight_dict: Mapping[EdgeType, Tensor] | None = None,
        return_edge_scores: bool = False,
    ) -> Any:
        """Pass messages relation by relation."""
        weights = edge_weight_dict or {}
        out: dict[str, Tensor] = {}
        scores: dict[EdgeType, Tensor] = {}
        for edge_type, edge_index in edge_index_dict.items():
            source, _, destination = edge_type
            part = self.convs[edge_name(edge_type)]((x_dict[source], x_dict[destination]), edge_index, weights.get(edge_type))
            if isinstance(part, tuple):
                part, scores[edge_type] = part
            out[destination] = out[destination] + part if destination in out else part
        return (out, scores) if return_edge_scores else out
