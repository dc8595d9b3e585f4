"""What every fusion network takes and gives."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import EdgeType, GraphSchema, TargetSchema

EdgeWeights = Mapping[EdgeType, Tensor]
"""Weight in [0, 1] per edge [num_edges]; a type left out means 1."""
NodeWeights = Mapping[str, Tensor]
"""Weight in [0, 1] per node [num_nodes]; a type left out means 1."""


@dataclass(frozen=True, kw_only=True)
class FusionOutput:
    """The result of one forward pass."""

    embedding: Tensor
    """One vector per sample.  [batch_size, out_channels]"""
    edge_scores: Mapping[EdgeType, Tensor]
    """What the network itself gave each edge (attention or gate, larger = more); empty for models without.  [num_edges]"""
    logits: Tensor | None = None
    """Set by `FusionNetwork`.  [batch_size, num_logits]"""


class FusionModule(nn.Module):
    """Base of all fusion networks: batch -> embedding (contract 2).

    Weight 0 is exactly the element removed, weight 1 changes nothing, gradients flow.
    """

    out_channels: int

    @abstractmethod
    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a schema-complete batch."""


class FusionNetwork(nn.Module):
    """A fusion module with the task's head: batch -> logits."""

    schema: GraphSchema | None
    """Node types with their modalities; analyses read it."""
    target: TargetSchema | None
    """What the logits mean; analyses read it."""

    def __init__(
        self, body: FusionModule, num_logits: int, *, schema: GraphSchema | None = None, target: TargetSchema | None = None
    ) -> None:
        super().__init__()
        self.schema = schema
        self.target = target
        self.body = body
        self.head = nn.Linear(body.out_channels, num_logits)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse and read the task's logits off the embedding."""
        output = self.body(batch, edge_weight_dict, node_weight_dict)
        return FusionOutput(embedding=output.embedding, edge_scores=output.edge_scores, logits=self.head(output.embedding))
