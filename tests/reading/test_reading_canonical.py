"""Columns of a table under the names that they have in a manifest."""

import pandas as pd
import pytest

from graphfuse.core.tables import Rejection
from graphfuse.reading.canonical import group_names
from graphfuse.reading.settings import Group


@pytest.mark.parametrize("nothing", ["", "NA", "null", "NaN", "[]", [], None])
def test_rows_whose_group_is_no_value_are_not_one_group(nothing: object) -> None:
    cells = pd.Series(["event 1", nothing, "event 2", nothing], dtype=object)
    keys, rejections = pd.Series(["a", "b", "c", "d"], dtype="str"), list[Rejection]()
    for group in (Group(column="event"), Group(column="event", pattern="^(event)")):
        assert group_names(cells, group, keys, rejections).tolist()[1::2] == ["", ""]
    assert not rejections
