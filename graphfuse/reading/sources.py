"""Names of files in the settings -> paths; every file that is missing at once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from graphfuse.core.tables import Rejection
from graphfuse.reading.rejecting import raise_problems
from graphfuse.reading.settings import Interactions, Join, Paths, Pictures, Users, listed

Candidates = Callable[[str], list[Path]]
"""Name in the settings -> where it may lie, in the order of trying."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The files of a data set."""

    samples: tuple[Path, ...]
    users: tuple[Path, ...] = ()
    interactions: tuple[Path, ...] = ()
    joins: tuple[tuple[Path, ...], ...] = ()
    pictures: Path = Path()
    """The picture folder, or the table's folder if there are no pictures."""
    rejections: tuple[Rejection, ...] = ()
    """Linked tables that are not there, where they need not be."""


def locate(
    samples: Sequence[Path],
    candidates: Candidates,
    *,
    users: Users | None,
    interactions: Interactions | None,
    joins: Sequence[Join],
    pictures: Pictures | None,
    picture_candidates: Candidates,
    needed: bool,
) -> Sources:
    """Find every file of the settings.

    Args:
        samples: The sample files.
        candidates: Where a linked or joined table may lie.
        users: Settings.
        interactions: Settings.
        joins: Settings.
        pictures: Settings.
        picture_candidates: Where the picture folder may lie.
        needed: Whether users, interactions and the picture folder must be there; new rows may come without them.

    Raises:
        InputError: With one sentence per file that is missing; the nearest file name is offered.
    """
    problems: list[str] = []
    absent: list[Rejection] = []

    def found(names: Paths, problems: list[str] = problems) -> tuple[Path, ...]:
        return tuple(_first(candidates(name), problems) for name in listed(names))

    def linked(table: str, names: Paths) -> tuple[Path, ...]:
        if needed:
            return found(names)
        missing: list[str] = []
        paths = found(names, missing)
        absent.extend(Rejection(table=table, row=-1, key="", column="", reason="table_missing", detail=text) for text in missing)
        return paths if not missing else ()

    sources = Sources(
        samples=tuple(_first([path], problems) for path in samples),
        users=linked("users", users.path) if users else (),
        interactions=linked("interactions", interactions.path) if interactions else (),
        joins=tuple(found(join.path) for join in joins),
        pictures=_first_folder(picture_candidates(pictures.folder), problems if needed else [])
        if pictures
        else next((path.parent for path in samples), Path()),
        rejections=tuple(absent),
    )
    raise_problems(problems)
    return sources


def _first(paths: Iterable[Path], problems: list[str]) -> Path:
    """Return the first path that exists; note the problem if none does, or if it is a folder."""
    tried = list(dict.fromkeys(paths))
    path = next((path for path in tried if path.exists()), None)
    if path is None:
        problems.append(f"A table must be a file that exists (got {' or '.join(map(str, tried))}). {_nearest(tried[0], Path.is_file)}")
    elif not path.is_file():
        problems.append(f"A table must be a file (got the folder {path}). Name the file in it.")
    return path or tried[0]


def _first_folder(paths: Iterable[Path], problems: list[str]) -> Path:
    tried = list(dict.fromkeys(paths))
    path = next((path for path in tried if path.is_dir()), None)
    if path is None:
        problems.append(
            f"The picture folder must be a folder that exists (got {' or '.join(map(str, tried))}). "
            f"{_nearest(tried[0], Path.is_dir)} Set dataset.pictures.folder."
        )
    return path or tried[0]


def _nearest(path: Path, kind: Callable[[Path], bool]) -> str:
    """Return a sentence that offers the nearest name in the same folder, or the first few names."""
    if not path.parent.is_dir():
        return f"There is no folder {path.parent}; paths are relative to the experiment file."
    names = sorted(item.name for item in path.parent.iterdir() if kind(item))
    nearest = get_close_matches(path.name, names, n=1, cutoff=0.6)
    if nearest:
        return f"Did you mean '{nearest[0]}'?"
    return f"Beside it lie: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}." if names else "Nothing of the kind lies there."
