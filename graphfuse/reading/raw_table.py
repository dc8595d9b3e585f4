"""A table file of any format -> a frame of text columns, and the rows that could not be read.

Every scalar cell becomes text, so that the same rows give the same frame in any format; lists stay lists.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from graphfuse.core.columns import clean_name, clean_text, frame_of, text_cells
from graphfuse.core.errors import InputError
from graphfuse.core.sockets import Rows
from graphfuse.core.tables import Rejection
from graphfuse.reading.delimited import decode_text, find_separator, is_quoted_tsv, read_records, split_lines
from graphfuse.reading.jsonl import read_objects

EXTENSIONS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet"}
MAX_COLUMNS = 10_000
NESTED = (list, dict, np.ndarray)
"""Cells that hold several values."""
BLOCK = 50_000
"""Rows that are held as Python objects at a time."""


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """What a file holds."""

    frame: pd.DataFrame
    """Text (or list) columns; the index is the row number in the file, counted from 0 below the header."""
    num_rows: int
    """Rows in the file, bad ones counted."""
    rejections: tuple[Rejection, ...]
    origin: tuple[tuple[str, int], ...]
    """File name and first row number of each file that was read."""

    def place(self, row: int) -> str:
        """Return where a row stands, for people."""
        name, first = next((name, first) for name, first in reversed(self.origin) if first <= row)
        return f"{name} row {row - first}"


def read_tables(paths: Iterable[Path], format: str | None, table: str, rename: Mapping[str, str] | None = None) -> RawTable:
    """Return several files read one below the other; row numbers go on, a column that a file lacks is empty there.

    Args:
        paths: The files.
        format: As in `read_table`.
        table: The name of the table in rejections.
        rename: New name -> name in the file, for each file that has it.
    """
    frames: list[pd.DataFrame] = []
    rejections: list[Rejection] = []
    origin: list[tuple[str, int]] = []
    first = 0
    for path in paths:
        raw = read_table(path, format, table, first)
        frames.append(raw.frame.set_axis(_renamed(list(raw.frame.columns), rename or {}, path), axis=1) if rename else raw.frame)
        rejections += raw.rejections
        origin += raw.origin
        first += raw.num_rows
    frame = frames[0] if len(frames) == 1 else pd.concat(frames)
    return RawTable(frame=_filled(frame), num_rows=first, rejections=tuple(rejections), origin=tuple(origin))


def table_of_rows(rows: Rows, table: str = "samples", rename: Mapping[str, str] | None = None) -> RawTable:
    """Return rows that a program holds, as a file of them would be read.

    Args:
        rows: A frame (its index is not looked at), or one mapping of column to cell per row.
        table: The name of the table in rejections.
        rename: New name -> name in the rows.

    Raises:
        InputError: If column names repeat, or a row is no mapping.
    """
    place = Path("the rows given")
    if isinstance(rows, pd.DataFrame):
        num_rows, columns = len(rows), [(name, column.tolist()) for name, column in rows.items()]
    else:
        given = [_given(row) for row in rows]
        num_rows, columns = len(given), list(_columns_of(given).items())
    names = _renamed(_checked_names([str(name) for name, _ in columns], place), rename or {}, place)
    cells = dict(zip(names, (cells for _, cells in columns), strict=True))
    return _numbered(place, cells, range(num_rows), num_rows, [], table, 0)


def _given(row: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(row)
    except (TypeError, ValueError) as error:  # one row alone, of which these are the columns, or lists of cells
        raise InputError(f"Rows must be a frame, or a list of mappings (got {str(row)[:40]!r} as one row). Put a row in a list.") from error


def _renamed(names: list[str], rename: Mapping[str, str], path: Path) -> list[str]:
    present = {old: new for new, old in rename.items() if old in names}
    return _checked_names([present.get(name, name) for name in names], path) if present else names


def read_table(path: Path, format: str | None = None, table: str = "samples", first: int = 0) -> RawTable:
    """Read one file.

    Args:
        path: The file.
        format: `csv`, `tsv`, `tsv-unquoted`, `jsonl` or `parquet`; None goes by the extension, and for TSV by what quotes do.
        table: The name of the table in rejections.
        first: Number of the first row.

    Raises:
        InputError: If the format is unknown, or the file is none of that format, or its header cannot be used.
    """
    form = format or EXTENSIONS.get(path.suffix.lower())
    if form is None:
        got = f"got '{path.name[-40:]}'; known are {', '.join(EXTENSIONS)}"
        raise InputError(f"A table must be of a known format ({got}). Give a table of such a name, or set `format` in what convert reads.")
    if form == "parquet":
        return _read_parquet(path, table, first)
    text = decode_text(path.read_bytes())
    if not text.strip():
        raise InputError(f"A table must have a header and rows ({path.name} is empty). Was it written to the end?")
    return _read_jsonl(path, text, table, first) if form == "jsonl" else _read_delimited(path, text, form, format, table, first)


def _read_delimited(path: Path, text: str, form: str, format: str | None, table: str, first: int) -> RawTable:
    separator, text = find_separator(text) if form == "csv" else ("\t", text)
    quoted = form == "csv" or (form == "tsv" and (format == "tsv" or is_quoted_tsv(text)))
    records = read_records(text, separator, quoted)
    line, header = next(records)
    if isinstance(header, str):
        raise InputError(f"{path.name}, line {line}: the header cannot be read: {header}. Repair it.")
    names = _checked_names(header, path)
    return _collect(path, records, lambda rows: _frame_of_fields(names, rows), table, first)


def _frame_of_fields(names: list[str], rows: list[list[str]]) -> pd.DataFrame:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pd.DataFrame({name: _text_column(list(cells)) for name, cells in zip(names, columns, strict=True)})


def _text_column(cells: list[str]) -> pd.Series:
    try:
        return pd.Series(cells, dtype="str")
    except UnicodeEncodeError:  # broken bytes (`decode_text`), which are cleaned and counted in the end
        return pd.Series(cells, dtype=object)


def _read_jsonl(path: Path, text: str, table: str, first: int) -> RawTable:
    return _collect(path, read_objects(split_lines(text)), lambda rows: _checked_frame(_frame_of_objects(rows), path), table, first)


def _frame_of_objects(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(_columns_of(rows), index=range(len(rows)), dtype=object)


def _columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {clean_text(str(name)): [row.get(name) for row in rows] for name in names}


def _read_parquet(path: Path, table: str, first: int) -> RawTable:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            content = file.read()  # `pq.read_table` would stop at names that repeat, in other words
        content.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path.name} must be a whole Parquet file ({str(error)[:80]}). Write it again, or set `format`.") from error
    names = _checked_names(content.column_names, path)
    columns = {name: _arrow_column(column) for name, column in zip(names, content.columns, strict=True)}
    num_rows = content.num_rows
    return _numbered(path, _cells(columns), range(first, first + num_rows), num_rows, [], table, first)


def _arrow_column(column: "pa.ChunkedArray") -> pd.Series:
    """Return a column without passing whole numbers through floats, which would change ids beside missing ones."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_integer(column.type) or pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return pd.Series(column.cast(pa.large_string()).to_pandas(), dtype="str").fillna("")
    try:
        cells = column.to_pylist()
    except (OverflowError, ValueError):  # a day beyond the years of Python
        cells = column.cast(pa.large_string()).to_pylist()
    return pd.Series(cells, dtype=object)


