"""Store, run and scores -> what the page shows."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from graphfuse.core.schema import EdgeType, GraphSchema, edge_name, parse_edge_name, reverse_edge_type
from graphfuse.core.tables import ScoreTable
from graphfuse.report.choose import choose, judged, positions_of
from graphfuse.report.data import Curve, Estimate, Metric, ReportData, Worth
from graphfuse.report.posts import Names, post_of
from graphfuse.report.retrieval import found_partners
from graphfuse.report.words import clean, kind_words
from graphfuse.store.graph_store import GraphStore

MOST_METRICS = 4
FIRST_METRICS = ("macro_f1", "accuracy", "roc_auc", "macro_roc_auc", "micro_f1", "mean_average_precision", "rmse", "mae", "r2", "spearman")
"""What readers ask for first, in this order."""
SCORERS = ("occlusion", "gradient", "attention")
"""Whose edge scores are drawn: the first that there is."""


def collect(
    store: GraphStore,
    run_summary: Mapping[str, Any],
    score_tables: Mapping[str, ScoreTable],
    pictures_root: Path | None,
    sample_ids: tuple[str, ...] = (),
    *,
    predictions: pd.DataFrame | None = None,
    threshold: float = 0.5,
    show_users: bool = False,
) -> ReportData:
    """Return everything on the page.

    Args:
        store: Where the samples lie.
        run_summary: `model`; `metrics` of the test split, each a number or `{"mean", "low", "high"}`; optional: `split`, `samples`
            (how many were asked), `title`, `baselines` (`{"text only": metrics, ...}`), `made_with` (settings and versions as text).
        score_tables: Tables by analysis name, with sample ids (see `choose.with_sample_ids`).
        pictures_root: Folder that picture paths are relative to; None draws empty frames.
        sample_ids: Samples to show; none chooses a dozen: confident and right, confident and wrong, uncertain; small and large errors.
        predictions: `sample_id`, `prediction`, `probability_<class>`; without it nothing is said of predictions.
        threshold: The probability from which the task predicts a label.
        show_users: Show user ids as they are; else users are numbered in the order they appear.

    Raises:
        InputError: If a sample is not in the store.
    """
    frames = {name: table.frame for name, table in score_tables.items()}
    kinds = edge_kinds(store.schema)
    scorer = next((name for name in SCORERS if name in frames and (frames[name]["level"] == "edge").any()), "")
    edges = frames[scorer] if scorer else pd.DataFrame({"level": [], "sample_id": [], "score": []})
    edges = edges[edges["level"] == "edge"]
    seen = judged(store, predictions, threshold) if predictions is not None else None
    shown = sample_ids or _shown(store, seen, edges)
    names = Names(show_users=show_users)
    by_sample = dict(tuple(edges[edges["sample_id"].isin(shown)].groupby("sample_id", sort=False)))
    judgements = seen.set_index("sample_id") if seen is not None else pd.DataFrame()
    posts = [
        post_of(store, int(position), name, by_sample.get(name), judgements, kinds, pictures_root, names)
        for name, position in zip(shown, positions_of(store, shown), strict=True)
    ]
    occlusion, attention = frames.get("occlusion"), frames.get("attention")
    # of several with different settings (fidelity, fidelity-2 ...) the first that has something to show
    fidelity = next((frame for name, frame in frames.items() if name.partition("-")[0] == "fidelity" and len(frame)), None)
    return ReportData(
        title=clean(str(run_summary.get("title", "What the edges are worth"))),
        model=str(run_summary.get("model", "")),
        split=str(run_summary.get("split", "test")),
        num_samples=int(run_summary.get("samples", len(predictions) if predictions is not None else len(store))),
        metrics=_metrics(run_summary),
        kinds=_kind_names(kinds),
        edge_kinds=_worths("edge_type", occlusion, attention, kinds, store.schema),
        modalities=_worths("modality", occlusion, None, {}, store.schema),
        curves=_curves(fidelity),
        posts=tuple(posts),
        scored_by=scorer,
        measure=_measure(occlusion, "change" if store.target.kind == "regression" else "log_odds"),
        fidelity_measure=_measure(fidelity, "probability"),
        partners=found_partners(frames.get("retrieval")),
        users_shown=show_users,
        made_with={str(key): str(value) for key, value in run_summary.get("made_with", {}).items()},
    )


def edge_kinds(schema: GraphSchema) -> dict[str, int]:
    """Return the number (and colour) of each edge name, cross-modal kinds first; a reverse type has its twin's."""
    types = set(schema.edge_types)
    twins = {twin for edge_type in schema.edge_types if (twin := reverse_edge_type(edge_type)) in types}
    forward = [edge_type for edge_type in schema.edge_types if edge_type not in twins]
    forward.sort(key=lambda edge_type: not _crosses(edge_type, schema))
    numbers = {edge_name(edge_type): number for number, edge_type in enumerate(forward)}
    return numbers | {edge_name(twin): numbers[edge_name(other)] for other in forward if (twin := reverse_edge_type(other)) in types}


