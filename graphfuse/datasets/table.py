"""A table of posts or products (CSV, TSV, JSONL, Parquet) with linked users, interactions and joined columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from graphfuse.core.columns import with_columns
from graphfuse.core.sockets import Dataset, RowReader
from graphfuse.core.tables import Manifest, Rejection
from graphfuse.reading.canonical import group_names, identify, name_conflicts, set_aside
from graphfuse.reading.joins import join_tables, missing_keys
from graphfuse.reading.linked import InteractionsTable, LinkedTables, UsersTable, link_tables, missing_linked_columns, read_times
from graphfuse.reading.picture_names import list_pictures
from graphfuse.reading.raw_table import RawTable, read_tables
from graphfuse.reading.rejecting import as_ids, missing_columns, raise_problems
from graphfuse.reading.settings import Format, Group, Interactions, Join, Paths, Pictures, Split, Users, Weight, listed, split_of
from graphfuse.reading.sources import Sources, locate
from graphfuse.reading.splits import assign_splits
from graphfuse.reading.weights import sample_weights

if TYPE_CHECKING:
    from graphfuse.datasets._new_rows import NewRows


@dataclass(frozen=True, kw_only=True)
class Table(Dataset):
    """One row per sample, in one or several files.

    Every scalar cell is text, whatever the format: numbers, flags and times get their meaning where they are used
    (`core.columns`). Ids are text, byte for byte but for Unicode composition. Each row of the files is a sample or a dropped
    rejection. File names in these settings are the person's own and may lie anywhere; linked tables are looked up beside the
    experiment file, then beside the table. A column called `time` is kept as `time_in_file` while the setting `time` is null, and
    so for `sample_id`, `user_id`, `group`, `split`, `pictures` and `sample_weight`. Names inside the files (pictures) may not leave the picture folder.
    """

    path: Paths | Mapping[str, str]
    """A file, relative to the experiment file; or a list of files read one below the other; or `{train: ..., test: ...}`."""
    format: Format | None = None
    """None goes by the extension, and for TSV by whether quotes enclose cells."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """New name -> name in the file, applied on reading to each file that has it."""
    sample_id: str | None = None
    """None takes the row number."""
    target: Paths | None = None
    """A column, or several."""
    user_id: str | None = None
    """Column of the author's id."""
    time: str | None = None
    group: str | Group | None = None
    pictures: Pictures | None = None
    users: Users | None = None
    interactions: Interactions | None = None
    joins: tuple[Join, ...] = ()
    split: Split | None = None
    """None splits by group if there is one, else by time if there is one, else at random."""
    weight: Weight | None = None
    """How much a row counts in training; None counts every row the same."""

    def __post_init__(self) -> None:
        by = self.split.by if self.split is not None else None
        if isinstance(self.path, Mapping):
            unknown = [word for word in self.path if not split_of(word)]
            if unknown:
                raise ValueError(f"path must name train, validation or test files, not '{unknown[0][:40]}'")
            if by == "column":
                raise ValueError("path gives the split by file already; split by random, group or time takes validation out of train")
        if by == "group" and self.group is None:
            raise ValueError("split by group needs the setting `group`")
        if by == "time" and self.time is None:
            raise ValueError("split by time needs the setting `time`")

    def manifest(self, folder: Path) -> Manifest:
        """Read and check the files.

        Raises:
            InputError: If files or columns are missing (all at once, with the nearest names), ids repeat, or no row of train is
                left.
        """
        sources = self._locate(Path(folder), self._sample_files(Path(folder)))
        raw = read_tables(sources.samples, self._format_of_samples(), "samples", self.rename)
        return self._manifest(raw, self._read_linked(sources), sources)

    def for_prediction(self, table: Path) -> "Table":
        """Return this data set reading `table`: no split, and the target may be missing.

        Linked tables, joined tables and the picture folder are looked up beside `table` first, then where they were. New rows
        may come without users, interactions, pictures, author or time; each thing that is not there is rejected once. The
        interactions may hold those of other samples, which are passed over.
        """
        return self._new_rows(Path(table).absolute())

    def for_rows(self, folder: Path) -> RowReader:
        """Return a reader of rows that a program holds, to which the rules of `for_prediction` apply.

        Linked and joined tables are read now, once; they and the picture folder are looked up in `folder` first.
        """
        return self._new_rows(Path(folder).absolute() / "rows").reader(Path(folder))

    def picture_folder(self, folder: Path) -> Path | None:
        """Return the folder that picture paths are relative to, without reading anything; None if it is not there."""
        if self.pictures is None:
            return None
        return next((path for path in self._picture_candidates(folder, self.pictures.folder) if path.is_dir()), None)

    def _new_rows(self, table: Path) -> "NewRows":
        from graphfuse.datasets._new_rows import NewRows  # which is a Table

        return NewRows(**{item.name: getattr(self, item.name) for item in fields(Table)}, input=str(table))

    def _manifest(self, raw: RawTable, tables: LinkedTables, sources: Sources) -> Manifest:
        """Check what was read, and lay it in the canonical columns."""
        users, interactions, joins = tables
        self._check_columns(raw, users, interactions, joins)
        # 1. one row per sample
        frame, unjoined = join_tables(raw.frame, joins)
        rejections = [*raw.rejections, *sources.rejections, *self._absent_columns(frame), *unjoined]
        frame, ids = identify(raw, set_aside(frame, self._source_columns()), self.sample_id, rejections)
        # 2. canonical columns
        samples = with_columns(frame, self._canonical(frame, ids, sources, rejections))
        # 3. linked tables
        linked, unlinked = link_tables(samples, users, interactions, strangers=self._is_new())
        rejections += unlinked
        # 4. split and weigh
        if not self._is_new():
            samples["split"] = self._splits(samples, raw, rejections)
            if self.weight is not None:
                samples["sample_weight"] = sample_weights(samples, self.weight)
        samples.index = pd.RangeIndex(len(samples))
        return Manifest(samples=samples, linked=linked, root=sources.pictures, target=self._targets(samples), rejections=tuple(rejections))

    # Where the files are

    def _locate(self, folder: Path, samples: Sequence[Path]) -> Sources:
        return locate(
            samples,
            lambda name: self._candidates(folder, name),
            users=self.users,
            interactions=self.interactions,
            joins=self.joins,
            pictures=self.pictures,
            picture_candidates=lambda name: self._picture_candidates(folder, name),
            needed=not self._is_new(),
        )

    def _read_linked(self, sources: Sources) -> LinkedTables:
        users = interactions = None
        if self.users is not None and sources.users:
            users = self.users, read_tables(sources.users, self.users.format, "users")
        if self.interactions is not None and sources.interactions:
            interactions = self.interactions, read_tables(sources.interactions, self.interactions.format, "interactions")
        pairs = zip(self.joins, sources.joins, strict=True)
        return users, interactions, [(join, read_tables(paths, join.format, paths[0].name)) for join, paths in pairs]

    def _sample_files(self, folder: Path) -> list[Path]:
        return [folder / name for name in self._names()]

    def _names(self) -> tuple[str, ...]:
        return tuple(self.path.values()) if isinstance(self.path, Mapping) else listed(self.path)

    def _candidates(self, folder: Path, name: str) -> list[Path]:
        """Return where a linked file may lie: beside the experiment file, then beside the table."""
        return [folder / name, (folder / self._names()[0]).parent / name]

    def _picture_candidates(self, folder: Path, name: str) -> list[Path]:
        """Return where the picture folder may lie: beside the table."""
        return [(folder / self._names()[0]).parent / name]

    def _format_of_samples(self) -> Format | None:
        return self.format

    # What the columns mean

    def _group(self) -> Group | None:
        return Group(column=self.group) if isinstance(self.group, str) else self.group

    def _source_columns(self) -> dict[str, tuple[str, ...]]:
        """Return the columns that each canonical column is read from; none where the setting is null."""
        group = self._group()
        return {
            "sample_id": listed(self.sample_id or ()),
            "user_id": listed(self.user_id or ()),
            "time": listed(self.time or ()),
            "group": (group.column,) if group else (),
            "pictures": self.pictures.columns if self.pictures else (),
            "sample_weight": (self.weight.repeats,) if self.weight else (),
            "source_row": (),
            "split": ("split",) if self.split is not None and self.split.column == "split" else (),
        }

    def _wanted(self) -> list[tuple[str, str]]:
        """Return every column that the samples must have, with the setting that asks for it."""
        wanted = [(setting, column) for setting, columns in self._source_columns().items() for column in columns]
        wanted += [("target", column) for column in listed(self.target or ())]
        if self.split is not None and self.split.column is not None:
            wanted.append(("split.column", self.split.column))
        return wanted

    def _check_columns(
        self,
        raw: RawTable,
        users: UsersTable | None,
        interactions: InteractionsTable | None,
        joins: list[tuple[Join, RawTable]],
    ) -> None:
        """Raise one error for all columns that are missing, or whose name has another meaning."""
        own = list(raw.frame.columns)
        known = [*own, *(name for _, table in joins for name in table.frame.columns)]
        problems = self._missing_renames(own)
        problems += missing_columns(self._wanted(), known, "the table")
        problems += name_conflicts(known, self._source_columns(), {column for _, column in self._wanted()})
        problems += missing_keys(joins, own)
        problems += missing_linked_columns(users, interactions)
        raise_problems(problems)

    def _absent_columns(self, frame: pd.DataFrame) -> list[Rejection]:
        return []

    def _missing_renames(self, known: list[str]) -> list[str]:
        absent = [(f"rename.{new}", old) for new, old in self.rename.items() if new not in known]
        return missing_columns(absent, known, "the table")

    def _canonical(self, samples: pd.DataFrame, keys: pd.Series, sources: Sources, rejections: list[Rejection]) -> dict[str, Any]:
        """Return the canonical columns that the data has; `keys` are the samples' ids."""
        columns: dict[str, Any] = {"sample_id": keys, "source_row": samples.index.to_numpy(dtype=np.int64)}
        if self.user_id is not None and self.user_id in samples:
            columns["user_id"] = as_ids(samples[self.user_id])
        if self.time is not None and self.time in samples:
            columns["time"] = read_times(samples, self.time, "samples", keys, rejections)
        group = self._group()
        if group is not None and group.column in samples:
            columns["group"] = group_names(samples[group.column], group, keys, rejections)
        if self.pictures is not None and set(self.pictures.columns) & set(samples):
            columns["pictures"], unresolved = list_pictures(samples, self.pictures, sources.pictures, keys)
            rejections += unresolved
        return columns

    def _targets(self, samples: pd.DataFrame) -> tuple[str, ...]:
        """Return the target columns, or none if the table lacks one (only new rows may)."""
        targets = listed(self.target or ())
        return targets if set(targets) <= set(samples.columns) else ()

    def _is_new(self) -> bool:
        return False

    def _splits(self, samples: pd.DataFrame, raw: RawTable, rejections: list[Rejection]) -> np.ndarray:
        split = self.split or Split(by="group" if self.group is not None else "time" if self.time is not None else "random")
        targets = listed(self.target or ())
        by_file = None
        if isinstance(self.path, Mapping):
            starts = [first for _, first in raw.origin]
            number = np.searchsorted(starts, samples["source_row"].to_numpy(), side="right") - 1
            by_file = pd.Series([split_of(word) for word in self.path], dtype="str").iloc[number]
        labels, problems = assign_splits(samples, split, targets[0] if len(targets) == 1 else None, by_file)
        rejections += problems
        return labels