def _collect(
    path: Path,
    records: Iterable[tuple[int, Any]],
    build: Callable[[list[Any]], pd.DataFrame],
    table: str,
    first: int,
) -> RawTable:
    """Gather records (line, record) block by block; a record that is a sentence says what is wrong with its row."""
    frames, numbers, rejections, row = [], [], [], first
    for block in _blocks(records):
        good = []
        for line, record in block:
            if isinstance(record, str):
                detail = f"{path.name}, line {line}: {record}. Repair the line to use it."
                dropped = table == "samples"
                rejections.append(Rejection(table=table, row=row, key="", column="", reason="bad_row", detail=detail, dropped=dropped))
            else:
                good.append(record)
                numbers.append(row)
            row += 1
        frames.append(build(good))
    frame = _filled(pd.concat(frames, ignore_index=True)) if frames else build([])
    return _numbered(path, _cells(dict(frame.items())), numbers, row - first, rejections, table, first)


def _cells(columns: Mapping[Any, pd.Series]) -> dict[str, Any]:
    """Return each column's cells: an array of texts, or a list of anything."""
    return {str(name): column.tolist() if column.dtype == object else column.array for name, column in columns.items()}


def _blocks(records: Iterable[tuple[int, Any]]) -> Iterator[list[tuple[int, Any]]]:
    source = iter(records)
    while block := list(islice(source, BLOCK)):
        yield block


