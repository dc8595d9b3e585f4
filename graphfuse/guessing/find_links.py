"""Tables beside a table that are linked to it by shared keys."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from graphfuse.core.columns import as_texts
from graphfuse.core.errors import InputError
from graphfuse.guessing.column_roles import USER_NAMES
from graphfuse.guessing.profile import Profile, hinted, profile
from graphfuse.reading.raw_table import EXTENSIONS, read_table
from graphfuse.store.layout import QUARANTINE

MOST_FILES = 30
"""Files beside the table that are looked into."""

PREDICTED = ("prediction", "probability", "target")
"""Columns of predictions beside `sample_id`, or the first words of their names."""
KIND_NAMES = ("kind", "type", "action", "event", "interaction")
REPLY_NAMES = ("parent", "reply", "to", "answer")


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A table file in the same folder."""

    path: Path
    cells: pd.DataFrame
    """All cells as text."""
    profiles: dict[str, Profile]

    def coverage(self, column: str, values: set[str]) -> float:
        """Return the share of the values that the column holds."""
        return len(values & set(self.cells[column])) / len(values) if values else 0.0

    def share(self, column: str, values: set[str]) -> float:
        """Return the share of the column's filled cells that are among the values."""
        filled = self.cells[column][self.cells[column] != ""]
        return float(filled.isin(values).mean()) if len(filled) else 0.0


def neighbours(table: Path) -> list[Neighbour]:
    """Return the other table files of the folder that can be read; what `predict` wrote there says nothing of the samples."""
    files = (path for path in table.parent.iterdir() if path.suffix.lower() in EXTENSIONS and path.is_file())
    paths = sorted(path for path in files if path.name not in (table.name, QUARANTINE) and not path.name.endswith(f".{QUARANTINE}"))
    found = []
    for path in paths[:MOST_FILES]:
        try:
            frame = read_table(path).frame
        except (InputError, OSError):  # what cannot be read is no part of the guess
            continue
        if _are_predictions([str(name) for name in frame.columns]):
            continue
        cells = pd.DataFrame({str(name): as_texts(frame[name]).values.str.strip() for name in frame.columns})
        found.append(Neighbour(path=path, cells=cells, profiles={name: profile(frame[name]) for name in cells.columns}))
    return found


def _are_predictions(columns: list[str]) -> bool:
    """Return whether the columns are those of predictions, which as features would answer for the model."""
    roots = {next((root for root in PREDICTED if name == root or name.startswith(f"{root}_")), name) for name in columns}
    return {"sample_id", "prediction"} <= roots and ("probability" in roots or roots <= {"sample_id", *PREDICTED})


def same_columns(tables: Iterable[Neighbour], columns: Iterable[str]) -> list[Neighbour]:
    """Return tables that look like further rows of the same kind: they share at least two thirds of the columns."""
    wanted = set(columns)
    return [table for table in tables if len(wanted & set(table.profiles)) >= max(2, 2 / 3 * len(wanted))]


def find_users(tables: Iterable[Neighbour], keys: dict[str, set[str]]) -> tuple[Neighbour, str, str] | None:
    """Return the table with one row per value of a repeated key: (table, its key column, the samples' column)."""
    best: tuple[float, Neighbour, str, str] | None = None
    for table in tables:
        for column in (name for name, facts in table.profiles.items() if facts.is_key and len(table.profiles) > 1):
            for name, values in keys.items():
                covered = table.coverage(column, values)
                if covered >= 0.5 and (best is None or covered > best[0]):
                    best = covered, table, column, name
    return best[1:] if best else None


def find_joins(
    tables: Iterable[Neighbour], key: str, values: set[str], taken: set[str]
) -> tuple[list[Neighbour], list[tuple[Neighbour, tuple[str, ...]]]]:
    """Return the tables with one row per sample, under the same name of the key, and those of them whose other names are taken."""
    joins, others = [], []
    for table in tables:
        if key not in table.profiles or not _is_unique(table.profiles[key]) or table.coverage(key, values) < 0.5:
            continue
        if again := tuple(name for name in table.profiles if name in taken and name != key):
            others.append((table, again))
        else:
            joins.append(table)
            taken = taken | set(table.profiles)
    return joins, others


def _is_unique(facts: Profile) -> bool:
    return facts.distinct == facts.filled == facts.rows


def find_interactions(tables: Iterable[Neighbour], key: str, samples: set[str], users: set[str]) -> tuple[Neighbour, dict[str, str]] | None:
    """Return the table whose rows belong to samples, several to one, and come from users or at a time; with its columns by role.

    A table that has neither people nor times says something of the samples, but is no interaction.

    Args:
        tables: Tables beside the samples.
        key: The samples' column of ids.
        samples: These ids.
        users: Ids of the samples' authors.
    """
    for table in tables:
        linked = [name for name, facts in table.profiles.items() if not _is_unique(facts) and table.share(name, samples) >= 0.8]
        if not linked:
            continue
        # small numbers, such as ratings and numbers of users, may all be ids of samples by accident
        column = max(linked, key=lambda name: (name == key, not hinted(name, USER_NAMES), table.coverage(name, samples)))
        roles = {"sample_id": column} | _interaction_roles(table, column, samples, users)
        if "user_id" in roles or "time" in roles:
            return table, roles
    return None


def _interaction_roles(table: Neighbour, sample_id: str, samples: set[str], users: set[str]) -> dict[str, str]:
    """Return the column of each further role that is found."""
    roles: dict[str, str] = {}
    own = next((name for name, facts in table.profiles.items() if facts.is_key and not facts.times), None)
    ids = set(table.cells[own]) if own else set()
    for name, facts in table.profiles.items():
        if name in (own, sample_id) or not facts.filled:
            continue
        if facts.times >= 0.9:
            role = "time"
        elif table.share(name, users) >= 0.5 or (not users and facts.is_repeated_key and hinted(name, USER_NAMES)):
            role = "user_id"
        elif table.share(name, ids | samples) >= 0.9 and (hinted(name, REPLY_NAMES) or not facts.is_number):
            role = "reply_to"
        elif facts.words >= 2:
            role = "text"
        elif facts.few_values and not facts.is_number:
            role = "kind"
        else:
            continue
        if role not in roles or (role == "kind" and hinted(name, KIND_NAMES)):
            roles[role] = name
    return ({"interaction_id": own} if own else {}) | roles
