"""Roles -> a commented experiment in YAML that converts and trains as it stands."""

import os
from collections.abc import Iterator
from pathlib import Path

from graphfuse.core.columns import MISSING_WORDS
from graphfuse.core.tables import CANONICAL
from graphfuse.guessing.column_roles import Features
from graphfuse.guessing.find_links import Neighbour
from graphfuse.guessing.profile import Profile
from graphfuse.guessing.table_roles import Roles, guess_roles
from graphfuse.guessing.yaml_text import inline, inline_names, yaml_line, yaml_value
from graphfuse.reading.canonical import free_name

LONG = 150
"""Words of a text from which on windows of words serve better than sentences."""


def guess_experiment(table: Path, folder: Path | None = None) -> str:
    """Return an experiment for a table, with a comment on every guess: what it rests on and what else it could be.

    Args:
        table: The file, one row per sample; other tables are looked for beside it.
        folder: Where the experiment file will lie; None is the table's folder.

    Raises:
        InputError: If the table cannot be read, or no column can be the target.
    """
    return write_experiment(guess_roles(table), folder or table.parent)


def write_experiment(roles: Roles, folder: Path) -> str:
    """Return the YAML text for some roles; paths in it are relative to `folder`."""
    blocks = [_head(roles), _dataset(roles, folder), _modalities(roles), _edges(roles), _task(roles), _rest(roles)]
    return "\n".join("\n".join(block) + "\n" for block in blocks)


def _head(roles: Roles) -> Iterator[str]:
    rows = next(iter(roles.profiles.values())).rows
    yield f"# Written by `graphfuse init` for {inline(roles.table.name)} ({rows:,} rows)."
    yield "# Every line is a guess from what the columns hold. Read the comments and mend what is wrong; then:"
    yield "#   graphfuse convert THIS_FILE --out STORE"
    yield "#   graphfuse train THIS_FILE --store STORE --out RUN"
    if roles.unused:
        yield f"# Not used: {inline_names(roles.unused)}."


def _dataset(roles: Roles, folder: Path) -> Iterator[str]:
    yield "dataset:"
    yield "  name: table"
    yield yaml_line(2, "path", _relative(roles.table, folder), "")
    for sibling in roles.siblings:
        names = [roles.rename.get(name, name) for name in roles.profiles if name not in _joined_columns(roles)]
        lacks = [name for name in names if name not in sibling.profiles]
        yield f"  # {inline(sibling.path.name)} has {'nearly ' if lacks else ''}the same columns. If it is the test part of an official split:"
        yield f"  #   path: {{train: {yaml_value(_relative(roles.table, folder))}, test: {yaml_value(_relative(sibling.path, folder))}}}"
        if lacks:
            yield f"  # It lacks {inline_names(lacks)}; where that is another name for the same, see the setting `rename`."
    if roles.rename:
        yield "  # These names have a meaning of their own here, which the columns do not have:"
        yield f"  rename: {{{', '.join(f'{yaml_value(new)}: {yaml_value(old)}' for new, old in roles.rename.items())}}}"
    if roles.sample_id:
        yield from _sample_id(roles.profiles[roles.sample_id])
    else:
        yield yaml_line(2, "sample_id", None, "no column has a value of its own in every row: rows are numbered")
    yield from _target(roles)
    if roles.user_id:
        facts = roles.profiles[roles.user_id]
        why = f"{facts.distinct:,} values in {facts.filled:,} rows"
        why += f"; {inline(roles.users[0].path.name)} has a row for them" if roles.users else ", some more than once"
        yield yaml_line(2, "user_id", roles.user_id, why)
    if roles.time:
        yield yaml_line(2, "time", roles.time, "cells that read as times")
    yield from _pictures(roles)
    yield from _linked(roles, folder)
    yield from _split(roles)


def _sample_id(facts: Profile) -> Iterator[str]:
    """Write the column of ids, and what `convert` does with rows whose id is empty or stands in an earlier row."""
    again, empty = facts.filled - facts.distinct, facts.rows - facts.filled
    if again:
        yield f"  # Beware: {inline(facts.name)} repeats in {_rows(again)}, such as {inline(facts.top[0][0])}."
        yield "  # convert refuses ids that repeat: remove those rows."
    if empty:
        yield f"  # Beware: {inline(facts.name)} is empty in {_rows(empty)}. convert leaves out rows without an id: fill them in to use the rows."
    yield yaml_line(2, "sample_id", facts.name, f"{'nearly ' if again or empty else ''}every row has a value of its own")


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _joined_columns(roles: Roles) -> set[str]:
    return {name for table in roles.joins for name in table.profiles} - {roles.sample_id}


