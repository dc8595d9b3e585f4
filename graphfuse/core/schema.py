"""What every sample of a store may hold: node types, edge types and the target."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

EdgeType = tuple[str, str, str]
"""(source node type, relation, destination node type), as in PyG."""

TargetKind = Literal["classification", "multilabel", "regression", "none"]


def edge_name(edge_type: EdgeType) -> str:
    """Return `source__relation__destination`, the key of an edge type in files and parameters."""
    return "__".join(edge_type)


def parse_edge_name(name: str) -> EdgeType:
    """Return the edge type that `edge_name` wrote."""
    source, relation, destination = name.split("__")
    return source, relation, destination


def reverse_edge_type(edge_type: EdgeType) -> EdgeType:
    """Return the edge type that runs the other way (`rev_` + relation, as in PyG)."""
    source, relation, destination = edge_type
    return destination, f"rev_{relation}", source


@dataclass(frozen=True, kw_only=True)
class GraphSchema:
    """The node types with their channels and modality, and the edge types, in a fixed order."""

    channels_by_node_type: Mapping[str, int]
    modality_by_node_type: Mapping[str, str]
    edge_types: tuple[EdgeType, ...]
    entity_types: tuple[str, ...] = ()
    """Node types whose features are stored once and shared between samples."""

    @property
    def node_types(self) -> tuple[str, ...]:
        """Node types in store order."""
        return tuple(self.channels_by_node_type)

    def is_cross_modal(self, edge_type: EdgeType) -> bool:
        """Return whether the two ends of an edge type come from different modalities."""
        modality = self.modality_by_node_type
        return modality[edge_type[0]] != modality[edge_type[2]]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "node_types": [
                {"name": name, "channels": channels, "modality": self.modality_by_node_type[name]}
                for name, channels in self.channels_by_node_type.items()
            ],
            "edge_types": [list(edge_type) for edge_type in self.edge_types],
            "entity_types": list(self.entity_types),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "GraphSchema":
        """Return the schema that `to_json` wrote."""
        nodes = value["node_types"]
        return cls(
            channels_by_node_type={node["name"]: int(node["channels"]) for node in nodes},
            modality_by_node_type={node["name"]: node["modality"] for node in nodes},
            edge_types=tuple((s, r, d) for s, r, d in value["edge_types"]),
            entity_types=tuple(value["entity_types"]),
        )


@dataclass(frozen=True, kw_only=True)
class TargetSchema:
    """What is predicted: the kind of target, its columns and its classes (fitted on train rows)."""

    kind: TargetKind
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    """Class names in index order (classification), or label names (multilabel)."""
    class_counts: tuple[int, ...] = ()
    """Train rows per class or label, for class weights."""
    known_counts: tuple[int, ...] = ()
    """Train rows per label whose value is known (multilabel)."""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """Mean and deviation per target column over train rows (regression)."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TargetSchema":
        """Return the schema that `to_json` wrote."""
        fields: dict[str, Any] = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}
        return cls(**fields)
