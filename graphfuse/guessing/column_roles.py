"""What a column may be, from what it holds and, where that leaves it open, from its name."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from graphfuse.core.columns import is_missing
from graphfuse.core.errors import InputError
from graphfuse.guessing.profile import Profile, hinted
from graphfuse.reading.settings import split_of

TARGET_NAMES = (
    *("label", "labels", "target", "class", "y", "category", "sentiment", "stance", "veracity", "fake", "verdict", "outcome"),
    *("rating", "score", "gold", "annotation", "tags", "genres"),
)
SIDE_NAMES = ("lang", "language", "country", "gender", "sex", "verified", "platform", "source", "device", "year", "month", "day", "version")
"""Names of columns with few values that describe rather than answer."""
ID_NAMES = ("id", "ids", "key", "uid", "uuid", "pk")
USER_NAMES = ("user", "author", "account", "poster", "creator", "writer", "who", "username", "userid", "seller", "owner", "handle")
USER_TRAITS = (*USER_NAMES, "followers", "follower", "friends", "folfriend", "verified", "statuses", "listed", "following")
GROUP_NAMES = ("group", "event", "story", "thread", "topic", "claim", "cluster", "conversation", "rumour", "rumor", "case")
TIME_NAMES = ("time", "date", "created", "timestamp", "posted", "published", "at", "when", "epoch")

FEWEST_GROUPS = 3
"""Of which one can go to each of train, validation and test."""

LARGEST_GROUP = 0.1
"""Share of the rows that one value may have in a column which, without a name that says so, is taken for groups or authors."""
SMALL_GROUP = 8
"""Rows that a group may have in a table however small."""

TaskName = Literal["classification", "multilabel", "regression"]


@dataclass(frozen=True, kw_only=True)
class Features:
    """Columns that become features, by kind."""

    numeric: tuple[str, ...] = ()
    boolean: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Return every column."""
        return self.numeric + self.boolean + self.categorical

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self.all)


def is_split(facts: Profile) -> bool:
    """Return whether the values are words for splits."""
    words = {split_of(value) for value, _ in facts.top}
    return 2 <= facts.distinct <= 10 and "" not in words and len(words) >= 2 and "train" in words


def key_columns(left: dict[str, Profile], pictures: set[str]) -> list[str]:
    """Return columns that name each row: those called an id first, even if a few rows lack one or repeat it; picture names last."""
    keys = [name for name, facts in left.items() if facts.is_key or (names_rows(facts) and name not in pictures)]
    answers = {name for name in keys if hinted(name, TARGET_NAMES) and not hinted(name, ID_NAMES)}
    targets = _possible_targets({name: facts for name, facts in left.items() if name not in pictures})
    of_others = (*USER_NAMES, *GROUP_NAMES)
    return sorted(
        (name for name in keys if name not in answers or set(targets) - {name}),  # the only target, such as a score, is no id
        key=lambda name: (name in pictures, name in answers, not hinted(name, ID_NAMES), hinted(name, of_others), not left[name].is_key),
    )


def names_rows(facts: Profile) -> bool:
    """Return whether a column is called an id, not that of a user or group, and nearly every row has a value of its own."""
    return facts.is_nearly_key and hinted(facts.name, ID_NAMES) and not hinted(facts.name, (*USER_NAMES, *GROUP_NAMES))


def time_columns(left: dict[str, Profile]) -> list[str]:
    """Return columns of times; of mere numbers only those that are called a time."""
    times = [name for name, facts in left.items() if facts.times >= 0.9 and (not facts.is_number or hinted(name, TIME_NAMES))]
    return sorted(times, key=lambda name: (not hinted(name, TIME_NAMES), -left[name].distinct))


def text_columns(left: dict[str, Profile]) -> tuple[str, ...]:
    """Return columns of sentences, the longest first; shorter ones only if they are sentences too."""
    texts = sorted((name for name, facts in left.items() if facts.is_text), key=lambda name: -left[name].words)
    return tuple(texts[:1] + [name for name in texts[1:] if left[name].words >= 5])


def target_columns(left: dict[str, Profile], table: str) -> list[str]:
    """Return the columns that can be the target, the likeliest first: by name, then by a small set of values.

    Raises:
        InputError: If there is none.
    """
    if candidates := _possible_targets(left):
        return candidates
    nearest = sorted((name for name, facts in left.items() if facts.distinct > 1), key=lambda name: left[name].distinct)[:5]
    shown = ", ".join(f"'{name[:40]}' ({left[name].distinct:,} values)" for name in nearest) or "none"
    constant = next((f" '{name[:40]}' is always the same." for name in left if left[name].distinct == 1 and hinted(name, TARGET_NAMES)), "")
    raise InputError(
        f"A target must be a column with 2 to 20 values of three rows each, on the mean, or one called label, target, class or rating "
        f"({table} has none).{constant} Nearest are: {shown}. Add a column of labels, or write the experiment by hand with dataset.target."
    )


