"""Made posts with a known answer: which pairs the texts name, which the pictures show, and what decides the label.

Rows come in quads of two (or four) texts and two pictures. In the world `combination`, T1 goes with I1 and T2 with I2
(a sentence names a pair that the picture shows): label 1; T1 with I2 and T2 with I1: label 0. The same renderings stand
on both sides, so that no score that adds something of the text to something of the picture can know the label.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from graphfuse.core.tables import SPLITS
from graphfuse.making.drawing import COLOURS, SHAPES

IntArray = npt.NDArray[np.int64]

WORLDS = ("text", "image", "redundant", "combination")

PLANS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "text": ((0, 0, 1), (0, 1, 1), (1, 0, 0), (1, 1, 0)),
    "image": ((0, 0, 1), (0, 1, 0), (1, 0, 1), (1, 1, 0)),
    "redundant": ((0, 0, 1), (1, 1, 0), (2, 0, 1), (3, 1, 0)),
    "combination": ((0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1)),
}
"""The four rows of a quad, by world: text, picture, label. Half the rows of every quad are positive."""

LEVELS: dict[str, dict[str, Any]] = {
    "easy": {"colours": 4, "shapes": 4, "matches": 2, "grid": (2, 3)},
    "medium": {"colours": 4, "shapes": 4, "matches": 1, "grid": (2, 3)},
    "hard": {"colours": 8, "shapes": 6, "matches": 1, "grid": (4, 4)},
}


@dataclass(frozen=True, kw_only=True)
class PostSettings:
    """Everything that made posts depend on; 0 means: as the level says."""

    level: Literal["easy", "medium", "hard"] = "easy"
    """easy: 4 colours, 4 shapes, 2 x 3 cells, 2 matches; medium: the same with 1 match; hard: 8, 6, 4 x 4, 1."""
    seed: int = 0
    train_rows: int = 4000
    """A multiple of 4, like the other two: quads are never split."""
    validation_rows: int = 800
    test_rows: int = 1200
    colours: int = 0
    """2 to 8; 0 as the level says."""
    shapes: int = 0
    """2 to 6; 0 as the level says."""
    matches: int = 0
    """Pairs that a text shares with its own picture, at least 1; 0 as the level says."""
    grid: int | tuple[int, int] = 0
    """Cells of a picture: a number (4 is 4 x 4) or rows and columns; 0 as the level says."""
    cell: int = 32
    """Side of a cell in pixels, 16 to 128."""
    spans: tuple[int, int] = (3, 4)
    """Fewest and most sentences of a text; each names one pair."""
    fillers: tuple[int, int] = (2, 4)
    """Fewest and most words of a sentence that say nothing of the label, subject and verb among them; at least 2."""
    objects: tuple[int, int] = (0, 0)
    """Fewest and most objects of a picture; (0, 0) is from two thirds of the cells to all."""
    clutter: int = 2
    """Small coloured specks per picture."""
    missing_pictures: float = 0.0
    """Share of quads whose posts have no picture: as many of each label, so that absence says nothing."""
    noise: float = 0.0
    """Share of quads whose labels are all flipped: no model can know them, and the balance stays."""
    text: float = 0.0
    """Weight of the world in which the text alone decides (a mood word)."""
    image: float = 0.0
    """Weight of the world in which the picture alone decides (warm or cool paper)."""
    redundant: float = 0.0
    """Weight of the world in which text and picture say the same, each by itself."""
    combination: float = 1.0
    """Weight of the world in which only the match of a sentence with a cell decides."""
    users: int = 500
    """Accounts that write and reply."""
    user_signal: float = 0.0
    """Chance that a post's author is chosen by its label (trusted accounts write positives); 0: authors say nothing."""
    replies: float = 0.6
    """Mean number of replies, likes and shares per post."""

    def __post_init__(self) -> None:
        """Check every rule and name all that are broken.

        Raises:
            ValueError: With one sentence per problem.
        """
        settings = self.resolved()
        problems = _problems(settings) if settings is self else []
        if problems:
            raise ValueError(" ".join(problems))

    def resolved(self) -> "PostSettings":
        """Return the settings with nothing left to the level."""
        given = {name: getattr(self, name) for name in PostSettings.__dataclass_fields__}
        plain = given | {name: given[name] or value for name, value in LEVELS[self.level].items()}
        if isinstance(plain["grid"], int):
            plain["grid"] = (plain["grid"], plain["grid"])
        cells = plain["grid"][0] * plain["grid"][1]
        if tuple(plain["objects"]) == (0, 0):
            plain["objects"] = (max(plain["matches"], -(-2 * cells // 3)), cells)
        return self if type(self) is PostSettings and plain == given else PostSettings(**plain)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a picture's cells, for resolved settings."""
        return self.grid if isinstance(self.grid, tuple) else (self.grid, self.grid)


def _problems(settings: PostSettings) -> list[str]:
    """Return one sentence per broken rule: the rule and the value."""
    rows, columns = settings.shape
    rows_of = {f"{name}_rows": getattr(settings, f"{name}_rows") for name in SPLITS}
    shares = {name: getattr(settings, name) for name in ("missing_pictures", "noise", "user_signal")}
    weights = {name: getattr(settings, name) for name in WORLDS}
    needed = 2 * settings.matches + 2
    rules = [
        *((value >= 0 and value % 4 == 0, f"{name} must be a multiple of 4 (got {value}).") for name, value in rows_of.items()),
        (settings.train_rows >= 4, f"train_rows must be at least 4 (got {settings.train_rows})."),
        (2 <= settings.colours <= len(COLOURS), f"colours must be 2 to {len(COLOURS)} (got {settings.colours})."),
        (2 <= settings.shapes <= len(SHAPES), f"shapes must be 2 to {len(SHAPES)} (got {settings.shapes})."),
        (settings.matches >= 1, f"matches must be at least 1 (got {settings.matches})."),
        (settings.colours * settings.shapes >= needed, f"colours x shapes must be at least 2 x matches + 2 = {needed}."),
        (1 <= rows <= 16 and 1 <= columns <= 16, f"grid must be 1 to 16 rows and columns (got {rows} x {columns})."),
        (16 <= settings.cell <= 128, f"cell must be 16 to 128 pixels (got {settings.cell})."),
        (
            settings.matches <= settings.spans[0] <= settings.spans[1] <= 16,
            f"spans must be a range from matches to 16 (got {settings.spans}).",
        ),
        (2 <= settings.fillers[0] <= settings.fillers[1] <= 40, f"fillers must be a range within 2 to 40 (got {settings.fillers})."),
        (
            settings.matches <= settings.objects[0] <= settings.objects[1] <= rows * columns,
            f"objects must be a range from matches to the {rows * columns} cells (got {settings.objects}).",
        ),
        (settings.clutter >= 0, f"clutter must be at least 0 (got {settings.clutter})."),
        (settings.users >= 2, f"users must be at least 2 (got {settings.users})."),
        (0 <= settings.replies <= 50, f"replies must be 0 to 50 (got {settings.replies})."),
        *((0 <= value <= 1, f"{name} must be 0 to 1 (got {value}).") for name, value in shares.items()),
        *((value >= 0, f"{name} must be at least 0 (got {value}).") for name, value in weights.items()),
        (sum(weights.values()) > 0, "one of text, image, redundant, combination must be above 0."),
    ]
    return [sentence for holds, sentence in rules if not holds]


@dataclass(frozen=True, kw_only=True)
class Quads:
    """The content of all quads, before words and pixels."""

    world: IntArray
    """Position in `WORLDS`.  [num_quads]"""
    split: IntArray
    """Position in `SPLITS`.  [num_quads]"""
    has_picture: npt.NDArray[np.bool_]
    """[num_quads]"""
    flipped: npt.NDArray[np.bool_]
    """[num_quads]"""
    text_pairs: IntArray
    """The pair each sentence names, -1 past the last.  [num_quads, 4, most spans]"""
    picture_pairs: IntArray
    """The pair each cell shows, -1 for none.  [num_quads, 2, cells]"""


def make_quads(settings: PostSettings) -> Quads:
    """Draw the quads of all splits; each share holds within each split, to the nearest quad."""
    rng = np.random.default_rng([settings.seed, 1])
    weights = np.array([getattr(settings, name) for name in WORLDS])
    sizes = [getattr(settings, f"{name}_rows") // 4 for name in SPLITS]
    total = sum(sizes)
    text_pairs, picture_pairs = _pairs(settings, total, rng)
    return Quads(
        world=np.concatenate([rng.permutation(_shares(weights, size)) for size in sizes]),
        split=np.repeat(np.arange(len(SPLITS)), sizes),
        has_picture=np.concatenate([rng.permutation(size) >= round(size * settings.missing_pictures) for size in sizes]),
        flipped=np.concatenate([rng.permutation(size) < round(size * settings.noise) for size in sizes]),
        text_pairs=text_pairs,
        picture_pairs=picture_pairs,
    )


def _shares(weights: npt.NDArray[np.float64], size: int) -> IntArray:
    """Return `size` positions in `weights`, as near to the weights as whole numbers are."""
    edges = np.round(np.cumsum(weights) / weights.sum() * size).astype(np.int64)
    return np.repeat(np.arange(len(weights)), np.diff(edges, prepend=0))


def _pairs(settings: PostSettings, total: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Return what texts name and pictures show.

    Per quad the palette is shuffled and dealt: matches of T1 and I1, matches of T2 and I2, a pool that only texts draw
    from and a pool that only pictures draw from. So a text and a picture share exactly the matches, or nothing.
    """
    matches = settings.matches
    deck = _shuffled(np.tile(np.arange(settings.colours * settings.shapes), (total, 1)), rng)
    shared = deck[:, : 2 * matches].reshape(total, 2, matches)
    rest = deck[:, 2 * matches :]
    middle = rest.shape[1] // 2
    texts = _deal(shared[:, [0, 1, 0, 1]], rest[:, :middle], settings.spans, rng)
    objects = _deal(shared, rest[:, middle:], settings.objects, rng)
    rows, columns = settings.shape
    empty = np.full((total, 2, rows * columns - objects.shape[2]), -1)
    return texts, _shuffled(np.concatenate([objects, empty], axis=2), rng)


def _deal(shared: IntArray, pool: IntArray, size: tuple[int, int], rng: np.random.Generator) -> IntArray:
    """Return lists of `size` pairs in random order: those shared, and some of the pool; -1 behind the last.

    Shapes: shared [num_quads, lists, matches], pool [num_quads, pool], result [num_quads, lists, most].
    """
    total, lists, matches = shared.shape
    choice = rng.integers(pool.shape[1], size=(total, lists, size[1] - matches))
    others = np.take_along_axis(pool[:, None, :].repeat(lists, axis=1), choice, axis=2)
    count = rng.integers(size[0], size[1] + 1, size=(total, lists, 1))
    dealt = np.concatenate([shared, others], axis=2)
    present = np.arange(size[1]) < count
    order = np.argsort(np.where(present, rng.random(dealt.shape), 2.0), axis=2, kind="stable")
    return np.take_along_axis(np.where(present, dealt, -1), order, axis=2)


def _shuffled(values: IntArray, rng: np.random.Generator) -> IntArray:
    """Return the array with its last axis in random order, each list by itself."""
    return np.take_along_axis(values, np.argsort(rng.random(values.shape), axis=-1), axis=-1)


def planted(quads: Quads, quad: IntArray, text: IntArray, picture: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return (row, sentence, cell) of every planted edge: a sentence that names what a cell of the row's picture shows."""
    named = quads.text_pairs[quad, text]  # [num_rows, most spans]
    shown = quads.picture_pairs[quad, picture]  # [num_rows, cells]
    equal = (named[:, :, None] == shown[:, None, :]) & (named[:, :, None] >= 0) & quads.has_picture[quad][:, None, None]
    row, sentence, cell = np.nonzero(equal)
    return row.astype(np.int64), sentence.astype(np.int64), cell.astype(np.int64)
