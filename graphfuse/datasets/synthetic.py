"""Made posts whose label depends on which word goes with which region (planted cross-modal edges, known answer)."""

from dataclasses import dataclass
from pathlib import Path

from graphfuse.core.build import build
from graphfuse.core.sockets import Dataset, RowReader
from graphfuse.core.tables import Manifest
from graphfuse.making.posts import ensure_posts
from graphfuse.making.worlds import PostSettings

COLUMNS = {
    "name": "table",
    "sample_id": "post_id",
    "target": "label",
    "user_id": "author",
    "time": "created",
    "group": "story",
    "pictures": {"columns": ["image"], "folder": "images"},
    "users": {"path": "users.csv", "user_id": "id"},
    "interactions": {
        "path": "replies.csv",
        "interaction_id": "id",
        "sample_id": "post_id",
        "user_id": "who",
        "kind": "kind",
        "time": "when",
        "reply_to": "parent",
        "text": "body",
    },
    "split": {"by": "column", "column": "split"},
}
"""How made posts are read: as the `table` data set, so that they go the way of anyone's own files."""


@dataclass(frozen=True, kw_only=True)
class SyntheticDataset(PostSettings, Dataset):
    """Posts made by seed, written as real PNG and CSV files and then read like any table.

    Texts name (colour, shape) pairs, pictures show them; `text`, `image`, `redundant` and `combination` weigh where the
    label is, `level` and the other settings say how hard it is to find. `planted.csv` beside the posts holds the answer.
    """

    path: str = "synthetic"
    """Folder of its own for the files, relative to the experiment's; re-used while its settings and content are the same."""

    def manifest(self, folder: Path) -> Manifest:
        """Write the files where they are not there yet, and read them."""
        ensure_posts(folder / self.path, self.resolved())
        return self._table().manifest(folder)

    def for_prediction(self, table: Path) -> Dataset:
        """Return a data set that reads `table`, which has the columns of `posts.csv`, without target or split."""
        return self._table().for_prediction(table)

    def for_rows(self, folder: Path) -> RowReader:
        """Return a reader of rows like those of `posts.csv`."""
        return self._table().for_rows(folder)

    def picture_folder(self, folder: Path) -> Path | None:
        """Return the folder that picture paths are relative to; None if the posts were not made yet."""
        return self._table().picture_folder(folder)

    def _table(self) -> Dataset:
        dataset: Dataset = build("datasets", COLUMNS | {"path": f"{self.path}/posts.csv"}, "dataset")
        return dataset
