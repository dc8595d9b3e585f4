"""Cross-modal retrieval: how often a sample's modality finds its own partner among those of all samples.

The field's measures are recall@k and mean average precision (Radford et al., Learning Transferable Visual Models From Natural Language
Supervision, ICML 2021, among many).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Batch

from graphfuse.analyses._frames import mean_intervals, sample_ids, score_rows, score_table
from graphfuse.core.sockets import Analysis
from graphfuse.core.tables import ScoreTable
from graphfuse.nn.fusion import FusionNetwork
from graphfuse.nn.retrieval import chance_scores, partner_ranks, rank_scores
from graphfuse.nn.views import View, modality_views, view_pairs


@dataclass(frozen=True, kw_only=True)
class Retrieval(Analysis):
    """Rank of each sample's own partner in the other modality, with recall@k and mean average precision.

    Compared are the vectors that the model has in a space of all modalities, else its embeddings of one modality at a time. Only samples
    that have both modalities ask and are asked for.
    """

    k: tuple[int, ...] = (1, 5, 10)
    """How many of the nearest count as found."""
    seed: int = 0
    """Of the resampling behind the intervals."""

    def __post_init__(self) -> None:
        """Check the depths."""
        if not self.k or min(self.k) < 1:
            raise ValueError("k must be one or more whole numbers from 1, such as [1, 5, 10]")

    def scores(self, network: FusionNetwork, batches: Iterable[Batch]) -> ScoreTable:
        """Return rows of level `modality` (a sample's 1 / rank) and of level `model` (a metric with its interval).

        Further columns: `query` and `partner`, the two modalities; `rank`, from 1; `count`, the partners to choose from; `low`, `high`;
        `chance`, what a random order is expected to reach.
        """
        ids, found = [], []
        with torch.no_grad():
            for batch in batches:
                ids.append(sample_ids(batch))
                found.append(modality_views(network, batch))
        if not found:
            return score_table([])
        views, samples = _joined(found), np.concatenate(ids)
        pairs = [pair for one, other in view_pairs(views) for pair in ((one, other), (other, one))]
        return score_table([frame for query, partner in pairs for frame in self._direction(samples, views, query, partner)])

    def _direction(self, samples: np.ndarray, views: dict[str, View], query: str, partner: str) -> list[pd.DataFrame]:
        """Return the rows of one modality asking for another."""
        both = views[query].has & views[partner].has
        ranks = partner_ranks(views[query].vector[both], views[partner].vector[both])
        if not len(ranks):
            return []
        more: dict[str, str | int] = {"query": query, "partner": partner, "count": len(ranks)}
        frames = [score_rows("retrieval", "modality", samples[both.numpy()], query, 1 / ranks.double().numpy(), rank=ranks.numpy(), **more)]
        chance = chance_scores(len(ranks), self.k)
        for metric, scores in rank_scores(ranks, self.k).items():
            mean, low, high = mean_intervals(scores.numpy()[:, None], self.seed)[0]
            frames.append(score_rows("retrieval", "model", "", metric, mean, low=low, high=high, chance=chance[metric], **more))
        return frames


def _joined(parts: Sequence[dict[str, View]]) -> dict[str, View]:
    """Return the views of all batches as one."""
    return {
        name: View(vector=torch.cat([part[name].vector for part in parts]), has=torch.cat([part[name].has for part in parts]))
        for name in parts[0]
    }
