"""Statistics of small square pictures, computed for many at once.

All functions take `rgb` [n, S, S, 3] in 0..1 or maps [n, S, S] and give features of about unit size, [n, k].
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from graphfuse.core.tables import FloatArray

HUES = 12
GREYS = 5
ORIENTATIONS = 6
RADII = 6
ANGLES = 32
HARMONICS = 6
SCALES = 3


def hue_saturation(rgb: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return hue in 0..1, chroma and value of every pixel."""
    red, green, blue = _planes(rgb)
    value = np.maximum(np.maximum(red, green), blue)  # thrice as fast as a maximum over an axis of three
    chroma = value - np.minimum(np.minimum(red, green), blue)
    safe = np.where(chroma > 0, chroma, 1)
    hue = np.where(value == red, (green - blue) / safe, np.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe))
    return _fraction(hue / 6), chroma, value


def _planes(rgb: FloatArray) -> FloatArray:
    """Return red, green and blue each in one piece, which all that reads them is faster for.  [n, S, S, 3] -> [3, n, S, S]."""
    return np.ascontiguousarray(np.moveaxis(rgb, -1, 0))


def _by_turns(maps: FloatArray) -> FloatArray:
    """Return the first value of every map, then the second of every map, and so on.  [n, ...] -> [num_pixels, n]."""
    return np.ascontiguousarray(maps.reshape(len(maps), -1).T)


class Histograms:
    """Histograms over the same places of pixels, with linear interpolation between neighbouring bins.

    Pixels are counted by turns, one of each picture: neighbours in a picture often share a bin, and adding to a number that was
    just added to has to wait for it, which takes twice the time.

    Args:
        place: Where each pixel lies, from 0 to `bins` if cyclic, else to `bins - 1`; what lies beyond must weigh nothing.  [n, ...]
        bins: Number of bins.
        cyclic: The first bin is the last one's neighbour.
    """

    def __init__(self, place: FloatArray, bins: int, *, cyclic: bool) -> None:
        place = _by_turns(place)  # [num_pixels, n]
        self._bins = bins
        below = np.floor(place)
        self._slots = below.astype(np.int64)
        self._share = place - below
        self._rest = 1 - self._share
        if cyclic:
            self._slots[self._slots == bins] = 0  # a remainder would cost ten times as much
        else:
            np.minimum(self._slots, bins - 1, out=self._slots)
        self._cyclic = cyclic
        self._slots += np.arange(place.shape[1]) * bins

    def of(self, weight: FloatArray) -> FloatArray:
        """Return the histogram under a weight per pixel.  [n, ...] -> [n, bins]."""
        weight = _by_turns(weight)
        total, above = self._sums(self._rest * weight), self._sums(self._share * weight)
        total[:, 1:] += above[:, :-1]
        if self._cyclic:
            total[:, 0] += above[:, -1]
        return total.astype(np.float32)

    def _sums(self, weight: FloatArray) -> npt.NDArray[np.float64]:
        sums = np.bincount(self._slots.ravel(), weights=weight.ravel(), minlength=weight.shape[1] * self._bins)
        return np.asarray(sums, dtype=np.float64).reshape(-1, self._bins)


def colours(rgb: FloatArray, weights: Sequence[FloatArray]) -> FloatArray:
    """Return hue, lightness-of-colour and grey histograms under each pixel weight, and the weighted mean colour and deviation.

    [n, len(weights) * (2 * HUES + GREYS + 6)].
    """
    hue, chroma, value = hue_saturation(rgb)
    bright = np.clip((value - 0.35) / 0.4, 0, 1)  # brown and orange share a hue
    dark, pale = 1 - bright, (1 - chroma) ** 2
    hues, greys = Histograms(hue * HUES, HUES, cyclic=True), Histograms(value * (GREYS - 1), GREYS, cyclic=False)
    squares = rgb * rgb
    features = []
    for weight in weights:
        total = weight.reshape(len(weight), -1).sum(axis=1)[:, None] + 1e-3 * weight[0].size
        strong = weight * chroma
        parts = [hues.of(strong * bright), hues.of(strong * dark), greys.of(weight * pale)]
        mean, square = (np.einsum("nijc,nij->nc", power, weight) / total for power in (rgb, squares))
        spread = np.sqrt(np.maximum(square - mean**2, 0))
        features += [*(np.sqrt(part / total) for part in parts), mean, spread]
    return np.concatenate(features, axis=1)


def foreground(rgb: FloatArray) -> FloatArray:
    """Return how much each pixel differs from the border's median colour, 0..1.  [n, S, S]."""
    planes = _planes(rgb)
    border = np.concatenate([planes[:, :, 0], planes[:, :, -1], planes[:, :, :, 0], planes[:, :, :, -1]], axis=2)
    red, green, blue = planes - _median(border)[:, :, None, None]
    distance = np.sqrt(red * red + green * green + blue * blue)
    # the strongest pixels, outliers aside; among many equal ones, looking for the eighth takes longer than sorting all
    reach = np.sort(distance.reshape(len(rgb), -1), axis=1)[:, -8][:, None, None]
    edge = 0.5 * np.maximum(reach, 0.12)  # a nearly plain cell has no foreground
    return np.clip((distance - 0.6 * edge) / (0.8 * edge), 0, 1).astype(np.float32)


