"""Multiple kernel learning: one kernel per modality, learned weights, and a support vector machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from annotated_types import Ge, Gt
from torch import Tensor
from torch.nn import functional
from torch_geometric.data import Batch

from graphfuse.core.schema import GraphSchema
from graphfuse.core.sockets import FusionModel
from graphfuse.models._decisions import prior_logits, standardised
from graphfuse.models._machine import KernelMachine, platt_scale
from graphfuse.nn.fusion import Decision, EdgeWeights, FusionModule, FusionOutput, NodeWeights, Rows
from graphfuse.nn.losses import labelled
from graphfuse.nn.pooling import Pooled, informative_types, pool, pooled_rows, row_weights


@dataclass(frozen=True, kw_only=True)
class KernelLearningModel(FusionModel):
    """Kernels are weighted by their centred alignment with the target, and their sum trains scikit-learn's SVC or SVR.

    "Algorithms for learning kernels based on centered alignment" (Cortes, Mohri and Rostamizadeh, JMLR 13, 2012). Nothing is
    learned by gradients, so training is one epoch long.
    """

    stage: ClassVar[Literal["kernel"]] = "kernel"

    kernel: Literal["rbf", "linear"] = "rbf"
    """Of standardised means; RBF as wide as the median distance."""
    c: Annotated[float, Gt(0)] = 1.0
    """How much an error costs against a wide margin (scikit-learn's C)."""
    max_rows: Annotated[int, Ge(2)] = 2000
    """Train rows drawn at most: time and memory grow with their square."""

    def module(self, schema: GraphSchema, decision: Decision) -> "KernelFusion":
        """Return the machine for a schema."""
        return KernelFusion(self, schema, decision)


class KernelFusion(FusionModule):
    """The embedding is what each modality adds to each decision function; a sample without any modality gets the prior."""

    decides = True

    prior: Tensor
    slope: Tensor
    offset: Tensor

    def __init__(self, model: KernelLearningModel, schema: GraphSchema, decision: Decision) -> None:
        super().__init__()
        self.target, self.num_logits = decision.target, decision.num_logits
        self.c, self.max_rows = model.c, model.max_rows
        self.node_types = informative_types(schema)
        # of two classes one function tells both
        self.two_classes = self.target.kind == "classification" and decision.num_logits == 2
        functions = 1 if self.two_classes else decision.num_logits
        self.out_channels = functions * len(self.node_types)
        self.machine = KernelMachine({name: schema.channels_by_node_type[name] for name in self.node_types}, functions, model.kernel)
        self.register_buffer("prior", prior_logits(decision.target, decision.num_logits))
        self.register_buffer("slope", torch.ones(functions))
        self.register_buffer("offset", torch.zeros(functions))

    @property
    def fits_validation(self) -> bool:
        """Whether margins become probabilities by validation rows; values stay as they are."""
        return self.target.kind != "regression"

    def forward(
        self, batch: Batch, edge_weight_dict: EdgeWeights | None = None, node_weight_dict: NodeWeights | None = None
    ) -> FusionOutput:
        """Fuse a batch; edges are not looked at."""
        # 1. Means, and what each modality's kernel adds to each function.  [batch_size, num_types, num_functions]
        pooled = pool(batch, self.node_types, node_weight_dict)
        parts = self.machine(pooled)
        # 2. Their sum is the decision.  [batch_size, num_logits]
        logits = self._logits(parts.sum(dim=1) + self.machine.bias)
        nobody = torch.stack([1 - part.has for part in pooled.values()]).prod(dim=0)
        return FusionOutput(embedding=parts.flatten(1), logits=nobody * self.prior + (1 - nobody) * logits)

    def fit_train(self, rows: Rows) -> None:
        """Learn kernel weights and machines from train rows that have a target, drawn where there are too many."""
        pooled, y = pooled_rows(rows, self.node_types)
        chosen = torch.nonzero(labelled(y))[:, 0]
        if len(chosen) > self.max_rows:
            chosen = chosen[torch.randperm(len(chosen))[: self.max_rows].sort().values]
        counts = row_weights(rows)
        self.machine.fit(
            _take(pooled, chosen),
            self._targets(y[chosen]),
            c=self.c,
            values=self.target.kind == "regression",
            row_weight=None if counts is None else counts[chosen].double().numpy(),
        )

    def fit_validation(self, rows: Rows) -> None:
        """Turn margins into probabilities; values stay as they are."""
        if not self.fits_validation:
            return
        pooled, y = pooled_rows(rows, self.node_types)
        chosen = torch.nonzero(labelled(y))[:, 0]
        if not len(chosen):
            return
        margins = (self.machine(_take(pooled, chosen)).sum(dim=1) + self.machine.bias).double().numpy()
        targets = self._targets(y[chosen])
        known = ~np.isnan(targets)
        columns = range(targets.shape[1])
        slope, offset = platt_scale(
            [margins[known[:, number], number] for number in columns], [targets[known[:, number], number] for number in columns]
        )
        self.slope, self.offset = (torch.from_numpy(part).to(self.slope.dtype) for part in (slope, offset))

    def _logits(self, margins: Tensor) -> Tensor:
        """Return logits [batch_size, num_logits] of margins [batch_size, num_functions]."""
        if self.target.kind == "regression":
            return margins
        odds = self.slope * margins + self.offset
        if self.target.kind == "multilabel":
            return odds
        # one against the rest: probabilities of each class alone, made to sum to 1 by the softmax
        return torch.cat([torch.zeros_like(odds), odds], dim=1) if self.two_classes else functional.logsigmoid(odds)

    def _targets(self, y: Tensor) -> npt.NDArray[np.float64]:
        """Return one column per function: 1 or 0, or standardised values; NaN where unknown."""
        if self.target.kind == "regression":
            return standardised(self.target, y).numpy()
        if self.target.kind == "multilabel":
            return y.double().numpy()
        hot = functional.one_hot(y, self.num_logits).double().numpy()
        return hot[:, 1:] if self.two_classes else hot


def _take(pooled: Mapping[str, Pooled], rows: Tensor) -> dict[str, Pooled]:
    """Return some rows."""
    return {name: Pooled(mean=part.mean[rows], has=part.has[rows]) for name, part in pooled.items()}
