"""Bytes of a CSV or TSV file -> records with their line numbers."""

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager

from graphfuse.core.errors import InputError

MAX_CELL = 10_000_000
"""Most characters in one cell; a quote that nobody closes would otherwise swallow the file."""

REREADS = 20
"""A file is read at most this many times over, to find rows between quotes that do not match."""

SEPARATORS = (",", ";", "\t", "|")
QUOTED = re.compile(r'(?<![^,;\t|])"(?:[^"]|"")*"')
"""A quoted cell, whatever the separator."""
SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?\r?\n(?=\s*\S)')
"""First line of some CSV files, which tells Excel the separator and is no part of the table."""
WELL_QUOTED = re.compile(r'(?:(?<=[\t\n])|^)"(?:[^"]|"")*"(?=\t|\r?\n|\r?\Z)')


Record = tuple[int, list[str] | str]
"""Number of a row's first line, counted from 1, and its cells, or a sentence that says why it cannot be read."""


def decode_text(content: bytes) -> str:
    """Return the text of a file in UTF-8 (a byte order mark is left out), UTF-16 with a mark, or cp1252.

    A file that is not UTF-8 is decoded line by line, so that one old line does not change how the others read. A byte that is no
    character becomes a lone surrogate, so that the cell it is in is cleaned and counted like others that are not Unicode text.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace").replace("\ufffd", "\udcff")
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return "\n".join(_decode_line(line) for line in content.split(b"\n"))


def _decode_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", "surrogateescape")


def split_lines(text: str) -> list[str]:
    """Return lines as files mean them: by newline (or carriage return in files of old), not by every Unicode separator."""
    if "\n" not in text:
        text = text.replace("\r", "\n")
    return text.split("\n")


def is_quoted_tsv(text: str) -> bool:
    """Return whether quotes in tab-separated text enclose cells; if one does not, quotes are mere characters."""
    return '"' not in WELL_QUOTED.sub("", text)


def find_separator(text: str) -> tuple[str, str]:
    """Return the separator of a CSV file, and its text with a line that names it left blank.

    Where there is no such line, it is the separator that stands in the header most often outside quotes; a comma where none does.
    """
    if told := SEPARATOR_LINE.match(text):
        return told[1], "\n" + text[told.end() :]
    header = next((line for line in split_lines(text[:100_000]) if line.strip()), "")
    return max(SEPARATORS, key=QUOTED.sub("", header).count), text


def read_records(text: str, separator: str, quoted: bool) -> Iterator[Record]:
    """Yield the records of a file, the header first; blank lines are no records.

    Raises:
        InputError: If quotes are so wrong that the file would have to be read over and over.
    """
    lines = split_lines(text)
    return _quoted_records(lines, separator) if quoted else _plain_records(lines, separator)


def _plain_records(lines: list[str], separator: str) -> Iterator[Record]:
    width = 0
    for number, line in enumerate(lines, start=1):
        if line := line.removesuffix("\r"):
            fields = line.split(separator)
            width = width or len(fields)
            yield number, fields if len(fields) == width else _wrong_width(fields, width)


def _quoted_records(lines: list[str], separator: str) -> Iterator[Record]:
    """Read quoted cells, which may hold newlines.

    A bad record is its first line only: reading goes on at the line below, so that a quote that nobody closes costs one row.
    """
    source = _Lines(lines)
    reader = csv.reader(source, delimiter=separator, strict=True)
    width = 0
    with _cell_limit():
        while True:
            start = source.position
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                source.position = start + 1
                yield start + 1, _wrong_cell(error)
                continue
            if not fields:
                continue
            width = width or len(fields)
            if len(fields) == width:
                yield start + 1, fields
            else:
                source.position = start + 1
                yield start + 1, _wrong_width(fields, width)


def _wrong_cell(error: csv.Error) -> str:
    if "field limit" in str(error):
        return f"a cell may hold at most {MAX_CELL:,} characters (this one is longer, or its quote is never closed)"
    return f"quotes must enclose whole cells, and be doubled inside them ({error})"


def _wrong_width(fields: list[str], width: int) -> str:
    return f"a row must have {width} fields like the header (got {len(fields)})"


class _Lines:
    """Lines whose reader can be sent back."""

    def __init__(self, lines: list[str]) -> None:
        self.position = 0
        self._lines = lines
        self._left = REREADS * (len(lines) + 1_000)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self.position >= len(self._lines):
            raise StopIteration
        self._left -= 1
        if self._left < 0:
            raise InputError(
                f"Quotes must enclose whole cells (they do not match from line {self.position} on). "
                "If quotes are mere characters in this file, set `format: tsv-unquoted`, or repair them."
            )
        self.position += 1
        return self._lines[self.position - 1] + "\n"


@contextmanager
def _cell_limit() -> Iterator[None]:
    """Let cells be as long as `MAX_CELL`; the limit is global in `csv`, so it is put back."""
    before = csv.field_size_limit(MAX_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)
