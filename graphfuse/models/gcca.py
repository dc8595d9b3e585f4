"""Generalised canonical correlation of all modalities, two or more: one space in which they agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from graphfuse.core.schema import GraphSchema
from graphfuse.models._canonical import CanonicalFusion, CanonicalModel
from graphfuse.models._early import need_types
from graphfuse.nn.correlation import CanonicalMaps, gma, maxvar, multiset
from graphfuse.nn.fusion import Decision


@dataclass(frozen=True, kw_only=True)
class GccaModel(CanonicalModel):
    """Canonical variates of all modalities; a train row helps with the modalities it has.

    MAX-VAR and multi-set CCA: "Canonical analysis of several sets of variables" (Kettenring, Biometrika 1971). GMA looks at the targets:
    "Generalized Multiview Analysis: A Discriminative Latent Space" (Sharma et al., CVPR 2012); a target of K classes has K - 1 directions.
    """

    method: Literal["maxvar", "multiset", "gma"] = "maxvar"
    """maxvar: shared variables that every modality explains; multiset: largest sum of pairwise covariances; gma: the same, but
    for what tells the targets apart."""

    def module(self, schema: GraphSchema, decision: Decision) -> CanonicalFusion:
        """Return the network for a schema.

        Raises:
            ConfigError: If there is only one node type with features.
        """
        return CanonicalFusion(self, schema, need_types(schema, "gcca", least=2))

    def fit(self, views: Sequence[Tensor], has: Tensor, y: Tensor, num_components: int) -> CanonicalMaps:
        """Return the maps of all views."""
        if self.method == "gma":
            return gma(views, _columns(y), num_components, shrinkage=self.shrinkage, has=has)
        fit = maxvar if self.method == "maxvar" else multiset
        return fit(views, num_components, shrinkage=self.shrinkage, has=has)


def _columns(y: Tensor) -> Tensor:
    """Return targets as columns, NaN where unknown: one column per class, label or value.  [num_rows, num_targets]."""
    if y.is_floating_point():
        return y.flatten(1) if y.dim() > 1 else y.unsqueeze(1)
    one_hot = functional.one_hot(y.clamp(min=0)).to(torch.get_default_dtype())
    return torch.where((y >= 0).unsqueeze(1), one_hot, torch.nan)
