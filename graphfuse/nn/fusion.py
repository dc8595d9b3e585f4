"""What every fusion network takes and gives."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphfuse.core.schema import EdgeType, GraphSchema, TargetSchema
from graphfuse.nn.scores import EdgeScores

EdgeWeights = Mapping[EdgeType, Tensor]
"""Weight in [0, 1] per edge [num_edges]; a type left out means 1."""
NodeWeights = Mapping[str, Tensor]
"""Weight in [0, 1] per node [num_nodes]; a type left out means 1."""
Rows = Callable[[], Iterable[Batch]]
"""Gives all rows of a split in store order, in batches with their target `y`; may be called more than once.

Rows without a target are among them (-1 or NaN: `nn.losses.labelled`). Where the data set weighs its rows, batches have `sample_weight` too.
"""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the network has to decide: for models that decide themselves instead of leaving it to a head."""

    target: TargetSchema
    """Kind, classes and, for values, the scale: logits of a regression are standardised by its `mean` and `std`."""
    num_logits: int
    criterion: nn.Module
    """(logits [n, num_logits], y, sample_weight=None) -> mean loss over the rows that have a target."""


@dataclass(frozen=True, kw_only=True)
class FusionOutput:
    """The result of one forward pass."""

    embedding: Tensor
    """One vector per sample.  [batch_size, out_channels]"""
    edge_scores: Mapping[EdgeType, Tensor] = field(default_factory=dict)
    """What the network itself gave each edge (attention or gate, larger = more); empty for models without.  [num_edges]"""
    logits: Tensor | None = None
    """The decision: given by bodies that decide themselves, else set by `FusionNetwork`.  [batch_size, num_logits]"""
    experts: Mapping[str, Tensor] = field(default_factory=dict)
    """Decisions of parts, each trained by the task's loss as well.  [batch_size, num_logits]"""
    views: Mapping[str, Tensor] = field(default_factory=dict)
    """One vector per sample and modality in a space that the modalities share, where the model has one.  [batch_size, channels]"""
    penalties: Mapping[str, Tensor] = field(default_factory=dict)
    """Further terms of the loss, already weighted (reconstruction, divergence, ...).  []"""

    def to(self, device: torch.device) -> "FusionOutput":
        """Return the same on another device."""
        moved = {item.name: _moved(getattr(self, item.name), device) for item in fields(self) if item.name != "edge_scores"}
        # the way of the scores waits for somebody who looks at them
        return FusionOutput(edge_scores=EdgeScores(tuple(self.edge_scores), partial(_moved, self.edge_scores, device)), **moved)


class FusionModule(nn.Module):
    """Base of all fusion networks: batch -> embedding (contract 2).

    Weight 0 is exactly the element removed, weight 1 changes nothing, gradients flow.
    """

    out_channels: int
    decides: bool = False
    """Whether `forward` gives logits itself (late and kernel methods), so that there is no head."""

    @property
    def fits_validation(self) -> bool:
        """Whether it learns from validation rows too, so that its figures on them flatter: if it overrides `fit_validation`, or as it says."""
        return type(self).fit_validation is not FusionModule.fit_validation

    @abstractmethod
    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a schema-complete batch."""

    def fit_train(self, rows: Rows) -> None:
        """Learn from train rows what is not learned by gradients, once, before the first epoch (components, kernels)."""

    def fit_validation(self, rows: Rows) -> None:
        """Learn from validation rows, once, after the last epoch (weights of experts); without such rows it is not called."""


class FusionNetwork(nn.Module):
    """A fusion module with the task's head: batch -> logits.

    It may lie on a GPU while batches do not: they are taken there, and what it finds comes back to where they are.
    """

    schema: GraphSchema | None
    """Node types with their modalities; analyses read it."""
    target: TargetSchema | None
    """What the logits mean; analyses read it."""
    threshold: float
    """Probability from which a label is predicted; analyses read it."""

    def __init__(
        self,
        body: FusionModule,
        num_logits: int,
        *,
        schema: GraphSchema | None = None,
        target: TargetSchema | None = None,
        threshold: float = 0.5,
    ) -> None:
        super().__init__()
        self.schema = schema
        self.target = target
        self.threshold = threshold
        self.body = body
        self.head = nn.Identity() if body.decides else nn.Linear(body.out_channels, num_logits)

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse and read the task's logits off the embedding, where the body has not decided itself."""
        here, there = self.device, batch.node_stores[0].x.device
        if here == there:
            return self._fuse(batch, edge_weight_dict, node_weight_dict)
        moved = copy(batch).to(here)  # copied, since PyG moves in place
        return self._fuse(moved, _moved(edge_weight_dict, here), _moved(node_weight_dict, here)).to(there)

    @property
    def device(self) -> torch.device:
        """Where the weights lie; the processor if there are none."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    def _fuse(self, batch: Batch, edge_weight_dict: EdgeWeights | None, node_weight_dict: NodeWeights | None) -> FusionOutput:
        output = self.body(batch, edge_weight_dict, node_weight_dict)
        return output if self.body.decides else replace(output, logits=self.head(output.embedding))


def training_loss(output: FusionOutput, y: Tensor, criterion: nn.Module, sample_weight: Tensor | None = None) -> Tensor:
    """Return the loss of a batch: of the decision, of each expert's decision, and the penalties.

    Args:
        output: What `FusionNetwork` gave.
        y: Targets.  [batch_size, ...]
        criterion: The task's loss.
        sample_weight: How much each sample counts.  [batch_size]
    """
    assert output.logits is not None, "a FusionNetwork gives logits"
    arguments = (y,) if sample_weight is None else (y, sample_weight)
    decisions = [output.logits, *output.experts.values()]
    # a decision that is no function of parameters (a vote) has nothing to learn by
    terms = [criterion(logits, *arguments) for logits in decisions if logits.requires_grad]
    total: Tensor = sum([*terms, *output.penalties.values()], start=output.logits.new_zeros(()))
    return total


def _moved(value: Any, device: torch.device) -> Any:
    """Return a tensor, a mapping of tensors or None on another device; gradients flow through."""
    if isinstance(value, Mapping):
        return {name: tensor.to(device) for name, tensor in value.items()}
    return None if value is None else value.to(device)
