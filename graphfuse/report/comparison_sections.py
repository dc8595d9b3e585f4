"""The tables of a comparison beside the ladder: controls, results by group, tuning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphfuse.report.charts import Bar, worth_rows
from graphfuse.report.comparison_rows import estimate, number, plain_settings
from graphfuse.report.data import Estimate, Worth

SHADES = 8
"""Shades of a cell, from the worst value to the best."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """One thing that was taken away or damaged, and what came of it."""

    sentence: str
    what: str
    difference: Estimate | None
    bar: Bar | None
    p: float | None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A method's result on a group of rows."""

    value: Estimate
    shade: int


@dataclass(frozen=True, kw_only=True)
class HeatTable:
    """Methods by groups of one column."""

    column: str
    groups: tuple[tuple[str, int | None], ...]
    """(group, rows), the largest first."""
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class TuningRow:
    """What tuning found for one method."""

    name: str
    trials: int
    failed: int
    default: float | None
    best: float | None
    gain: float | None
    settings: tuple[tuple[str, str], ...]


def control_tables(controls: Sequence[Mapping[str, Any]], width: float) -> tuple[tuple[str, tuple[Control, ...]], ...]:
    """Return (model, its controls), all bars on one scale."""
    worths = [Worth(name="", element="", drop=estimate(item, "difference")) for item in controls]
    tables: dict[str, list[Control]] = {}
    for item, row in zip(controls, worth_rows(worths, width), strict=True):
        tables.setdefault(str(item.get("model", "")), []).append(
            Control(
                sentence=str(item.get("sentence", "")),
                what=str(item.get("description") or item.get("control") or ""),
                difference=row.worth.drop,
                bar=row.drop,
                p=number(item.get("p_corrected", item.get("p"))),
            )
        )
    return tuple((model, tuple(rows)) for model, rows in tables.items())


def heat_tables(groups: Sequence[Mapping[str, Any]], higher_is_better: bool) -> tuple[HeatTable, ...]:
    """Return one table per column."""
    columns = dict.fromkeys(str(item.get("column", "")) for item in groups)
    return tuple(
        _heat_table(column, [item for item in groups if str(item.get("column", "")) == column], higher_is_better) for column in columns
    )


def tuning_rows(tuning: Sequence[Mapping[str, Any]], higher_is_better: bool) -> tuple[TuningRow, ...]:
    """Return what tuning found, the best first."""
    rows = []
    for item in tuning:
        best, default = number(item.get("validation")), number(item.get("default"))
        rows.append(
            TuningRow(
                name=str(item.get("name", "")),
                trials=int(item.get("trials", 0)),
                failed=len(item.get("failures") or ()),
                default=default,
                best=best,
                gain=None if best is None or default is None else (best - default if higher_is_better else default - best),
                settings=plain_settings(item.get("best_settings") or {}),
            )
        )
    sign = -1.0 if higher_is_better else 1.0
    return tuple(sorted(rows, key=lambda row: (row.best is None, sign * (row.best or 0.0), row.name)))


def _heat_table(column: str, items: Sequence[Mapping[str, Any]], higher_is_better: bool) -> HeatTable:
    cells = {(str(item["name"]), str(item["group"])): found for item in items if (found := estimate(item)) is not None}
    sizes = {str(item["group"]): item.get("rows") for item in items}
    groups = sorted(sizes, key=lambda group: (-(sizes[group] or 0), group))
    values = [cell.value for cell in cells.values()] or [0.0]
    low, high = min(values), max(values)

    def shaded(cell: Estimate | None) -> Cell | None:
        if cell is None:
            return None
        share = (cell.value - low) / (high - low) if high > low else 0.5
        return Cell(value=cell, shade=round((SHADES - 1) * (share if higher_is_better else 1 - share)))

    names = dict.fromkeys(str(item["name"]) for item in items)
    return HeatTable(
        column=column,
        groups=tuple((group, sizes[group]) for group in groups),
        rows=tuple((name, tuple(shaded(cells.get((name, group))) for group in groups)) for name in names),
    )
