"""Do the highest-scored edges carry the prediction? Fidelity+ and fidelity-, against random edges."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import Batch

from graphfuse.analyses._copies import first_samples
from graphfuse.analyses._edge_scores import attention_scores, gradient_scores, no_edge_scores, occlusion_scores
from graphfuse.analyses._elements import Elements, edge_elements, rank_in_sample
from graphfuse.analyses._evidence import Measure, drop, measured_in
from graphfuse.analyses._frames import mean_intervals, score_rows, score_table
from graphfuse.core.sockets import Analysis
from graphfuse.core.tables import ScoreTable
from graphfuse.nn.fusion import FusionNetwork


@dataclass(frozen=True, kw_only=True)
class Fidelity(Analysis):
    """The drop when the top edges are removed (plus: high is good), and when only they are kept (minus: low is good).

    Pope et al., Explainability Methods for Graph Convolutional Neural Networks, CVPR 2019; Yuan et al., Explainability in Graph Neural
    Networks: A Taxonomic Survey, TPAMI 2022. Every number stands beside the same number for random edges, as many of each sample.
    Drops are measured as `occlusion` measures them: those of regression in deviations of the target.
    """

    scorer: Literal["attention", "occlusion", "gradient"] = "occlusion"
    """What ranks the edges; a network without attention is ranked by nothing else than the other two."""
    fractions: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.5)
    """Shares of a sample's edges, rounded up to whole edges."""
    measure: Measure = "probability"
    edge_kinds: tuple[str, ...] = ()
    """Edge names that are ranked and removed, the others stay; empty means all."""
    joint_reverse: bool = True
    """Take an edge and its `rev_` twin as one."""
    samples: int = 512
    """The first so many samples; 0 means all."""
    max_edges: int = 2_000
    """Of a sample's edges, so many are removed to rank them by `occlusion`, those with the steepest slopes (0: all); further ones are
    ranked among them by their slope, which is the drop to first order."""
    random_draws: int = 3
    """Random orders per sample, whose mean is taken."""
    block: int = 50_000
    """Most nodes and edges in one forward pass of masked copies; bounds memory."""
    seed: int = 0
    """Of the random edges and the resampling behind the intervals."""

    def __post_init__(self) -> None:
        """Check the fractions."""
        if not self.fractions or not all(0 < fraction < 1 for fraction in self.fractions):
            raise ValueError("fractions must be one or more numbers between 0 and 1, such as [0.1, 0.3]")

    def scores(self, network: FusionNetwork, batches: Iterable[Batch]) -> ScoreTable:
        """Return rows of level `model`: element `fidelity_plus` or `fidelity_minus`, for every fraction.

        Further columns: `fraction`; `chosen_by` (the scorer, `random`, or `difference`: scored minus random, paired by sample); `low`, `high`.
        """
        generators = [np.random.default_rng([self.seed, draw]) for draw in range(self.random_draws)]
        found: list[npt.NDArray[np.float64]] = []
        for batch in first_samples(batches, self.samples):
            if self.scorer == "attention" and no_edge_scores(network, batch):
                return score_table([])
            found.append(self._batch(network, batch, generators))
        return score_table([self._rows(np.concatenate(found))] if found else [], measured_in(network, self.measure))

    def _batch(self, network: FusionNetwork, batch: Batch, generators: Sequence[np.random.Generator]) -> npt.NDArray[np.float64]:
        """Return the drops, [num_samples, 2 (plus, minus), num_fractions, 2 (scored, random)]; samples without edges are left out."""
        elements = edge_elements(batch, self.joint_reverse, self.edge_kinds)
        orders = [self._score(network, batch, elements)]
        # drawn in sample order, so that the draw does not depend on the size of batches
        orders += [torch.from_numpy(generator.random(len(elements))) for generator in generators]
        with torch.no_grad():
            full = network(batch).logits
            drops = torch.stack(
                [self._drops(network, batch, elements, rank_in_sample(elements.sample, order), full) for order in orders], dim=-1
            )
        count = elements.sample.bincount(minlength=batch.num_graphs)
        pair = torch.stack([drops[..., 0], drops[..., 1:].mean(dim=-1)], dim=-1)
        return pair[count > 0].double().numpy()

    def _score(self, network: FusionNetwork, batch: Batch, elements: Elements) -> Tensor:
        if self.scorer == "attention":
            return attention_scores(network, batch, elements)
        if self.scorer == "gradient":
            return gradient_scores(network, batch, elements)
        return occlusion_scores(network, batch, elements, block=self.block, max_edges=self.max_edges)[0]

    def _drops(self, network: FusionNetwork, batch: Batch, elements: Elements, rank: Tensor, full: Tensor) -> Tensor:
        """Return the drops for one order of the edges, [batch_size, 2, num_fractions]."""
        count = elements.sample.bincount(minlength=batch.num_graphs)
        plus: list[Tensor] = []
        minus: list[Tensor] = []
        for fraction in self.fractions:
            # rounding first: 0.1 * 30 is a little more than 3
            top = rank < (count * fraction).double().round(decimals=6).ceil()[elements.sample]
            for drops, kept in ((plus, ~top), (minus, top)):
                masked = network(batch, edge_weight_dict=elements.weights(kept)).logits
                drops.append(drop(full, masked, network, self.measure))
        return torch.stack([torch.stack(plus, dim=1), torch.stack(minus, dim=1)], dim=1)

    def _rows(self, drops: npt.NDArray[np.float64]) -> pd.DataFrame:
        frames = []
        for side, element in enumerate(("fidelity_plus", "fidelity_minus")):
            for place, fraction in enumerate(self.fractions):
                scored, random = drops[:, side, place, 0], drops[:, side, place, 1]
                found = mean_intervals(np.stack([scored, random, scored - random], axis=1), self.seed)
                frames.append(
                    score_rows(
                        "fidelity",
                        "model",
                        "",
                        element,
                        found[:, 0],
                        low=found[:, 1],
                        high=found[:, 2],
                        fraction=fraction,
                        chosen_by=np.array([self.scorer, "random", "difference"], dtype=object),
                    )
                )
        return pd.concat(frames, ignore_index=True)