def _possible_targets(left: dict[str, Profile]) -> list[str]:
    """Return the columns that can be the target, the likeliest first."""
    named = [name for name, facts in left.items() if hinted(name, TARGET_NAMES) and _can_be_target(facts)]
    few = [name for name, facts in left.items() if facts.few_values and not hinted(name, (*SIDE_NAMES, *GROUP_NAMES, *USER_NAMES))]
    order = list(left)
    named.sort(key=lambda name: (not left[name].few_values, left[name].distinct, TARGET_NAMES.index(_hint(name)), -order.index(name)))
    few.sort(key=lambda name: (left[name].distinct, -order.index(name)))
    return list(dict.fromkeys(named + few))


def _hint(name: str) -> str:
    return next(hint for hint in TARGET_NAMES if hinted(name, (hint,)))


def _can_be_target(facts: Profile) -> bool:
    """Return whether a column that is called a target can be one: classes, lists of labels, or numbers."""
    return facts.distinct >= 2 and (facts.is_number or facts.distinct * 2 <= facts.filled or _lists(facts))


def task_of(facts: Profile) -> TaskName:
    """Return the task that the target's values call for."""
    if _lists(facts):
        return "multilabel"
    return "regression" if facts.is_number and (facts.distinct > 20 or not facts.whole) else "classification"


def _lists(facts: Profile) -> bool:
    """Return whether the cells list several values."""
    return facts.lists >= 0.5 or sum("," in value or "|" in value for value, _ in facts.top) > len(facts.top) / 4


def group_columns(left: dict[str, Profile], cells: pd.DataFrame, content: list[str]) -> list[str]:
    """Return columns whose rows belong together: by name, or since rows with equal content always agree in them."""
    repeated = [
        name for name, facts in left.items() if FEWEST_GROUPS <= facts.distinct < facts.filled and facts.words < 3 and not facts.is_fraction
    ]
    named = [name for name in repeated if hinted(name, GROUP_NAMES) and not hinted(name, USER_NAMES)]
    unnamed = [name for name in _small_groups(left) if name in repeated and name not in named and not hinted(name, SIDE_NAMES)]
    return named + [name for name in unnamed if _binds(cells, name, content)]


def _small_groups(left: dict[str, Profile]) -> list[str]:
    """Return repeated keys of which no value has many rows: few large groups, such as languages, would leave a test of one kind."""
    keys = {name: facts for name, facts in left.items() if facts.is_repeated_key}
    return [name for name, facts in keys.items() if facts.top[0][1] <= max(LARGEST_GROUP * facts.rows, SMALL_GROUP)]


def _binds(cells: pd.DataFrame, name: str, content: list[str]) -> bool:
    """Return whether rows that share a text or picture nearly always share this column's value, and there are such rows."""
    for column in content:
        again = cells[cells[column].duplicated(keep=False) & ~is_missing(cells[column])]
        if len(again) >= 10 and (again.groupby(column)[name].nunique() == 1).mean() >= 0.99:
            return True
    return False


def user_columns(left: dict[str, Profile]) -> list[str]:
    """Return columns that name the author: by name, or as the one key of words that repeats."""
    keys = [name for name, facts in left.items() if facts.is_repeated_key and not names_rows(facts)]
    named = [name for name in keys if hinted(name, USER_NAMES)]
    words = [name for name in _small_groups(left) if name in keys and not left[name].is_number and not hinted(name, SIDE_NAMES)]
    return sorted(named, key=lambda name: not hinted(name, ID_NAMES)) + (words if len(words) == 1 else [])


def gives_away(column: pd.Series, facts: Profile, answers: pd.Series) -> bool:
    """Return whether each value goes with one answer only, often enough that it is no accident."""
    known = (column != "") & (answers != "")
    if not 2 <= facts.distinct <= 0.2 * facts.filled or known.sum() < 20:
        return False
    return bool((answers[known].groupby(column[known]).nunique() == 1).all() and answers[known].nunique() > 1)


def features_of(profiles: Iterable[Profile]) -> Features:
    """Return the columns that can be features, by kind."""
    usable = [facts for facts in profiles if facts.distinct >= 2 and not facts.lists and not hinted(facts.name, ID_NAMES)]
    boolean = [facts.name for facts in usable if facts.is_flag]
    numeric = [facts.name for facts in usable if facts.is_number and facts.name not in boolean]
    other = [facts for facts in usable if facts.name not in (*boolean, *numeric)]
    categorical = [facts.name for facts in other if facts.distinct <= 64 and facts.distinct * 3 <= facts.filled and facts.words < 3]
    return Features(numeric=tuple(numeric), boolean=tuple(boolean), categorical=tuple(categorical))
