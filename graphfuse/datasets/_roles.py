"""Guess the roles of a table's columns and write the experiment that goes with them (`graphfuse init`)."""

from pathlib import Path

from graphfuse.datasets._experiment_text import write_experiment
from graphfuse.datasets._table_roles import guess_roles


def guess_experiment(table: Path, folder: Path | None = None) -> str:
    """Return an experiment for a table, with a comment on every guess: what it rests on and what else it could be.

    Args:
        table: The file, one row per sample; other tables are looked for beside it.
        folder: Where the experiment file will lie; None is the table's folder.

    Raises:
        InputError: If the table cannot be read, or no column can be the target.
    """
    return write_experiment(guess_roles(table), folder or table.parent)
