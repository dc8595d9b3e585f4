"""Which columns name picture files, and where those lie."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image, UnidentifiedImageError

from graphfuse.core.columns import as_texts
from graphfuse.core.errors import UnsafeError
from graphfuse.core.files import inside
from graphfuse.guessing.profile import Profile
from graphfuse.reading.picture_names import FORMATS, split_names

SEPARATORS = (",", ";", "|", " ")
CELLS = 300
"""Different cells of a column that are tried."""
DEPTH = 2
"""Levels of folders below the table's that are looked into."""
FOLDERS = 200
"""Folders of a level that are looked into."""


@dataclass(frozen=True, kw_only=True)
class PictureColumn:
    """A column whose cells name pictures."""

    column: str
    folder: str
    """Relative to the table's folder; `.` is that folder itself."""
    separator: str
    found: float
    """Share of the names that are files."""


def find_pictures(frame: pd.DataFrame, profiles: dict[str, Profile], folder: Path) -> list[PictureColumn]:
    """Return the picture columns, the surest first; all have the folder and separator of the first."""
    places = _places(folder)
    found = [item for name in frame.columns if (item := _best(frame[name], profiles[str(name)], folder, places)) is not None]
    found.sort(key=lambda item: -item.found)
    return [item for item in found if (item.folder, item.separator) == (found[0].folder, found[0].separator)]


def _places(folder: Path) -> dict[str, set[str]]:
    """Return the names and stems of the pictures in each folder, the table's first."""
    places: dict[str, set[str]] = {}
    level = [folder]
    for _ in range(DEPTH + 1):
        content = {place: _listing(place) for place in level[:FOLDERS]}
        for place, paths in content.items():
            names = [path.name for path in paths if path.suffix.lower() in FORMATS]
            if names or place == folder:
                places[place.relative_to(folder).as_posix()] = {*names, *(Path(name).stem for name in names)}
        level = [path for paths in content.values() for path in paths if path.is_dir() and not path.name.startswith(".")]
    return places


def _listing(place: Path) -> list[Path]:
    try:
        return sorted(place.iterdir())
    except OSError:  # a folder that may not be read has no pictures for us
        return []


def _best(column: pd.Series, facts: Profile, folder: Path, places: dict[str, set[str]]) -> PictureColumn | None:
    """Return how the column's names are found most often, or None if they are no picture names."""
    cells = as_texts(column).values.str.strip()
    cells = cells[cells != ""]
    if cells.empty or facts.words > 20:
        return None
    different = cells.drop_duplicates()
    tried = different.iloc[:: -(-len(different) // CELLS)].tolist()
    best: tuple[float, str, str, list[str]] = (0.0, ".", ",", [])
    for place, known in places.items():
        for separator in SEPARATORS:
            names = [name for cell in tried for name in split_names(cell, separator)]
            hits = [name for name in names if name in known or _is_picture_path(folder / place, name)]
            share = len(hits) / len(names) if names else 0.0
            if share > best[0]:
                best = (share, place, separator, hits)
    share, place, separator, hits = best
    # counts and codes can be stems of numbered pictures by accident: of mere numbers nearly all must be files, each its own
    needed = 0.9 if facts.is_number else 0.3
    if share < needed or (facts.is_number and facts.distinct < 0.5 * facts.filled) or not _one_opens(folder / place, hits):
        return None
    return PictureColumn(column=str(column.name), folder=place, separator=separator, found=share)


def _is_picture_path(place: Path, name: str) -> bool:
    if not name.lower().endswith(tuple(FORMATS)):
        return False
    try:
        inside(place, name)
    except (OSError, UnsafeError, ValueError):
        return False
    return True


def _one_opens(place: Path, names: list[str]) -> bool:
    """Return whether one of the first names opens as a picture."""
    for name in names[:10]:
        paths = (
            [place / name] if (place / name).is_file() else [path for suffix in FORMATS if (path := place / f"{name}{suffix}").is_file()]
        )
        for path in paths:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # a huge picture is still a picture
                    Image.open(path, formats=tuple(FORMATS.values())).close()
            except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
                continue
            return True
    return False
