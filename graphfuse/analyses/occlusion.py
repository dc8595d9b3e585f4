"""What the prediction loses when an edge, an edge kind, a node type or a modality is really removed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.analyses._copies import first_samples
from graphfuse.analyses._edge_scores import occlusion_scores
from graphfuse.analyses._elements import edge_elements, kinds_of, samples_with
from graphfuse.analyses._evidence import Measure, drop, flips, measured_in, quality
from graphfuse.analyses._frames import edge_rows, mean_intervals, sample_ids, score_rows, score_table
from graphfuse.core.schema import EdgeType
from graphfuse.core.sockets import Analysis
from graphfuse.core.tables import ScoreTable
from graphfuse.nn.fusion import FusionNetwork

Level = Literal["edge", "edge_type", "node_type", "modality"]


@dataclass(frozen=True, kw_only=True)
class _Removal:
    """One thing that is removed from every sample."""

    level: Level
    element: str
    edge_types: tuple[EdgeType, ...] = ()
    node_types: tuple[str, ...] = ()

    def apply(self, network: FusionNetwork, batch: Batch) -> Tensor:
        """Return the logits without it."""
        edges = {edge_type: torch.zeros(batch[edge_type].edge_index.shape[1]) for edge_type in self.edge_types}
        nodes = {node_type: torch.zeros(int(batch[node_type].num_nodes)) for node_type in self.node_types}
        logits = network(batch, edge_weight_dict=edges, node_weight_dict=nodes).logits
        assert logits is not None  # a FusionNetwork sets it
        return logits

    def count(self, batch: Batch) -> Tensor:
        """Return how many of it each sample has, [batch_size]."""
        if self.edge_types:
            return samples_with(batch, self.edge_types[:1])
        return torch.stack([batch[node_type].ptr.diff() for node_type in self.node_types]).sum(dim=0)


@dataclass(frozen=True, kw_only=True)
class Occlusion(Analysis):
    """Exact deletion, batched: nothing is approximated, and absence is absence (contract 2).

    The score is the drop of the predicted class's log-odds or probability; below 0, the prediction gains by the removal.
    Multi-label takes the mean over labels, regression the absolute change of the prediction in deviations of the target (over train
    rows; mean over targets).
    Li, Monroe and Jurafsky, Understanding Neural Networks through Representation Erasure, 2016.
    """

    levels: tuple[Level, ...] = ("edge", "edge_type", "node_type", "modality")
    measure: Measure = "log_odds"
    joint_reverse: bool = True
    """Remove an edge and its `rev_` twin together."""
    edge_kinds: tuple[str, ...] = ()
    """Edge names to remove, such as `text_span__resembles__image_region`; empty means all."""
    edge_samples: int = 512
    """Edges are removed one at a time in the first so many samples (0: in all); kinds in all samples."""
    max_edges: int = 2_000
    """Of a sample's edges, so many are removed one at a time: those by which the prediction has the steepest slopes (0: all). Kinds
    are removed with all their edges."""
    keep: tuple[str, ...] = ("sample",)
    """Node types that are never removed: the sample node holds no content, it carries messages."""
    block: int = 50_000
    """Most nodes and edges in one forward pass of masked copies; bounds memory."""
    seed: int = 0
    """Of the resampling behind the intervals."""

    def scores(self, network: FusionNetwork, batches: Iterable[Batch]) -> ScoreTable:
        """Return rows per edge, and per edge kind, node type and modality: one per sample and one of the whole set.

        Further columns: `flips` (1 where the prediction changes; of the whole set the share), of an edge `left_out` (how many others
        of its sample have no row, by `max_edges`), and of the whole set `low`, `high`, `metric_drop` with `metric_low`, `metric_high`
        (accuracy, share of right labels, or absolute error in the target's own unit), `count` (how many were removed) and `samples`
        (how many samples had one).
        """
        frames: list[pd.DataFrame] = []
        tally: dict[tuple[Level, str], list[Tensor]] = {}
        left = self.edge_samples
        for batch in batches:
            if "edge" in self.levels and (left > 0 or not self.edge_samples):
                first = first_samples([batch], left) if self.edge_samples else [batch]
                frames.extend(self._edge_rows(network, part) for part in first)
                left -= batch.num_graphs
            removals = self._removals(network, batch)
            effects = self._effects(network, batch, removals)
            for removal, effect in zip(removals, effects, strict=True):
                tally.setdefault((removal.level, removal.element), []).append(effect)
                frames.append(
                    score_rows(
                        "occlusion", removal.level, sample_ids(batch), removal.element, effect[:, 0].numpy(), flips=effect[:, 2].numpy()
                    )
                )
        frames.extend(self._summary(level, element, torch.cat(parts).numpy()) for (level, element), parts in tally.items())
        return score_table(frames, measured_in(network, self.measure))

    def _edge_rows(self, network: FusionNetwork, batch: Batch) -> pd.DataFrame:
        elements = edge_elements(batch, self.joint_reverse, self.edge_kinds)
        lost, flipped, removed = occlusion_scores(network, batch, elements, self.measure, self.block, self.max_edges)
        left_out = elements.sample[~removed].bincount(minlength=batch.num_graphs)[elements.sample]
        rows = edge_rows("occlusion", batch, elements, lost, flips=flipped.numpy(), left_out=left_out.numpy())
        return rows[removed.numpy()]

    def _removals(self, network: FusionNetwork, batch: Batch) -> list[_Removal]:
        """Return everything that is removed from whole samples, in a fixed order."""
        removals = []
        if "edge_type" in self.levels:
            kinds = kinds_of(batch, self.joint_reverse, self.edge_kinds)
            removals += [_Removal(level="edge_type", element=name, edge_types=types) for name, types in kinds.items()]
        node_types = [node_type for node_type in batch.node_types if node_type not in self.keep]
        if "node_type" in self.levels:
            removals += [_Removal(level="node_type", element=node_type, node_types=(node_type,)) for node_type in node_types]
        if "modality" in self.levels:
            members: dict[str, tuple[str, ...]] = {}
            for node_type in node_types:
                modality = network.schema.modality_by_node_type[node_type] if network.schema else node_type
                members[modality] = (*members.get(modality, ()), node_type)
            removals += [_Removal(level="modality", element=name, node_types=types) for name, types in members.items()]
        return removals

    def _effects(self, network: FusionNetwork, batch: Batch, removals: list[_Removal]) -> list[Tensor]:
        """Return drop, fall of quality, flip and count of each removal, [batch_size, 4] each."""
        y = batch.get("y")
        effects = []
        with torch.no_grad():
            full = network(batch).logits
            right = quality(full, y, network)
            for removal in removals:
                masked = removal.apply(network, batch)
                lost = drop(full, masked, network, self.measure)
                fall = right - quality(masked, y, network)
                effects.append(torch.stack([lost, fall, flips(full, masked, network), removal.count(batch).float()], dim=1))
        return effects

    def _summary(self, level: Level, element: str, effect: np.ndarray) -> pd.DataFrame:
        """Return the row of the whole set; `effect` is [num_samples, 4]."""
        lost = mean_intervals(effect[:, :1], self.seed)[0]
        fall = mean_intervals(effect[:, 1:2], self.seed)[0]
        return score_rows(
            "occlusion",
            level,
            "",
            element,
            lost[0],
            low=lost[1],
            high=lost[2],
            metric_drop=fall[0],
            metric_low=fall[1],
            metric_high=fall[2],
            flips=effect[:, 2].mean(),
            count=effect[:, 3].sum(),
            samples=(effect[:, 3] > 0).sum(),
        )
