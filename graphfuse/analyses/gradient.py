"""Gradient of the prediction's evidence by each edge's weight: occlusion to first order, in one backward pass."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch_geometric.data import Batch

from graphfuse.analyses._edge_scores import gradient_scores
from graphfuse.analyses._elements import edge_elements
from graphfuse.analyses._evidence import Measure, measured_in
from graphfuse.analyses._frames import edge_rows, score_table
from graphfuse.core.sockets import Analysis
from graphfuse.core.tables import ScoreTable
from graphfuse.nn.fusion import FusionNetwork


@dataclass(frozen=True, kw_only=True)
class Gradient(Analysis):
    """Gradient times weight, at weight 1 (Baldassarre and Azizpour, Explainability Techniques for Graph Convolutional Networks, 2019)."""

    measure: Measure = "log_odds"
    joint_reverse: bool = True
    """Take an edge and its `rev_` twin as one: their gradients add."""
    saliency: bool = False
    """Without sign: how much the edge matters, for or against the prediction."""

    def scores(self, network: FusionNetwork, batches: Iterable[Batch]) -> ScoreTable:
        """Return one row per edge; above 0, the edge speaks for the prediction. Regression has no sign, and is in deviations of the target."""
        frames = []
        for batch in batches:
            elements = edge_elements(batch, self.joint_reverse)
            score = gradient_scores(network, batch, elements, self.measure)
            frames.append(edge_rows("gradient", batch, elements, score.abs() if self.saliency else score))
        return score_table(frames, measured_in(network, self.measure))
