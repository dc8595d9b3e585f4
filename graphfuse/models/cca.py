"""Canonical correlation analysis of two modalities: directions under which they agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from torch import Tensor

from graphfuse.core.errors import ConfigError, suggest
from graphfuse.core.schema import GraphSchema
from graphfuse.models._canonical import CanonicalFusion, CanonicalModel
from graphfuse.models._early import need_types
from graphfuse.nn.correlation import CanonicalMaps, cca
from graphfuse.nn.fusion import Decision


@dataclass(frozen=True, kw_only=True)
class CcaModel(CanonicalModel):
    """Canonical variates of two modalities, side by side with all others as they are.

    "Relations between two sets of variates" (Hotelling, Biometrika 1936), with ridge; fitted on the train rows that have both.
    """

    first: str = ""
    """Node type of one modality; empty is the store's first."""
    second: str = ""
    """Node type of the other; empty is the store's first of another modality."""

    def module(self, schema: GraphSchema, decision: Decision) -> CanonicalFusion:
        """Return the network for a schema.

        Raises:
            ConfigError: If there are no two such node types.
        """
        return CanonicalFusion(self, schema, self._pair(schema))

    def fit(self, views: Sequence[Tensor], has: Tensor, y: Tensor, num_components: int) -> CanonicalMaps:
        """Return the maps of two views."""
        return cca(views[0], views[1], num_components, shrinkage=self.shrinkage, has=has)

    def _pair(self, schema: GraphSchema) -> tuple[str, str]:
        """Return the two node types: those that are named, else the first two that come from different modalities."""
        known, modality = need_types(schema, "cca", least=2), schema.modality_by_node_type
        named = {"first": self.first, "second": self.second}
        problems = [
            f"model.{key}: '{name}' is no node type with features. {suggest(name, known)}"
            for key, name in named.items()
            if name not in ("", *known)
        ]
        if problems:
            raise ConfigError(problems)
        for first, second in permutations(known, 2):
            chosen = self.first in ("", first) and self.second in ("", second)
            if chosen and (modality[first] != modality[second] or (self.first and self.second)):
                return first, second
        raise ConfigError("model.first, model.second: cca needs two node types, of different modalities where one is left open. Name both.")
