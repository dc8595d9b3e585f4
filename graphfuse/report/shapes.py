"""What the drawing of a post is made of: shapes with their places, in pixels of the drawing."""

from dataclasses import dataclass

from graphfuse.report.data import Link, Picture


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of text and where it starts."""

    text: str
    x: float
    y: float
    rtl: bool = False


@dataclass(frozen=True, kw_only=True)
class Box:
    """Where something lies."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Block(Box):
    """A span or chip: a rounded box with lines in it."""

    key: str
    lines: tuple[Line, ...]
    tint: float
    """How strongly it is filled, in [0, 1]."""
    title: str
    centred: bool = False
    """Whether its lines start in the middle, so that a width guessed too large does not show."""


@dataclass(frozen=True, kw_only=True)
class Region(Box):
    """A region of a picture."""

    key: str
    tint: float
    title: str
    veil: bool
    """Whether the picture's regions tile it, so that a veil over the unimportant ones shows the others."""
    empty: bool
    """Whether the picture is missing."""


@dataclass(frozen=True, kw_only=True)
class Frame(Box):
    """A picture and where it lies."""

    picture: Picture
    number: int


@dataclass(frozen=True, kw_only=True)
class Arc:
    """An edge, drawn from its source to its target."""

    link: Link
    number: int
    path: str
    start: tuple[float, float]
    end: tuple[float, float]
    width: float
    source_key: str
    target_key: str
    ends: tuple[str, str]
    """What it joins, in words."""

    @property
    def label(self) -> str:
        """Return both ends in one line."""
        return " – ".join(self.ends)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A laid-out post."""

    height: float
    blocks: tuple[Block, ...]
    headings: tuple[Line, ...]
    hidden_spans: int
    frames: tuple[Frame, ...]
    regions: tuple[Region, ...]
    chips: tuple[Block, ...]
    curves: tuple[Arc, ...]