def shape(mask: FloatArray) -> FloatArray:
    """Return what a foreground looks like around its own centre, whatever its place, size and turn.

    Area, aspect, fill of the enclosing circle, radial profile, spread, and strengths of the first circular harmonics of the
    mass around the centre (3 for a triangle, 4 for a square or cross, 5 for a star), for the whole and for its outer part.
    [n, 4 + RADII + 2 * HARMONICS].
    """
    count, side = len(mask), mask.shape[1]
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    total = mask.sum(axis=(1, 2)) + 1e-3
    # not by a matrix product, whose last bits depend on the number of rows
    centre_x, centre_y = ((mask.sum(axis=along) * axis).sum(axis=1) / total for along in (1, 2))
    dx = axis[None, None, :] - centre_x[:, None, None]
    dy = axis[None, :, None] - centre_y[:, None, None]
    radius = np.sqrt(dx**2 + dy**2)
    angle = np.arctan2(dy, dx) / (2 * np.pi) + 0.5
    reach = np.where(mask > 0.5, radius, 0).reshape(count, -1).max(axis=1) + 0.5 / side
    relative = radius / reach[:, None, None]
    inside = (relative <= 1).astype(np.float32)
    # 1. Radial profile: share of each ring that is covered (a ring is empty inside, a star thins out).
    rings = Histograms(relative * (RADII - 1), RADII, cyclic=False)
    covered = rings.of(mask * inside)
    possible = rings.of(inside) + 1e-3
    profile = covered / possible
    # 2. Circular harmonics of the mass by angle, over the whole and over the outer part.
    directions = Histograms(angle * ANGLES, ANGLES, cyclic=True)
    rounds = []
    for part in (mask * inside, mask * inside * (relative > 0.6)):
        by_angle = directions.of(part * relative)
        strength = np.abs(np.fft.rfft(by_angle, axis=1))
        rounds.append(np.sqrt(strength[:, 1 : HARMONICS + 1] / (strength[:, :1] + 1e-2)))
    # 3. Second moments: long or round.
    xx, yy, xy = ((mask * left * right).sum(axis=(1, 2)) / total for left, right in ((dx, dx), (dy, dy), (dx, dy)))
    difference = np.sqrt((xx - yy) ** 2 + 4 * xy**2)
    plain = np.stack(
        [
            mask.mean(axis=(1, 2)),
            covered.sum(axis=1) / possible.sum(axis=1),
            difference / (xx + yy + 1e-4),
            np.minimum(np.sqrt(xx + yy) / reach, 1),
        ],
        axis=1,
    )
    return np.concatenate([plain, profile, *rounds], axis=1)


def edges(grey: FloatArray) -> FloatArray:
    """Return orientation histograms of edges over the whole and over quarters, and edge strength by scale.

    After histograms of oriented gradients (Dalal and Triggs, 2005).  [n, 5 * ORIENTATIONS + SCALES].
    """
    across = np.zeros_like(grey)
    down = np.zeros_like(grey)
    across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    strength = np.sqrt(across**2 + down**2)
    turns = np.divide(np.arctan2(down, across), np.pi, dtype=np.float32)
    place = _fraction(turns) * ORIENTATIONS  # an edge and its opposite are one orientation
    whole = Histograms(place, ORIENTATIONS, cyclic=True).of(strength)
    parts = Histograms(_quarters(place), ORIENTATIONS, cyclic=True).of(_quarters(strength))
    histograms = [np.sqrt(part / (part.sum(axis=1, keepdims=True) + 1.0)).reshape(len(grey), -1) for part in (whole, parts)]
    return np.concatenate([*histograms, _texture(grey)], axis=1)


def _texture(grey: FloatArray) -> FloatArray:
    """Return the deviation that each halving of the picture takes away: fine to coarse.  [n, SCALES]."""
    energies = []
    for _ in range(SCALES):
        upper, lower = (rows[:, :, ::2] + rows[:, :, 1::2] for rows in (grey[:, ::2], grey[:, 1::2]))
        half = np.divide(upper + lower, 4, dtype=np.float32)  # a mean over axes of two would take ten times as long
        fine = grey - half.repeat(2, axis=1).repeat(2, axis=2)
        energies.append(np.sqrt(np.square(fine).mean(axis=(1, 2))) * 4)
        grey = half
    return np.stack(energies, axis=1)


def _quarters(maps: FloatArray) -> FloatArray:
    """Return the quarters of each map, row by row, as maps of their own.  [n, S, S] -> [4 * n, S / 2, S / 2]."""
    count, half = len(maps), maps.shape[1] // 2
    return maps.reshape(count, 2, half, 2, half).swapaxes(2, 3).reshape(4 * count, half, half)


def _median(values: FloatArray) -> FloatArray:
    """Return the median over the last axis, of an even number of values: [..., 2 * k] -> [...], in a fifth of `np.median`'s time."""
    ordered = np.sort(values, axis=-1)
    middle = values.shape[-1] // 2
    return np.asarray((ordered[..., middle - 1] + ordered[..., middle]) / 2)


def _fraction(turns: FloatArray) -> FloatArray:
    """Return turns from -1 to 1 as turns from 0 to 1: what `turns % 1` gives, but in a fortieth of the time."""
    return turns - np.floor(turns)
