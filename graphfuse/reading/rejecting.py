"""Masks of rows -> rejections, and columns that are not there -> one error."""

import unicodedata
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from graphfuse.core.columns import arrow_texts, as_texts
from graphfuse.core.errors import InputError, suggest
from graphfuse.core.tables import Rejection

Mask = npt.NDArray[np.bool_]


def reject(
    mask: Mask, table: str, keys: pd.Series, values: pd.Series, *, column: str, reason: str, detail: str, dropped: bool = False
) -> list[Rejection]:
    """Return one rejection per marked row.

    Args:
        mask: Rows to reject.  [num_rows]
        table: Name of the table.
        keys: Ids of the rows; their index holds the row numbers.  [num_rows]
        values: The cells that break the rule.  [num_rows]
        column: Name of the column.
        reason: A stable word.
        detail: A sentence with `{value}` where at most 40 characters of the cell go.
        dropped: Whether the whole sample is left out.
    """
    if not mask.any():
        return []
    found = zip(keys.index[mask], keys[mask], values[mask], strict=True)
    return [
        Rejection(
            table=table,
            row=int(row),
            key=str(key),
            column=column,
            reason=reason,
            detail=detail.replace("{value}", repr(str(value)[:40])),
            dropped=dropped,
        )
        for row, key, value in found
    ]


def as_ids(column: pd.Series) -> pd.Series:
    """Return ids as text, byte for byte but for Unicode composition (NFC); an id of blanks only is empty."""
    texts = as_texts(column).values
    arrow = arrow_texts(texts)  # asked directly, since pandas takes longer to pass a question on than a few rows to be answered
    if not pc.all(pc.string_is_ascii(arrow), min_count=0).as_py():
        texts = texts.map(lambda text: unicodedata.normalize("NFC", text)).astype("str")
        arrow = arrow_texts(texts)
    return texts.mask(texts.str.isspace(), "") if pc.any(pc.utf8_is_space(arrow), min_count=0).as_py() else texts


def missing_columns(wanted: Iterable[tuple[str, str]], known: Iterable[str], where: str) -> list[str]:
    """Return one sentence per column (setting, name) that is not there, with the nearest name."""
    names = list(known)
    return [
        f"Setting '{setting}' must name a column of {where} (got '{name[:40]}'). {suggest(name, names)}"
        for setting, name in wanted
        if name not in names
    ]


def raise_problems(problems: list[str]) -> None:
    """Raise one error that holds every problem, if there are any."""
    if problems:
        raise InputError("\n".join(problems))
