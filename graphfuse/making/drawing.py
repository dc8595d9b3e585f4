"""Small pictures of coloured shapes, one shape per grid cell, drawn with Pillow."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (214, 38, 38),
    "green": (38, 150, 62),
    "blue": (36, 64, 214),
    "yellow": (240, 200, 24),
    "purple": (144, 36, 178),
    "cyan": (40, 200, 214),
    "black": (26, 26, 30),
    "pink": (244, 140, 190),
}
"""Far enough apart that the nearest one is still the right one after the jitter of shade."""

PAPER: dict[int, Colour] = {-1: (206, 224, 248), 0: (234, 234, 230), 1: (250, 226, 202)}
"""Background by tint: cool, neutral, warm."""

SHADE = (0.86, 1.08)
"""Every object's brightness is multiplied by a factor drawn from this range."""

_SCALE = 3
"""Pictures are drawn this many times larger and averaged down, for smooth edges."""

Box = tuple[float, float, float, float]


def _polygon(corners: Sequence[tuple[float, float]]) -> Callable[[ImageDraw.ImageDraw, Box, Colour], None]:
    """Return a painter of the polygon whose corners are fractions of the box."""

    def paint(pen: ImageDraw.ImageDraw, box: Box, colour: Colour) -> None:
        x0, y0, x1, y1 = box
        pen.polygon([(x0 + (x1 - x0) * x, y0 + (y1 - y0) * y) for x, y in corners], fill=colour)

    return paint


def _circle(pen: ImageDraw.ImageDraw, box: Box, colour: Colour) -> None:
    pen.ellipse(box, fill=colour)


def _ring(pen: ImageDraw.ImageDraw, box: Box, colour: Colour) -> None:
    pen.ellipse(box, outline=colour, width=max(2, round((box[2] - box[0]) * 0.18)))


_NEAR, _FAR = 0.34, 0.66
_CROSS = [(_NEAR, 0), (_FAR, 0), (_FAR, _NEAR), (1, _NEAR), (1, _FAR), (_FAR, _FAR)]
_CROSS += [(1 - x, 1 - y) for x, y in _CROSS]
_TIPS = [(0.5 + r * np.sin(k * np.pi / 5), 0.53 - r * np.cos(k * np.pi / 5)) for k, r in enumerate([0.53, 0.21] * 5)]

SHAPES: dict[str, Callable[[ImageDraw.ImageDraw, Box, Colour], None]] = {
    "circle": _circle,
    "square": _polygon([(0.06, 0.06), (0.94, 0.06), (0.94, 0.94), (0.06, 0.94)]),
    "triangle": _polygon([(0.5, 0.02), (1.0, 0.94), (0.0, 0.94)]),
    "cross": _polygon(_CROSS),
    "star": _polygon([(float(x), float(y)) for x, y in _TIPS]),
    "ring": _ring,
}


def draw(
    pairs: npt.NDArray[np.int64], grid: tuple[int, int], *, cell: int, num_shapes: int, tint: int, clutter: int, rng: np.random.Generator
) -> Image.Image:
    """Draw one picture.

    Args:
        pairs: What stands in each cell, row by row: `colour * num_shapes + shape`, or -1 for nothing.  [rows * columns]
        grid: Rows and columns.
        cell: Side of a cell in pixels.
        num_shapes: Shapes in the palette, to read `pairs`.
        tint: Background: -1 cool, 0 neutral, 1 warm.
        clutter: Small coloured specks, drawn under the objects.
        rng: Where position, size, shade and clutter come from.

    Returns:
        An RGB picture, `columns * cell` wide and `rows * cell` high; every object lies wholly inside its cell.
    """
    rows, columns = grid
    side = cell * _SCALE
    picture = Image.new("RGB", (columns * side, rows * side), _shaded(PAPER[tint], rng.uniform(0.97, 1.02)))
    pen = ImageDraw.Draw(picture)
    palette, shapes = list(COLOURS.values()), list(SHAPES.values())
    for x, y, choice in zip(rng.random(clutter), rng.random(clutter), rng.integers(len(palette), size=clutter), strict=True):
        radius = side / 24
        centre_x, centre_y = x * columns * side, y * rows * side
        pen.ellipse((centre_x - radius, centre_y - radius, centre_x + radius, centre_y + radius), fill=palette[choice])
    for place in np.flatnonzero(pairs >= 0):
        colour, shape = divmod(int(pairs[place]), num_shapes)
        size = rng.uniform(0.6, 0.86) * side
        left = place % columns * side + rng.uniform(0.04, 0.96) * (side - size)
        top = place // columns * side + rng.uniform(0.04, 0.96) * (side - size)
        shapes[shape](pen, (left, top, left + size, top + size), _shaded(palette[colour], rng.uniform(*SHADE)))
    return picture.reduce(_SCALE)


def _shaded(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(part * factor)) for part in colour)
    return red, green, blue
