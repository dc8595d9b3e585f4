"""Cells that name pictures -> lists of paths relative to the picture folder."""

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from graphfuse.core.columns import MISSING_WORDS
from graphfuse.core.tables import Rejection
from graphfuse.reading.settings import Pictures

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".webp": "WEBP", ".gif": "GIF", ".bmp": "BMP"}
"""Ending of a picture's name -> the format that it says; other formats are not read."""


def list_pictures(samples: pd.DataFrame, settings: Pictures, root: Path, keys: pd.Series) -> tuple[pd.Series, list[Rejection]]:
    """Return the picture paths of each sample, in the order of the columns and cells.

    A name without a picture's ending is the file of exactly that name, else the one picture of that stem. Every name is either in the
    lists or rejected; whether a path may be opened is for whoever opens it (`core.files.inside`).
    """
    folders = _Folders(root)
    rejections: list[Rejection] = []
    lists: list[list[str]] = [[] for _ in range(len(samples))]
    for column in (name for name in settings.columns if name in samples):
        for position, (row, cell) in enumerate(samples[column].items()):
            for name in split_names(cell, settings.separator):
                found = folders.resolve(name)
                if isinstance(found, str):
                    lists[position].append(found)
                else:
                    rejections.append(_unresolved(int(str(row)), str(keys.iloc[position]), column, name, found))
    return pd.Series(lists, index=samples.index, dtype=object), rejections


def split_names(cell: Any, separator: str | None) -> list[str]:
    """Return the names in a cell: a list, a JSON list, or text cut at the separator; blanks around names are left out.

    Of a picture with its content in the cell (`{bytes, path}`) the path is taken; without one it has a name that no file has.
    """
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        cell = _json_list(cell)
    if isinstance(cell, str):
        cell = cell.split(separator) if separator else [cell]
    cells = [cell] if isinstance(cell, dict) else cell if isinstance(cell, Iterable) else []
    names = [str(_path_of(each) if isinstance(each, dict) else each).strip() for each in cells]
    return [name for name in names if name.lower() not in MISSING_WORDS]


def _path_of(picture: dict[str, Any]) -> str:
    return picture.get("path") or f"{{{', '.join(picture)}}}"


def _json_list(cell: str) -> Any:
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return cell
    return value if isinstance(value, list) else cell


class _Folders:
    """Files by folder and name, pictures by stem; each folder is listed once, when the first name asks for it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stems: dict[str, dict[str, list[str]]] = {}

    def resolve(self, name: str) -> str | list[str]:
        """Return the path of a name, or the files it could mean (none, or several)."""
        path = PurePosixPath(name)
        if path.suffix.lower() in FORMATS or not _is_plain(name):
            return name
        parent = str(path.parent)
        if parent not in self._stems:
            self._stems[parent] = self._list(parent)
        files = self._stems[parent].get(path.name, [])
        return files[0] if len(files) == 1 else files

    def _list(self, parent: str) -> dict[str, list[str]]:
        folder = self._root / parent
        stems: dict[str, list[str]] = {}
        exact: dict[str, list[str]] = {}
        for file in sorted(folder.iterdir()) if folder.is_dir() else []:
            path = str(PurePosixPath(parent) / file.name)
            if file.suffix.lower() in FORMATS:
                stems.setdefault(file.stem, []).append(path)
            elif file.is_file():
                exact[file.name] = [path]
        return stems | exact


def _is_plain(name: str) -> bool:
    """Return whether a name stays in its folder; others are not looked up, and are refused where they are opened."""
    unsafe = "://" in name or "\\" in name or "\0" in name or name.startswith(("/", "~")) or name[1:2] == ":"
    return not unsafe and ".." not in PurePosixPath(name).parts and len(name) < 256


def _unresolved(row: int, key: str, column: str, name: str, files: list[str]) -> Rejection:
    reason = "picture_ambiguous" if files else "picture_missing"
    rule = f"must mean one file (could be {', '.join(files)[:80]})" if files else "must be a file in the picture folder"
    detail = f"A picture {rule} (got '{name[:40]}'). Add the file, or write the name with its extension."
    return Rejection(table="samples", row=row, key=key, column=column, reason=reason, detail=detail)
