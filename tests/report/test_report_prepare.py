"""What an analysis looks at is checked before any work."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from graphfuse.core.errors import InputError
from graphfuse.core.schema import TargetSchema
from graphfuse.report.prepare import _check_target

TARGET = TargetSchema(kind="classification", columns=("label",), classes=("no", "yes"), class_counts=(3, 4))


def checked(target):
    _check_target(SimpleNamespace(target=TARGET), SimpleNamespace(target=target, path=Path("store")))


def test_a_store_of_other_rows_or_without_a_target_can_be_analysed():
    checked(replace(TARGET, class_counts=(7, 1)))
    checked(TargetSchema(kind="none"))


@pytest.mark.parametrize("other", [{"classes": ("yes", "no")}, {"columns": ("mood",)}, {"kind": "regression", "classes": ()}])
def test_a_store_with_another_target_is_refused(other):
    with pytest.raises(InputError, match=r"the run has classification of label \(no, yes\), store "):
        checked(replace(TARGET, **other))
