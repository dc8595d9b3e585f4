"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, label)`."""


def silent(done: int, total: int, label: str) -> None:
    """Report nothing."""
