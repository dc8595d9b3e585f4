"""Canonical correlation analysis of two modalities: directions under which they agree."""

from collections.abc import Sequence
from dataclasses import dataclass

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
        problems = [
            f"model.{setting}: {name} is not a node type with features. {suggest(name, known)}"
            for setting, name in (("first", self.first), ("second", self.second))
            if name and name not in known
        ]
        if problems:
            raise ConfigError(problems)
        first = self.first or next(name for name in known if name != self.second and _differ(modality, name, self.second))
        second = self.second or next((name for name in known if _differ(modality, name, first)), first)
        if first == second:
            raise ConfigError(f"model.second: cca needs two node types of different modalities (got {first} twice). Name another.")
        return first, second


def _differ(modality: dict[str, str], name: str, other: str) -> bool:
    return not other or modality[name] != modality[other]