def _target(roles: Roles) -> Iterator[str]:
    facts = roles.profiles[roles.target]
    shown = ", ".join(f"{inline(value)} {count:,}" for value, count in facts.top[:4])
    yield f"  # {facts.distinct:,} values: {shown}{' ...' if facts.distinct > 4 else ''}"
    if words := [value for value, _ in facts.top if roles.task == "classification" and value.lower() in MISSING_WORDS]:
        yield f"  # Classes like the others are: {inline_names(words)}. Where that means that there is no answer, empty the cells."
    if roles.other_targets:
        yield f"  # It could also be: {inline_names(roles.other_targets)}"
    yield yaml_line(2, "target", roles.target, "")
    if roles.giveaways:
        yield f"  # Left out as features, since each of their values goes with one answer only: {inline_names(roles.giveaways)}"


def _pictures(roles: Roles) -> Iterator[str]:
    if not roles.pictures:
        return
    first = roles.pictures[0]
    yield f"  # {first.found:.0%} of the names in {inline(first.column)} are pictures under {inline(first.folder)}/"
    if roles.profiles[first.column].filled < roles.profiles[first.column].rows:
        yield "  # Rows without a picture stay: they have no image nodes."
    columns = ", ".join(yaml_value(item.column) for item in roles.pictures)
    yield f"  pictures: {{columns: [{columns}], separator: {yaml_value(first.separator)}, folder: {yaml_value(first.folder)}}}"


def _linked(roles: Roles, folder: Path) -> Iterator[str]:
    if roles.users:
        table, key = roles.users
        yield f"  users: {{path: {yaml_value(_relative(table.path, folder))}, user_id: {yaml_value(key)}}}"
    if roles.interactions:
        table, columns = roles.interactions
        yield f"  # {inline(table.path.name)}: several rows per sample, linked by {inline(columns['sample_id'])}"
        parts = ", ".join(f"{role}: {yaml_value(column)}" for role, column in columns.items())
        yield f"  interactions: {{path: {yaml_value(_relative(table.path, folder))}, {parts}}}"
    if roles.joins:
        yield "  # One row per sample each, under the same name of the key:"
        parts = ", ".join(
            f"{{path: {yaml_value(_relative(table.path, folder))}, key: {yaml_value(roles.sample_id)}}}" for table in roles.joins
        )
        yield f"  joins: [{parts}]"
    for table, again in roles.unjoined:
        yield f"  # {inline(table.path.name)} has one row per sample, too. To join it, rename these columns in it, whose names are taken:"
        yield f"  #   {inline_names(again)}"


def _split(roles: Roles) -> Iterator[str]:
    """Write group and split, and what the split has to mind."""
    for leak in roles.leaks:
        yield f"  # Beware: {leak}."
    if roles.group and roles.group_pattern:
        yield f"  # The first word of {inline(roles.group)} looks like the event it belongs to; rows of an event stay on one side."
        yield f"  group: {{column: {yaml_value(roles.group)}, pattern: {yaml_value(roles.group_pattern)}}}"
    elif roles.group:
        yield yaml_line(2, "group", roles.group, "rows that belong together and stay on one side of the split")
    if roles.split:
        words = ", ".join(f"{inline(value)} {count:,}" for value, count in roles.profiles[roles.split].top)
        yield f"  # {words}"
        yield f"  split: {{by: column, column: {yaml_value(roles.split)}}}"
    elif roles.group:
        yield "  split: {by: group, validation: 0.1, test: 0.2, seed: 0}"
    elif roles.time and roles.profiles[roles.time].filled == roles.profiles[roles.time].rows:
        yield "  split: {by: time, validation: 0.1, test: 0.2}   # the latest rows are the test; or {by: random, ...}"
    else:
        yield "  split: {by: random, validation: 0.1, test: 0.2, seed: 0}   # or {by: group, ...} where rows belong together"