def _crosses(edge_type: EdgeType, schema: GraphSchema) -> bool:
    """Return whether an edge type joins two modalities with content; the sample node has none."""
    return schema.is_cross_modal(edge_type) and "sample" not in (schema.modality_by_node_type[end] for end in (edge_type[0], edge_type[2]))


def _kind_names(kinds: Mapping[str, int]) -> tuple[str, ...]:
    """Return one name per number: the forward type's, which comes first."""
    names: dict[int, str] = {}
    for element, number in kinds.items():
        names.setdefault(number, kind_words(element))
    return tuple(names[number] for number in sorted(names))


def _shown(store: GraphStore, seen: pd.DataFrame | None, edges: pd.DataFrame) -> tuple[str, ...]:
    """Return a dozen samples, of those whose edges were scored if there are any."""
    scored = edges["sample_id"].unique()
    if seen is not None:
        return choose(seen[seen["sample_id"].isin(scored)] if len(scored) else seen)
    return tuple(str(name) for name in (scored if len(scored) else store.samples["sample_id"])[:12])


def _metrics(summary: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Return each metric of the model, with the same metric of the baselines that have it."""
    baselines = summary.get("baselines", {})
    found = []
    metrics = summary.get("metrics", {})
    order = sorted(metrics, key=lambda name: FIRST_METRICS.index(name) if name in FIRST_METRICS else len(FIRST_METRICS))
    for name, value in ((name, metrics[name]) for name in order[:MOST_METRICS]):
        models = [(str(summary.get("model", "this model")), _estimate(value))]
        models += [(str(other), _estimate(metrics[name])) for other, metrics in baselines.items() if name in metrics]
        found.append(Metric(name=str(name), models=tuple(models)))
    return tuple(found)


def _estimate(value: float | Mapping[str, float]) -> Estimate:
    if isinstance(value, Mapping):
        return Estimate(value=float(value["mean"]), low=_number(value.get("low")), high=_number(value.get("high")))
    return Estimate(value=float(value))


def _number(value: object) -> float | None:
    number = float(value) if isinstance(value, int | float | np.number) else float("nan")
    return number if np.isfinite(number) else None


def _worths(
    level: str, occlusion: pd.DataFrame | None, attention: pd.DataFrame | None, kinds: Mapping[str, int], schema: GraphSchema
) -> tuple[Worth, ...]:
    """Return what each element of a level is worth, the most valuable first."""
    lost, looked = (_whole_set(frame, level) for frame in (occlusion, attention))
    worths = []
    for element in dict.fromkeys([*lost, *looked]):
        row, view = lost.get(element, {}), looked.get(element, {})
        cross = level == "edge_type" and _crosses(parse_edge_name(element), schema)
        worths.append(
            Worth(
                name=kind_words(element),
                element=element,
                kind=kinds.get(element, -1),
                cross_modal=cross,
                drop=_triple(row, "score", "low", "high"),
                metric_drop=_triple(row, "metric_drop", "metric_low", "metric_high"),
                flips=_number(row.get("flips")),
                top_share=_triple(view, "top_share", "top_low", "top_high"),
                edge_share=_number(view.get("edge_share")),
                count=int(_number(row.get("count", view.get("count"))) or 0),
            )
        )
    return tuple(sorted(worths, key=lambda worth: -(worth.drop or worth.top_share or Estimate(value=0)).value))


def _whole_set(frame: pd.DataFrame | None, level: str) -> dict[str, dict[Hashable, Any]]:
    if frame is None:
        return {}
    rows = frame[(frame["level"] == level) & (frame["sample_id"] == "")]
    return {str(row["element"]): row for row in rows.to_dict("records")}


def _triple(row: Mapping[Hashable, Any], value: str, low: str, high: str) -> Estimate | None:
    number = _number(row.get(value))
    return None if number is None else Estimate(value=number, low=_number(row.get(low)), high=_number(row.get(high)))


def _curves(frame: pd.DataFrame | None) -> tuple[Curve, ...]:
    if frame is None or not len(frame):
        return ()
    rows = frame[frame["chosen_by"] != "difference"].sort_values("fraction", kind="stable")
    curves = []
    for (side, chosen_by), part in rows.groupby(["element", "chosen_by"], sort=True):
        estimates = [(float(row["fraction"]), _triple(row, "score", "low", "high")) for row in part.to_dict("records")]
        points = tuple((fraction, estimate) for fraction, estimate in estimates if estimate)
        if points:  # none where no post has an edge
            curves.append(Curve(side=str(side), chosen_by=str(chosen_by), points=points))
    return tuple(curves)


def _measure(frame: pd.DataFrame | None, default: str) -> str:
    """Return what an analysis measured its drops in."""
    return str(frame["measure"].iloc[0]) if frame is not None and len(frame) and "measure" in frame else default
