"""Predictions for services and notebooks: a run opened once, then rows in and answers out, without touching the disk."""

from pathlib import Path
from threading import Lock

import pandas as pd

from graphfuse.conversion.new_rows import NewRows
from graphfuse.core.given import each_of
from graphfuse.core.sockets import Rows
from graphfuse.training.predict import EVALUATION_BATCH, predict_batches
from graphfuse.training.run import Run, open_plain_run


class Predictor:
    """A run that is ready to predict rows that a program holds.

    Rows go through the very functions, with the states, that made the run's store, so that a row of the test split gets the
    numbers of the evaluation. Many rows at once cost far less each than one by one; memory grows with the rows of one call, so
    give a large table in parts, or to `graphfuse.predict`. Several threads may share a predictor; they take turns.
    """

    run: Run

    def __init__(self, run: Run, folder: Path, allowed: tuple[str, ...] = ()) -> None:
        self.run = run
        self._new_rows = NewRows(run, folder, allowed)
        self._turn = Lock()  # thread counts and determinism are settings of the whole process

    def predict(self, rows: Rows, *, users: Rows | None = None, interactions: Rows | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return predictions, and what could not be used.

        Args:
            rows: A frame, or a mapping of column to cell per row, with the columns of the training table; the target may be missing.
            users: Rows of the users table; None takes those of the file.
            interactions: Rows of the interactions table; None takes those of the file.

        Returns:
            One row per usable row, in their order: `sample_id`, `target` where known, `prediction`, probabilities. And the
            quarantine: `table`, `row`, `key`, `column`, `reason`, `detail`, `dropped` (the whole row was left out).

        Raises:
            InputError: If the rows cannot be read, or none of them can be used.
        """
        with self._turn:
            graphs = self._new_rows.graphs(rows, users, interactions)
            return predict_batches(self.run, graphs.batches(EVALUATION_BATCH), graphs.samples), graphs.quarantine


def open_predictor(run: str | Path, *, folder: str | Path = ".", allowed: tuple[str, ...] = ()) -> Predictor:
    """Open a run to predict rows that a program holds.

    Args:
        run: A run that `train` wrote.
        folder: Where linked tables and pictures are looked up; paths in rows may not leave the picture folder.
        allowed: Packages outside graphfuse whose plug-ins may be imported.

    Raises:
        InputError: If there is no run, or it knows changed graphs only.
        IntegrityError: If it is not whole, damaged, or of a newer format.
        UnsafeError: If it names a plug-in outside graphfuse that is not allowed.
    """
    trusted = each_of(allowed)
    return Predictor(open_plain_run(run, trusted), Path(folder), trusted)