def _numbered(
    path: Path, columns: dict[str, Any], rows: Sequence[int], num_rows: int, rejections: list[Rejection], table: str, first: int
) -> RawTable:
    """Return the table with its row numbers as index and every scalar cell as text.

    Args:
        path: The file.
        columns: Arrays of texts, and lists of cells that may be anything.
        rows: Number of each row.
        num_rows: Rows in the file, bad ones counted.
        rejections: What could not be read.
        table: The name of the table in rejections.
        first: Number of the first row.
    """
    index = pd.RangeIndex(rows) if isinstance(rows, range) else pd.Index(np.asarray(rows, dtype=np.int64))
    cleaned: list[Rejection] = []
    for name in [name for name, cells in columns.items() if isinstance(cells, list)]:
        columns[name], changed = _text_or_lists(columns[name])
        if not changed.any():
            continue
        detail = f"{path.name}: text must be Unicode (a broken character in '{name[:40]}' became U+FFFD). Repair it if it matters."
        cleaned += [
            Rejection(table=table, row=row, key="", column=name, reason="broken_character", detail=detail) for row in index[changed]
        ]
    frame = frame_of(columns, index)
    return RawTable(frame=frame, num_rows=num_rows, rejections=(*rejections, *cleaned), origin=((path.name, first),))


def _text_or_lists(cells: list[Any]) -> tuple[Any, npt.NDArray[np.bool_]]:
    """Return a column as text, and which cells had to be cleaned; lists and mappings in it stay as they are."""
    nested = [row for row, cell in enumerate(cells) if isinstance(cell, NESTED)]
    if not nested:
        return text_cells(cells)
    texts, changed = text_cells(None if isinstance(cell, NESTED) else cell for cell in cells)
    mixed = texts.to_numpy(dtype=object)
    for row in nested:
        mixed[row] = _clean_nested(cells[row])
    return mixed, changed


def _clean_nested(cell: Any) -> Any:
    """Return a value whose texts can all be written as UTF-8; arrays, as pandas has them from Parquet, become lists."""
    if isinstance(cell, np.ndarray):
        return _clean_nested(cell.tolist())
    if isinstance(cell, list):
        return [_clean_nested(item) for item in cell]
    if isinstance(cell, dict):
        return {clean_text(str(name)): _clean_nested(item) for name, item in cell.items()}
    return clean_text(cell) if isinstance(cell, str) else cell


def _filled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with "" where a file or an object lacks a column."""
    return frame.fillna("") if frame.isna().to_numpy().any() else frame


def _checked_frame(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    return frame.set_axis(_checked_names(list(frame.columns), path), axis=1)


def _checked_names(names: list[str], path: Path) -> list[str]:
    """Return column names without blanks around them; nameless columns are called by their position."""
    if len(names) > MAX_COLUMNS:
        raise InputError(f"A table may have at most {MAX_COLUMNS:,} columns ({path.name} has {len(names):,}). Keep those you need.")
    clean = [clean_name(name) or f"column_{position}" for position, name in enumerate(names, start=1)]
    twice = sorted({name for name in clean if clean.count(name) > 1}) if len(set(clean)) < len(clean) else []
    if twice:
        shown = ", ".join(f"'{name[:40]}'" for name in twice[:5])
        raise InputError(f"Column names must be unique ({path.name} repeats {shown}). Rename one of them in the file.")
    return clean
