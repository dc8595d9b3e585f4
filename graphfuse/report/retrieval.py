"""Scores of the analysis `retrieval` -> one line per direction, as the page shows it."""

import pandas as pd

from graphfuse.report.data import Estimate, Found
from graphfuse.report.words import kind_words

RECALL, PRECISION = "recall_at_", "mean_average_precision"


def found_partners(frame: pd.DataFrame | None) -> tuple[Found, ...]:
    """Return, per direction in the table's order, how often partners were found; nothing without the analysis."""
    if frame is None or not len(frame):
        return ()
    rows = frame[frame["level"] == "model"]
    return tuple(_direction(str(query), str(partner), part) for (query, partner), part in rows.groupby(["query", "partner"], sort=False))


def _direction(query: str, partner: str, rows: pd.DataFrame) -> Found:
    metrics = {str(row["element"]): row for row in rows.to_dict("records")}
    estimates = {name: Estimate(value=float(row["score"]), low=float(row["low"]), high=float(row["high"])) for name, row in metrics.items()}
    return Found(
        query=kind_words(query),
        partner=kind_words(partner),
        count=int(rows["count"].iloc[0]),
        recall=tuple((int(name.removeprefix(RECALL)), estimate) for name, estimate in estimates.items() if name.startswith(RECALL)),
        mean_average_precision=estimates[PRECISION],
        chance=float(metrics[PRECISION]["chance"]),
    )
