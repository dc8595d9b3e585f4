"""Does the graph help? The same model trained anew without what it is said to use, and one plain sentence for each answer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from graphfuse.comparison.changes import join_changes
from graphfuse.comparison.edge_changes import forward_edge_types
from graphfuse.comparison.plan import Row, modalities_of
from graphfuse.comparison.significance import BySeed, Resampler, holm
from graphfuse.core.schema import GraphSchema, edge_name
from graphfuse.report.words import kind_words, metric_words

LEVEL = 0.05
"""Chance at most, over all controls of a model, of a finding where there is none."""
DIGITS = 3
"""Decimals of the figures in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """One thing taken from a model."""

    name: str
    """Unique among the controls of a model, such as `no edges`."""
    change: Mapping[str, Any]
    """How the store is changed, for train, validation and test rows alike (`comparison.changes`)."""
    description: str
    """What is done, for people."""
    opening: str
    """How the sentence begins, such as `Without edges`."""
    worse: str
    """What follows if the model is worse with the change."""
    better: str
    """What follows if it is better."""
    part: Mapping[str, str] = field(default_factory=dict)
    """`modality` or `edge_kind` that it is about; empty if it is about all."""


def list_controls(row: Row, schema: GraphSchema, seed: int = 0) -> list[Control]:
    """Return the controls of a row; one that reads no edges is not asked about them.

    Args:
        row: A model with its settings.
        schema: Node types, modalities and edge types of the store.
        seed: Seed of the draws: which edges, which other sample, which noise.
    """
    modalities, graph = modalities_left(row, schema), row.stage == "graph"
    controls = _about_edges(seed) if graph and schema.edge_types else []
    controls += [_another_sample(name, seed) for name in modalities if name != "text"]
    # with one modality, nothing would be left
    controls += [_removed(name) for name in modalities if len(modalities) > 1]
    controls += [_replaced(name, seed) for name in modalities]
    kinds = [edge_name(kind) for kind in forward_edge_types(schema)]
    # with one kind, this is the model without edges
    return controls + ([_kind_removed(name) for name in kinds] if graph and len(kinds) > 1 else [])


def control_rows(row: Row, schema: GraphSchema, seed: int = 0) -> list[tuple[Control, Row]]:
    """Return the controls of a row, each with the row to train: the same model, settings and protocol on the changed store."""
    return [
        (control, replace(row, name=f"{row.name}, {control.name}", kind="control", change=join_changes(row.change, control.change)))
        for control in list_controls(row, schema, seed)
    ]


def modalities_left(row: Row, schema: GraphSchema) -> list[str]:
    """Return the modalities that can tell samples apart and that a row still has, in store order."""
    removed = row.change.get("remove_modalities", ())
    return [name for name in modalities_of(schema) if name not in removed]


def findings(
    model: str,
    logits: BySeed,
    controls: Sequence[tuple[Control, BySeed]],
    resampler: Resampler,
    *,
    metric: str,
    higher_is_better: bool,
) -> list[dict[str, Any]]:
    """Return `controls` of `comparison.json` for one model: differences over seeds and test rows, and what they say.

    Args:
        model: Name of the row that the controls were made for.
        logits: Seed -> its logits of the test rows.
        controls: The controls that were trained, with theirs; those without a common seed are left out.
        resampler: The resamples of the test rows, of `metric`.
        metric: The metric's name, such as `macro_f1`.
        higher_is_better: Whether more of it is better.
    """
    differences = [(control, resampler.compare(found, logits)) for control, found in controls]
    known = [(control, asdict(difference)) for control, difference in differences if difference is not None]
    corrected = holm([difference["p"] for _, difference in known])
    return [
        finding(model, control, {**difference, "p_corrected": p}, metric=metric, higher_is_better=higher_is_better)
        for (control, difference), p in zip(known, corrected, strict=True)
    ]


