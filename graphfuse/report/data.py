"""What a report shows: plain values, ready to be laid out."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its interval, if it has one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One test metric of the analysed model, beside others that were asked the same."""

    name: str
    models: tuple[tuple[str, Estimate], ...]
    """(model, estimate); the analysed model comes first."""


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What an edge kind or a modality is worth to the predictions."""

    name: str
    """For people."""
    element: str
    """Edge name or modality."""
    kind: int = -1
    """Colour of an edge kind; -1 for modalities."""
    cross_modal: bool = False
    drop: Estimate | None = None
    """Evidence lost when it is removed from every sample."""
    metric_drop: Estimate | None = None
    """Metric lost when it is removed."""
    flips: float | None = None
    """Share of predictions that change, in [0, 1]."""
    top_share: Estimate | None = None
    """Share of the samples' top edges by attention."""
    edge_share: float | None = None
    """Share of all edges."""
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Fidelity over the fraction of edges removed or kept."""

    side: str
    """`fidelity_plus` or `fidelity_minus`."""
    chosen_by: str
    """What ranked the edges, or `random`."""
    points: tuple[tuple[float, Estimate], ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """How often one modality found its own partner in another."""

    query: str
    """For people."""
    partner: str
    count: int
    """Samples that have both: as many to choose from."""
    recall: tuple[tuple[int, Estimate], ...]
    """Share found among the nearest k, by k."""
    mean_average_precision: Estimate
    chance: float
    """Mean average precision expected of a random order."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of a sample that is drawn."""

    node_type: str
    index: int
    label: str
    """The span's text, the region's place, or a name."""
    importance: float = 0.0
    """In [0, 1], 1 for the sample's most important node."""
    group: str = ""
    """A span's column; a region's picture, as a number."""
    box: tuple[float, float, float, float] | None = None
    """Of a region: x0, y0, x1, y1 as fractions."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture as a data address, or its empty frame."""

    uri: str | None
    width: int
    height: int
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Link:
    """An edge of a sample with what it is worth."""

    kind: int
    source: tuple[str, int]
    target: tuple[str, int]
    score: float
    strength: float
    """Size of the score against the sample's largest, in [0, 1]."""
    flips: bool = False
    """Whether the prediction changes without it."""


@dataclass(frozen=True, kw_only=True)
class Post:
    """One sample with its prediction, its nodes and the edges that mattered."""

    sample_id: str
    verdict: str
    """`right` or `wrong`, with `confident, ` in front where it is; `uncertain`; or nothing."""
    truth: str = ""
    prediction: str = ""
    probability: float | None = None
    nodes: tuple[Node, ...] = ()
    pictures: tuple[Picture, ...] = ()
    links: tuple[Link, ...] = ()
    num_edges: int = 0
    """Edges of the sample that were scored, drawn or not."""
    left_out: int = 0
    """Edges of the sample that were not, since it has more than the analysis removes one at a time."""


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything on the page."""

    title: str
    model: str
    split: str
    num_samples: int
    metrics: tuple[Metric, ...]
    kinds: tuple[str, ...]
    """Names of edge kinds for people; a position here is a `kind`."""
    edge_kinds: tuple[Worth, ...]
    modalities: tuple[Worth, ...]
    curves: tuple[Curve, ...]
    posts: tuple[Post, ...]
    scored_by: str
    """What the drawn edges' scores are: `occlusion`, `gradient` or `attention`; "" without."""
    measure: str = "log_odds"
    """What the drops are measured in: `log_odds`, `probability` or `change` (of predicted values, in deviations of the target)."""
    fidelity_measure: str = "probability"
    """The same of fidelity."""
    partners: tuple[Found, ...] = ()
    """Cross-modal retrieval, by direction."""
    users_shown: bool = False
    """Whether user ids are shown as they are."""
    made_with: Mapping[str, str] | None = None
    """Settings and versions, for the foot of the page."""

    @property
    def pictures_not_shown(self) -> int:
        """Pictures of the posts that are empty frames."""
        return sum(picture.uri is None for post in self.posts for picture in post.pictures)
