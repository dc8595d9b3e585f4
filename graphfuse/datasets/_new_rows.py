"""The `table` data set on new rows, which may lack what training rows must have."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from graphfuse.core.columns import text_array
from graphfuse.core.sockets import RowReader, Rows
from graphfuse.core.tables import Manifest, Rejection
from graphfuse.datasets.table import Table
from graphfuse.reading.linked_rows import LinkedRows
from graphfuse.reading.raw_table import table_of_rows
from graphfuse.reading.rejecting import missing_columns
from graphfuse.reading.settings import Format
from graphfuse.reading.sources import Sources


@dataclass(frozen=True, kw_only=True)
class NewRows(Table):
    """The same settings on a table of new rows."""

    input: str

    def reader(self, folder: Path) -> RowReader:
        """Return a function that reads rows as if `input`, which need not be there, held them."""
        sources = self._locate(folder, ())
        linked = LinkedRows(self._read_linked(sources), self.users, self.interactions, sample_id=self.sample_id, user_id=self.user_id)

        def read(rows: Rows, *, users: Rows | None = None, interactions: Rows | None = None) -> Manifest:
            raw = table_of_rows(rows, rename=self.rename)
            given = {name for name, table in (("users", users), ("interactions", interactions)) if table is not None}
            absent = tuple(rejection for rejection in sources.rejections if rejection.table not in given)
            return self._manifest(raw, linked.of(raw, users, interactions), replace(sources, rejections=absent))

        return read

    def _sample_files(self, folder: Path) -> list[Path]:
        return [Path(self.input)]

    def _candidates(self, folder: Path, name: str) -> list[Path]:
        return [*self._beside(name), *super()._candidates(folder, name)]

    def _picture_candidates(self, folder: Path, name: str) -> list[Path]:
        return [*self._beside(name), *super()._picture_candidates(folder, name)]

    def _beside(self, name: str) -> list[Path]:
        beside = Path(self.input).parent
        return [beside / name, beside / Path(name).name]

    def _format_of_samples(self) -> Format | None:
        """Return the set format only for a file that looks like the original."""
        same = Path(self.input).suffix.lower() == Path(self._names()[0]).suffix.lower()
        return self.format if same else None

    def _wanted(self) -> list[tuple[str, str]]:
        return [(setting, column) for setting, column in super()._wanted() if setting == "sample_id"]

    def _absent_columns(self, frame: pd.DataFrame) -> list[Rejection]:
        """Return one rejection per column without which the rows are used as they are."""
        wanted = [(setting, column) for setting, column in super()._wanted() if setting in ("user_id", "time", "pictures")]
        return [
            Rejection(table="samples", row=-1, key="", column=column, reason="column_missing", detail=problem)
            for setting, column in wanted
            for problem in missing_columns([(setting, column)], frame.columns, "the table")
        ]

    def _missing_renames(self, known: list[str]) -> list[str]:
        return []

    def _is_new(self) -> bool:
        return True

    def _canonical(self, samples: pd.DataFrame, keys: pd.Series, sources: Sources, rejections: list[Rejection]) -> dict[str, Any]:
        """Return the canonical columns that the data has; new rows belong to no split."""
        return {**super()._canonical(samples, keys, sources, rejections), "split": text_array([""] * len(samples))}