def finding(model: str, control: Control, difference: Mapping[str, Any], *, metric: str, higher_is_better: bool) -> dict[str, Any]:
    """Return one entry: the figures, and what they say in a sentence.

    Args:
        model: Name of the row that the control was made for.
        control: What was taken from it.
        difference: Metric of the control minus that of the model: `difference`, `low`, `high` (95 %, None where unknown), `p_corrected`.
        metric: The metric's name.
        higher_is_better: Whether more of it is better.
    """
    sentence = f"{control.opening}, {metric_words(metric)} {_movement(difference)}: {_meaning(control, difference, higher_is_better)}."
    return {"model": model, "control": control.name, "description": control.description, **control.part, **difference, "sentence": sentence}


def _meaning(control: Control, difference: Mapping[str, Any], higher_is_better: bool) -> str:
    """Return what follows: nothing, unless both the interval and the corrected p value show it."""
    low, high, p = difference["low"], difference["high"], difference.get("p_corrected")
    if low == high == difference["difference"] == 0:
        return "it makes no difference"
    if low is None or high is None or low <= 0 <= high:
        return "the difference may be chance"
    if p is not None and p > LEVEL:
        alone = difference.get("p")
        return f"{'' if alone is None or alone > LEVEL else 'among so many comparisons, '}the difference may be chance"
    return control.better if (low > 0) == higher_is_better else control.worse


def _movement(difference: Mapping[str, Any]) -> str:
    """Return such as `falls by 0.120 [0.081, 0.154]`; ends of the interval count in the direction that is told, if there is one."""
    value, low, high = difference["difference"], difference["low"], difference["high"]
    if low == high == value == 0:
        return "stays the same"
    sign = -1 if value < 0 else 1
    verb = "falls" if value < 0 else "rises"
    if not round(value, DIGITS):
        sign, verb = 1, "changes"
    told = f"{verb} by {abs(value):.{DIGITS}f}"
    if low is None or high is None:
        return told
    first, last = sorted((sign * low, sign * high))
    return f"{told} [{first:z.{DIGITS}f}, {last:z.{DIGITS}f}]"  # z: no minus in front of what is rounded to zero


def _about_edges(seed: int) -> list[Control]:
    return [
        Control(
            name="no edges",
            change={"edges": "none"},
            description="All edges are taken out.",
            opening="Without edges",
            worse="the edges help",
            better="the edges hurt",
        ),
        Control(
            name="edges shuffled",
            change={"edges": "shuffled", "seed": seed},
            description="Every edge leads to another node of its sample and type, drawn at random; each node keeps as many as leave it.",
            opening="With edges shuffled",
            worse="it matters which nodes are joined",
            better="the edges join the wrong nodes",
        ),
        Control(
            name="fully connected",
            change={"edges": "full"},
            description="For every kind of edges, all pairs of nodes of a sample are joined, with weight 1.",
            opening="With all pairs joined",
            worse="choosing what to join helps",
            better="joining more helps",
        ),
    ]


def _another_sample(modality: str, seed: int) -> Control:
    return Control(
        name=f"{modality} of another sample",
        change={"swap": modality, "seed": seed},
        description=f"The features of each {modality} come from another sample of the same split.",
        opening=f"With the {modality} of another sample",
        worse=f"it matters which {modality} belongs to which sample",
        better=f"the own {modality} misleads",
        part={"modality": modality},
    )


def _removed(modality: str) -> Control:
    return Control(
        name=f"without {modality}",
        change={"remove_modalities": [modality]},
        description=f"The nodes of {modality}, and all edges to them, are taken out.",
        opening=f"Without {modality}",
        worse=f"{modality} helps",
        better=f"{modality} hurts",
        part={"modality": modality},
    )


def _replaced(modality: str, seed: int) -> Control:
    return Control(
        name=f"noise for {modality}",
        change={"replace": [modality], "seed": seed},
        description=f"The features of {modality} are replaced by noise of the same mean and deviation.",
        opening=f"With noise in place of the features of {modality}",
        worse="what they say helps",
        better="what they say misleads",
        part={"modality": modality},
    )


def _kind_removed(name: str) -> Control:
    return Control(
        name=f"without {name}",
        change={"remove_edge_kinds": [name]},
        description=f"The edges '{kind_words(name)}' are taken out, in both directions.",
        opening=f"Without the edges '{kind_words(name)}'",
        worse="they help",
        better="they hurt",
        part={"edge_kind": name},
    )
