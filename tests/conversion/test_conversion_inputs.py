"""Whether an experiment's graphs are those of a store."""

from copy import deepcopy

import pytest

from graphfuse.conversion.inputs import check_trainable
from graphfuse.core.errors import ConfigError

RECIPE = {
    "dataset": {"name": "table", "path": "a.csv", "target": "label", "split": {"by": "random"}},
    "modalities": [{"name": "text", "column": "text", "encoder": {"name": "hashed_ngrams"}}],
    "edges": [{"name": "sequence"}],
}


def test_to_write_a_default_down_or_to_move_files_is_no_change() -> None:
    same = deepcopy(RECIPE)
    same["dataset"] |= {"format": None, "path": "elsewhere/b.csv", "split": {"by": "random", "seed": 0}}
    same["edges"][0]["reverse"] = True
    check_trainable(same, RECIPE)
    check_trainable(RECIPE, same)


def test_what_differs_is_named_setting_by_setting_with_a_way_out_that_works() -> None:
    other = deepcopy(RECIPE)
    other["dataset"]["split"]["seed"] = 3
    other["modalities"][0]["column"] = "body"
    other["edges"].append({"name": "membership"})
    with pytest.raises(ConfigError) as caught:
        check_trainable(other, RECIPE)
    way_out = "Undo the change, or convert into a new folder."
    assert caught.value.problems == [
        f"dataset.split.seed: the store was converted with 0 (got 3). {way_out}",
        f'modalities.0.column: the store was converted with "text" (got "body"). {way_out}',
        f"edges: the store was converted with sequence (got sequence, membership). {way_out}",
    ]


def test_plug_ins_that_may_not_be_imported_are_compared_as_they_are_written() -> None:
    mine = {**RECIPE, "edges": [{"name": "my_lab.edges:Hashtag", "top": 3}]}
    check_trainable(mine, deepcopy(mine))
    with pytest.raises(ConfigError, match=r"edges\.0\.top"):
        check_trainable({**mine, "edges": [{"name": "my_lab.edges:Hashtag", "top": 4}]}, mine)
