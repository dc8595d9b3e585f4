"""What each column of a table is, and what belongs to the table beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from graphfuse.core.columns import as_texts, is_missing
from graphfuse.core.errors import InputError
from graphfuse.core.tables import CANONICAL
from graphfuse.guessing.column_roles import (
    USER_NAMES,
    USER_TRAITS,
    Features,
    TaskName,
    features_of,
    gives_away,
    group_columns,
    is_split,
    key_columns,
    names_rows,
    target_columns,
    task_of,
    text_columns,
    time_columns,
    user_columns,
)
from graphfuse.guessing.find_links import Neighbour, find_interactions, find_joins, find_users, neighbours, same_columns
from graphfuse.guessing.find_pictures import PictureColumn, find_pictures
from graphfuse.guessing.profile import Profile, hinted, profile
from graphfuse.reading.canonical import free_name
from graphfuse.reading.picture_names import split_names
from graphfuse.reading.raw_table import read_table

EVENT_PATTERN = "^([A-Za-z]+)"
"""First word of a picture's name, which often is the event that it shows (`sandy_fake_12` -> `sandy`)."""

SINGLE_ROLES = ("sample_id", "user_id", "time", "group", "split")


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What was guessed of a table, columns by the names that the experiment calls them."""

    table: Path
    rename: dict[str, str]
    """New name -> name in the file, of columns that do not mean what their name means here."""
    profiles: dict[str, Profile]
    """Of the table's columns and those joined to it."""
    target: str
    task: TaskName
    other_targets: tuple[str, ...]
    sample_id: str | None
    user_id: str | None
    time: str | None
    split: str | None
    group: str | None
    group_pattern: str | None
    text: tuple[str, ...]
    pictures: tuple[PictureColumn, ...]
    users: tuple[Neighbour, str] | None
    interactions: tuple[Neighbour, dict[str, str]] | None
    joins: tuple[Neighbour, ...]
    unjoined: tuple[tuple[Neighbour, tuple[str, ...]], ...]
    """Tables that could be joined, with the names that keep them from it."""
    siblings: tuple[Neighbour, ...]
    """Tables with the same columns, such as the test part of an official split."""
    of_user: Features
    """Columns of the users table, or of the row where they describe its author."""
    of_sample: Features
    giveaways: tuple[str, ...]
    """Columns left out because each of their values goes with one value of the target."""
    leaks: tuple[str, ...]
    """What a split may put on both sides, one sentence each."""
    unused: tuple[str, ...]

    def figures(self) -> dict[str, str]:
        """Return the columns of each role, for people."""
        found = {
            "target": f"{self.target} ({self.task})",
            "sample id": self.sample_id,
            "text": ", ".join(self.text),
            "pictures": ", ".join(item.column for item in self.pictures),
            "user": self.user_id,
            "time": self.time,
            "split": self.split,
            "group": self.group,
            "users": self.users[0].path.name if self.users else None,
            "interactions": self.interactions[0].path.name if self.interactions else None,
            "joined": ", ".join(table.path.name for table in self.joins),
            "not used": ", ".join((*self.giveaways, *self.unused)),
        }
        return {role: columns for role, columns in found.items() if columns}


def guess_roles(path: Path) -> Roles:
    """Return the role of every column of a table and of the tables beside it.

    Raises:
        InputError: If the table cannot be read, has no rows, or no column can be the target.
    """
    if not path.is_file():
        raise InputError(f"A table must be a file that exists (got {path}). Check the path.")
    raw = read_table(path).frame
    if raw.empty:
        raise InputError(f"A table must have rows ({path.name} has none that can be read). Was it written to the end?")
    beside = neighbours(path)
    siblings = same_columns(beside, raw.columns)
    others = [table for table in beside if table not in siblings]
    roles = _guess(raw, others, path)
    if rename := _misnamed(roles, list(raw.columns)):
        roles = _guess(raw.rename(columns={old: new for new, old in rename.items()}), others, path)
    return Roles(table=path, rename=rename, siblings=tuple(siblings), **roles)


