"""The errors a person can mend, each with a stable code: the rule, the value, the next step."""

from collections.abc import Iterable
from difflib import get_close_matches


class GraphfuseError(Exception):
    """A problem the user can mend; printed without a traceback, exit status 2.

    Write messages in three parts: the rule, the value that broke it, the way out.
    """

    code = "E_INPUT"


class ConfigError(GraphfuseError):
    """Everything wrong with an experiment file, reported at once.

    Args:
        problems: One sentence each, starting with the path in the YAML (`model.hidden_channels: ...`).
    """

    code = "E_CONFIG"

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class InputError(GraphfuseError):
    """A table, picture, column or row cannot be used as the rules demand."""


class UnsafeError(GraphfuseError):
    """Something asked for would run code, or leave the folder it was given."""

    code = "E_UNSAFE"


class IntegrityError(GraphfuseError):
    """A file of a store or run is damaged, incomplete, or of a newer format."""

    code = "E_INTEGRITY"


class LockedError(GraphfuseError):
    """Another process is writing here."""

    code = "E_LOCKED"


class ResourceError(GraphfuseError):
    """Disk, memory or a declared limit does not suffice."""

    code = "E_RESOURCE"


class MissingDependencyError(GraphfuseError):
    """An optional package is not installed."""

    code = "E_CONFIG"

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f'{what} needs the package {package}. Run: pip install "graphfuse[{extra}]"')


MOST_NAMES = 60
"""Names that a message lists: as many as there are methods, and no thousand ids."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that offers the nearest known name, or all of them if they are few."""
    known = sorted(known)
    nearest = get_close_matches(name, known, n=1, cutoff=0.6)
    if nearest:
        return f"Did you mean '{nearest[0]}'?"
    if not known:
        return "There are none."
    more = f" and {len(known) - MOST_NAMES:,} more" if len(known) > MOST_NAMES else ""
    return f"Known names: {', '.join(known[:MOST_NAMES])}{more}."
