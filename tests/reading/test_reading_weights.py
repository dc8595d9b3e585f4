"""Rows that say the same count together as one."""

import pandas as pd
import pytest

from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError
from graphfuse.reading.settings import Weight
from graphfuse.reading.weights import sample_weights


def weights(texts, splits=None, **settings):
    frame = pd.DataFrame({"text": texts, "split": splits or ["train"] * len(texts)})
    return sample_weights(frame, Weight(repeats="text", **settings)).tolist()


def test_repeats_share_the_weight_of_one_row():
    assert weights(["A storm", "a storm", "A STORM", "a flood"]) == [1 / 3, 1 / 3, 1 / 3, 1]


def test_what_is_ignored_does_not_tell_rows_apart():
    texts = ["Look! http://t.co/a", "look http://t.co/b", "look"]
    assert weights(texts, ignore=r"https?://\S+|\W+") == [1 / 3, 1 / 3, 1 / 3]
    assert weights(texts) == [1, 1, 1]
    assert weights(["RT @a storm", "rt @b storm"], ignore=r"^RT @\w+ ") == [1 / 2, 1 / 2]


def test_rows_that_say_nothing_repeat_no_other():
    assert weights(["", "http://t.co/a", "http://t.co/b", "a"], ignore=r"https?://\S+") == [1, 1, 1, 1]


def test_test_rows_do_not_change_what_a_train_row_weighs():
    assert weights(["a", "a", "a", "b"], ["train", "train", "test", "train"]) == [0.5, 0.5, 1, 1]


def test_a_manifest_has_the_weights_and_new_rows_need_none(tmp_path):
    frame = pd.DataFrame({"text": ["a", "A", "b", "c"], "label": ["x", "y", "x", "y"], "part": ["train", "train", "train", "test"]})
    frame.to_csv(tmp_path / "posts.csv", index=False)
    settings = {
        "path": "posts.csv",
        "target": "label",
        "weight": {"repeats": "text"},
        "split": {"by": "column", "column": "part", "validation": 0},
    }
    data = build("datasets", {"name": "table", **settings}, "dataset")
    assert data.manifest(tmp_path).samples["sample_weight"].tolist() == [0.5, 0.5, 1, 1]
    frame[["label"]].to_csv(tmp_path / "new.csv", index=False)
    assert "sample_weight" not in data.for_prediction(tmp_path / "new.csv").manifest(tmp_path).samples


@pytest.mark.parametrize(("setting", "said"), [({"repeats": "text", "ignore": "("}, "regular expression"), ({"repeats": "txt"}, "text")])
def test_a_wrong_setting_is_named(tmp_path, setting, said):
    pd.DataFrame({"text": ["a", "b"]}).to_csv(tmp_path / "posts.csv", index=False)
    with pytest.raises(Exception, match=said) as error:
        build("datasets", {"name": "table", "path": "posts.csv", "weight": setting}, "dataset").manifest(tmp_path)
    assert "weight" in str(error.value)
    assert isinstance(error.value, ConfigError) == ("ignore" in setting)