def _guess(raw: pd.DataFrame, beside: list[Neighbour], path: Path) -> dict[str, Any]:
    cells = pd.DataFrame({str(name): as_texts(raw[name]).values.str.strip() for name in raw.columns})
    own = {str(name): profile(raw[name]) for name in raw.columns}
    split = next((name for name, facts in own.items() if is_split(facts)), None)
    pictures = find_pictures(raw.drop(columns=[split] if split else []), own, path.parent)
    for item in pictures:
        named = _names_pictures(cells[item.column], item)
        cells[item.column] = cells[item.column].where(named, "")
        own[item.column] = profile(raw[item.column].where(named))
    left = {name: facts for name, facts in own.items() if name != split}  # without a role yet; every step takes what it recognises
    roles = _by_content(cells, left, pictures, path.name) | {"split": split}
    if roles["task"] == "classification":
        own[roles["target"]] = profile(raw[roles["target"]], classes=True)
    if roles["sample_id"] is not None:
        own[roles["sample_id"]] = profile(raw[roles["sample_id"]], classes=True)  # `NA` is an id like others
    roles |= _links(cells, left, beside, roles["sample_id"])
    roles |= _descriptions(cells, own, left, roles)
    return roles | _leaks(cells, roles)


def _names_pictures(cells: pd.Series, item: PictureColumn) -> pd.Series:
    """Return which cells name a picture: an empty list, or a word such as `null`, says that there is none."""
    return cells.map(lambda cell: bool(split_names(cell, item.separator)))


def _misnamed(roles: dict[str, Any], columns: list[str]) -> dict[str, str]:
    """Return a new name for each column whose name means something that it is not."""
    meant = {role: [roles[role]] for role in SINGLE_ROLES} | {"pictures": [item.column for item in roles["pictures"]]}
    return {free_name(name, columns): name for name in CANONICAL["samples"] if name in columns and name not in meant.get(name, ())}


def _by_content(cells: pd.DataFrame, left: dict[str, Profile], pictures: list[PictureColumn], table: str) -> dict[str, Any]:
    """Find what cells prove by themselves, beside split words and pictures: times, sentences, keys, small sets of values."""
    named = {item.column for item in pictures}
    time = _take(left, time_columns({name: facts for name, facts in left.items() if name not in named}))
    text = text_columns({name: facts for name, facts in left.items() if name not in named})
    for name in text:
        left.pop(name)
    sample_id = _take(left, key_columns(left, named))
    for name in named:
        left.pop(name, None)
    target, *others = target_columns(left, table)
    task = task_of(left.pop(target))
    group = _take(left, group_columns(left, cells, [*text, *(item.column for item in pictures)]))
    return {
        "pictures": tuple(pictures),
        "sample_id": sample_id,
        "time": time,
        "text": text,
        "target": target,
        "task": task,
        "other_targets": tuple(others),
        "group": group,
    }


def _take(left: dict[str, Profile], candidates: list[str]) -> str | None:
    """Return the first candidate and take it from those left."""
    if not candidates:
        return None
    left.pop(candidates[0], None)
    return candidates[0]


def _links(cells: pd.DataFrame, left: dict[str, Profile], beside: list[Neighbour], sample_id: str | None) -> dict[str, Any]:
    """Find the tables of users, of interactions, and those with one row per sample, by the keys they share."""
    ids = set(cells[sample_id]) - {""} if sample_id else set()
    joins, unjoined = find_joins(beside, sample_id, ids, {*cells.columns, *CANONICAL["samples"]}) if sample_id else ([], [])
    by_sample = [*joins, *(table for table, _ in unjoined)]
    beside = [table for table in beside if table not in by_sample]
    of_users = [name for name, facts in left.items() if hinted(name, USER_NAMES) or (facts.is_repeated_key and not names_rows(facts))]
    keys = {name: set(cells[name]) - {""} for name in of_users}
    users = find_users(beside, keys)
    user_id = _take(left, [users[2]] if users else user_columns(left))
    beside = [table for table in beside if users is None or table is not users[0]]
    interactions = find_interactions(beside, sample_id or "", ids, keys.get(user_id or "", set()))
    if users is None and interactions is not None and "user_id" in interactions[1]:
        table, column = interactions[0], interactions[1]["user_id"]
        users = find_users([other for other in beside if other is not table], {column: set(table.cells[column]) - {""}})
    return {
        "joins": tuple(joins),
        "unjoined": tuple(unjoined),
        "users": users[:2] if users else None,
        "user_id": user_id,
        "interactions": interactions,
    }


