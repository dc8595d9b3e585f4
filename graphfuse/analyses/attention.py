"""The network's own edge weights (attention or gate), by edge and by edge kind.

Attention says what a network looks at, not what it needs (Jain and Wallace, Attention is not Explanation, NAACL 2019):
read it beside occlusion, and believe it only where fidelity says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.analyses._edge_scores import attention_scores, no_edge_scores
from graphfuse.analyses._elements import Elements, edge_elements, rank_in_sample
from graphfuse.analyses._frames import edge_rows, mean_intervals, score_rows, score_table
from graphfuse.core.sockets import Analysis
from graphfuse.core.tables import ScoreTable
from graphfuse.nn.fusion import FusionNetwork


@dataclass(frozen=True, kw_only=True)
class Attention(Analysis):
    """Edge scores that the network gives with its prediction; an empty table for networks that give none."""

    top: int = 5
    """A sample's top edges: its so many highest."""
    joint_reverse: bool = True
    """Take an edge and its `rev_` twin as one, with the mean of their scores."""
    seed: int = 0
    """Of the resampling behind the intervals."""

    def scores(self, network: FusionNetwork, batches: Iterable[Batch]) -> ScoreTable:
        """Return rows of level `edge`, and per edge kind (level `edge_type`) the mean over samples with an interval.

        Further columns of the kinds: `count` (edges), `top_share` (of a sample's top edges, mean over samples) with `top_low`, `top_high`, and
        `edge_share` (of a sample's edges, mean over samples), which `top_share` would equal if edges were chosen blindly.
        """
        frames: list[pd.DataFrame] = []
        means: list[Tensor] = []
        shares: list[Tensor] = []
        counts: list[Tensor] = []
        kinds: tuple[str, ...] = ()
        for batch in batches:
            if no_edge_scores(network, batch):
                return score_table([])
            elements = edge_elements(batch, self.joint_reverse)
            score = attention_scores(network, batch, elements)
            frames.append(edge_rows("attention", batch, elements, score))
            kinds = elements.kinds
            per_kind = _per_kind(elements, batch.num_graphs, torch.stack([torch.ones_like(score), score, self._is_top(elements, score)]))
            counts.append(per_kind[0])
            means.append(per_kind[1] / per_kind[0])  # NaN where a sample has none of the kind
            shares.append(per_kind[2] / per_kind[2].sum(dim=1, keepdim=True))
        if kinds:
            frames.append(self._kind_rows(kinds, torch.cat(means).numpy(), torch.cat(shares).numpy(), torch.cat(counts).numpy()))
        return score_table(frames)

    def _is_top(self, elements: Elements, score: Tensor) -> Tensor:
        """Return 1 for a sample's top edges, else 0; edges of one score share the places that are left for them."""
        top = (rank_in_sample(elements.sample, score) < self.top).double()
        _, tied = torch.unique(torch.stack([elements.sample.double(), score.double()]), dim=1, return_inverse=True)
        return (torch.bincount(tied, top) / torch.bincount(tied))[tied].float()

    def _kind_rows(self, kinds: tuple[str, ...], means: np.ndarray, shares: np.ndarray, counts: np.ndarray) -> pd.DataFrame:
        mean = np.concatenate([mean_intervals(column[:, None], self.seed) for column in means.T])
        share = mean_intervals(shares, self.seed)
        total, own = counts.sum(axis=0), counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        return score_rows(
            "attention",
            "edge_type",
            "",
            np.array(kinds, dtype=object),
            mean[:, 0],
            low=mean[:, 1],
            high=mean[:, 2],
            top_share=share[:, 0],
            top_low=share[:, 1],
            top_high=share[:, 2],
            edge_share=own[counts.any(axis=1)].mean(axis=0) if counts.any() else np.zeros(len(kinds)),
            count=total,
        )


def _per_kind(elements: Elements, num_samples: int, values: Tensor) -> Tensor:
    """Return values summed by sample and kind, [num_values, num_elements] -> [num_values, num_samples, num_kinds]."""
    cell = elements.sample * len(elements.kinds) + elements.kind
    total = torch.zeros(len(values), num_samples * len(elements.kinds)).index_add_(1, cell, values)
    return total.reshape(len(values), num_samples, len(elements.kinds))
