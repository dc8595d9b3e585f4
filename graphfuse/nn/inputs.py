"""The way in: features of every node type -> one width."""

from collections.abc import Mapping

from torch import nn

from graphfuse.nn.dropout import Dropout


def input_projections(channels_by_node_type: Mapping[str, int], hidden_channels: int, dropout: float) -> nn.ModuleDict:
    """Return a projection per node type: [n, channels of the type] -> [n, hidden_channels].

    Normalised, so that products of two ends start near 1 whatever the scale of the features.
    """
    return nn.ModuleDict(
        {
            name: nn.Sequential(Dropout(dropout), nn.Linear(channels, hidden_channels), nn.LayerNorm(hidden_channels))
            for name, channels in channels_by_node_type.items()
        }
    )