def _descriptions(cells: pd.DataFrame, own: dict[str, Profile], left: dict[str, Profile], roles: dict[str, Any]) -> dict[str, Any]:
    """Share out what is left: it describes the row or its author, unless it gives the answer away."""
    answers = cells[roles["target"]]
    giveaways = [name for name, facts in left.items() if gives_away(cells[name], facts, answers)]
    joined = {name: (facts, table.path.stem) for table in roles["joins"] for name, facts in table.profiles.items() if name not in own}
    giveaways += [name for table in roles["joins"] for name in _given_away(table, roles["sample_id"], cells[roles["sample_id"]], answers)]
    free = {name: facts for name, facts in (left | {name: facts for name, (facts, _) in joined.items()}).items() if name not in giveaways}
    traits: list[str] = []
    if roles["users"] is None and roles["user_id"] is not None:
        traits = [name for name in free if hinted(joined[name][1] if name in joined else name, USER_TRAITS)]
    of_user = features_of(free[name] for name in traits)
    of_sample = features_of(facts for name, facts in free.items() if name not in traits)
    unused = [name for name in left if name not in (*of_user.all, *of_sample.all, *giveaways)]
    if roles["users"] is not None:
        table, key = roles["users"]
        telling = _given_away(table, key, cells[roles["user_id"]], answers) if roles["user_id"] is not None else []
        of_user = features_of(facts for name, facts in table.profiles.items() if name not in (key, *telling))
        giveaways += telling
    return {
        "profiles": own | {name: facts for name, (facts, _) in joined.items()},
        "of_user": of_user,
        "of_sample": of_sample,
        "giveaways": tuple(giveaways),
        "unused": tuple(unused),
    }


def _given_away(table: Neighbour, key: str, keys: pd.Series, answers: pd.Series) -> list[str]:
    """Return the columns of a linked table that give the answer away.

    Args:
        table: With one row per key.
        key: Its column of keys.
        keys: The key of each sample.  [num_samples]
        answers: The target of each sample.  [num_samples]
    """
    rows = table.cells.drop_duplicates(key).set_index(key)
    of_samples = {str(name): keys.map(rows[name]).fillna("") for name in rows}
    return [name for name, cells in of_samples.items() if gives_away(cells, profile(cells), answers)]


def _leaks(cells: pd.DataFrame, roles: dict[str, Any]) -> dict[str, Any]:
    """Say what content several rows share, and find what to group by so that it stays on one side of a split."""
    shared = {"pictures": [item.column for item in roles["pictures"]], "text": list(roles["text"][:1])}
    leaks = tuple(sentence for kind, columns in shared.items() if columns for sentence in _shared(cells, columns[0], kind, roles["split"]))
    group, pattern = roles["group"], None
    if group is None and roles["split"] is None and leaks:
        group = next(columns[0] for kind, columns in shared.items() if columns and any(kind in leak for leak in leaks))
        if group == (shared["pictures"] or [None])[0]:
            pattern = _event_pattern(cells[group])
    return {"leaks": leaks, "group": group, "group_pattern": pattern}


def _shared(cells: pd.DataFrame, column: str, kind: str, split: str | None) -> Iterator[str]:
    """Yield a sentence if more than 1 % of the rows share their cell with a row that a split may part them from."""
    filled = cells[~is_missing(cells[column])]
    if split is None:
        share = filled[column].duplicated(keep=False).mean()
        if share > 0.01:
            yield f"{share:.1%} of the rows share their {kind} with another row; a random split would put the same content on both sides"
        return
    share = (filled.groupby(column)[split].transform("nunique") > 1).mean()
    if share > 0.01:
        yield f"{share:.1%} of the rows share their {kind} with a row of another split; test figures will be too high"


def _event_pattern(names: pd.Series) -> str | None:
    """Return the pattern of a picture's event, if nearly all names have one and there are clearly fewer events than pictures."""
    events = names[names != ""].str.extract(EVENT_PATTERN)[0]
    return EVENT_PATTERN if events.notna().mean() >= 0.95 and 3 <= events.nunique() <= names.nunique() / 2 else None