def _modalities(roles: Roles) -> Iterator[str]:
    yield "modalities:"
    if roles.text:
        column = roles.text[0] if len(roles.text) == 1 else list(roles.text)
        words = roles.profiles[roles.text[0]].words
        unit = "window" if words > LONG else "sentence"
        yield f"  # {words:.0f} words on average; unit: sentence | window | word"
        yield "  # Encoders: hashed_ngrams (no download), transformers_text, clip_text; see `graphfuse list encoders`"
        yield f"  - {{name: text, column: {yaml_value(column)}, unit: {unit}, encoder: {{name: hashed_ngrams, channels: 384}}}}"
    if roles.pictures:
        yield "  # grid: cells per side, or [rows, columns]; encoders: image_statistics (no download), torchvision_backbone, clip_image"
        yield "  - {name: image, grid: 4, encoder: {name: image_statistics}}"
    if roles.of_user:
        yield f"  - {{name: user, table: {'users' if roles.users else 'samples'}{_features(roles.of_user)}}}"
    if roles.interactions:
        table, columns = roles.interactions
        used = set(columns.values())
        numeric = [_once_read(name, table, columns) for name, facts in table.profiles.items() if _is_measure(name, facts, used)]
        text = _once_read(columns["text"], table, columns) if "text" in columns else None
        yield f"  - {{name: interaction{_features(Features(numeric=tuple(numeric)))}{_optional('text', text)}}}"
    if roles.of_sample:
        yield "  # Columns that describe the row itself. Leave out what is known only after the answer."
    yield f"  - {{name: sample{_features(roles.of_sample)}}}"


def _is_measure(name: str, facts: Profile, used: set[str]) -> bool:
    return name not in used and facts.is_number and facts.distinct > 1 and not facts.is_repeated_key


def _once_read(name: str, table: Neighbour, columns: dict[str, str]) -> str:
    """Return what a column of the interactions is called once they are read, where its name is a role that another column has."""
    return free_name(name, table.profiles) if name in CANONICAL["interactions"] and columns.get(name) != name else name


def _edges(roles: Roles) -> Iterator[str]:
    if not _has_graph(roles):
        yield "edges: []   # a sample is one node here"
        return
    yield "edges:"
    if roles.text or roles.pictures or roles.interactions:
        yield "  - {name: membership}   # every unit belongs to its sample"
    if roles.text:
        yield "  - {name: sequence}   # a span precedes the next"
    if roles.pictures:
        yield "  - {name: spatial}   # a region adjoins its neighbours"
    if roles.text and roles.pictures:
        yield "  # Every span with every region: the model learns which belong together. Or {name: similarity, top_k: 4, space: aligned}."
        yield "  - {name: candidate, source: text_span, destination: image_region}"
    if roles.of_user:
        yield "  - {name: authorship}   # a user wrote a sample, made an interaction"
    if roles.interactions:
        yield "  - {name: reference}   # an interaction replies to the sample or to another"
        if "time" in roles.interactions[1]:
            yield "  - {name: temporal}   # an interaction precedes the next"


def _has_graph(roles: Roles) -> bool:
    """Return whether a sample is more than its own node."""
    return bool(roles.text or roles.pictures or roles.of_user or roles.interactions)


def _task(roles: Roles) -> Iterator[str]:
    facts = roles.profiles[roles.target]
    if roles.task == "multilabel":
        yield f"task: {{name: multilabel, separator: {yaml_value(_separator(facts))}}}   # cells list several labels"
    elif roles.task == "regression":
        yield "task: {name: regression}   # many different numbers; for classes use {name: classification}"
    else:
        rarest = min(count for _, count in facts.top)
        uneven = rarest < 0.5 * facts.filled / facts.distinct
        yield "task: {name: classification" + (", weights: balanced}   # some classes are rare" if uneven else "}")
    if _has_graph(roles):
        yield "model: {name: relational_attention, hidden_channels: 64}   # compare with concat, which has no graph"
    else:
        yield "model: {name: concat, hidden_channels: 64}"


def _separator(facts: Profile) -> str:
    return "|" if any("|" in value for value, _ in facts.top) else ","


def _rest(roles: Roles) -> Iterator[str]:
    missing = [facts for item in roles.pictures if (facts := roles.profiles[item.column]).filled < 0.95 * facts.rows]
    yield "train:"
    yield "  epochs: 60"
    yield "  seeds: [0]   # several give mean and interval"
    if missing and roles.text:
        yield "  modality_dropout: {image: 0.3}   # pictures are missing in some rows: the model should not lean on them"
    yield "analyses: [{name: attention}, {name: occlusion}, {name: fidelity}]"


def _features(features: Features) -> str:
    """Return the settings for columns by kind, those that there are."""
    parts = {"numeric": features.numeric, "boolean": features.boolean, "categorical": features.categorical}
    return "".join(f", {kind}: {yaml_value(list(columns))}" for kind, columns in parts.items() if columns)


def _optional(key: str, value: str | None) -> str:
    return f", {key}: {yaml_value(value)}" if value else ""


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
