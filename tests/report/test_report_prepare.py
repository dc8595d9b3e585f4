"""What an analysis looks at is checked before any work."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from graphfuse.core.errors import InputError
from graphfuse.core.schema import TargetSchema
from graphfuse.report.prepare import _check_target, analysis_order
from graphfuse.store.frames import write_frame

TARGET = TargetSchema(kind="classification", columns=("label",), classes=("no", "yes"), class_counts=(3, 4))


def checked(target):
    _check_target(SimpleNamespace(target=TARGET), SimpleNamespace(target=target, path=Path("store")))


def test_a_store_of_other_counts_or_without_a_target_has_no_other_target():
    checked(replace(TARGET, class_counts=(7, 1)))
    checked(TargetSchema(kind="none"))


@pytest.mark.parametrize("other", [{"classes": ("yes", "no")}, {"columns": ("mood",)}, {"kind": "regression", "classes": ()}])
def test_a_store_with_another_target_is_refused(other):
    with pytest.raises(InputError, match=r"the run has classification of label \(no, yes\), store "):
        checked(replace(TARGET, **other))


def store_of(tmp_path: Path, splits: list[str]) -> SimpleNamespace:
    """Return what is asked of a store with posts p0, p1 ... of some splits."""
    samples = pd.DataFrame({"sample_id": [f"p{number}" for number in range(len(splits))], "split": splits})
    return SimpleNamespace(
        samples=samples, target=TARGET, path=tmp_path / "store", indices=lambda split: np.flatnonzero(samples["split"] == split)
    )


@pytest.fixture
def run(tmp_path: Path) -> SimpleNamespace:
    write_frame(tmp_path / "run" / "predictions-test.parquet", pd.DataFrame({"sample_id": ["p2", "p3"]}))
    return SimpleNamespace(path=tmp_path / "run", target=TARGET)


def test_rows_to_be_drawn_come_first(run: SimpleNamespace, tmp_path: Path) -> None:
    assert analysis_order(run, store_of(tmp_path, ["train", "train", "test", "test"]), ("p3",)).tolist() == [3, 2]


def test_rows_that_the_run_may_have_learned_from_are_not_analysed(run: SimpleNamespace, tmp_path: Path) -> None:
    """Another split of the same table: what is test there was train in the run."""
    with pytest.raises(InputError, match=r"the run's own test rows .*Give the store that it was trained on"):
        analysis_order(run, store_of(tmp_path, ["test", "train", "train", "test"]), ())
