"""The leakage audit counts each text, picture or user that stands in train and in test rows, once."""

import numpy as np
import pandas as pd
import pytest

from graphfuse.conversion.contents import content_table, piece_digests, shared_contents
from graphfuse.core.tables import NodeTable


def spans(*texts):
    """Return a text table: one list of spans per sample."""
    sample = np.repeat(np.arange(len(texts)), [len(each) for each in texts])
    units = pd.DataFrame({"text": pd.Series([span for each in texts for span in each], dtype="str")})
    return NodeTable(node_type="text_span", sample=sample, x=np.zeros((len(sample), 1), dtype=np.float32), units=units)


def pictures(sample, picture, x):
    units = pd.DataFrame({"picture": np.array(picture)})
    table = np.array(x, dtype=np.float32).reshape(len(sample), -1)
    return NodeTable(node_type="image_region", sample=np.array(sample), x=table, units=units)


def people(sample, names):
    units = pd.DataFrame({"user_id": pd.Series(names, dtype="str")})
    return NodeTable(node_type="user", sample=np.array(sample), x=np.zeros((len(sample), 1), dtype=np.float32), units=units)


def test_texts_are_equal_where_all_their_spans_are_in_the_same_order():
    sample, digest = piece_digests(spans(["a b", "c"], ["c", "a b"], ["a b", "c"], [], ["a b"]))
    assert sample.tolist() == [0, 1, 2, 4]
    assert digest[0] == digest[2]
    assert len(set(digest.tolist())) == 3


def test_each_picture_of_a_sample_is_compared_by_the_features_of_its_regions():
    sample, digest = piece_digests(pictures([0, 0, 0, 1, 1], [0, 0, 1, 0, 0], [1, 2, 3, 1, 2]))
    assert sample.tolist() == [0, 0, 1]
    assert digest[0] == digest[2] != digest[1]


def test_every_user_of_a_sample_is_one_piece():
    sample, digest = piece_digests(people([0, 0, 1], ["ann", "bob", "ann"]))
    assert sample.tolist() == [0, 0, 1]
    assert digest[0] == digest[2] != digest[1]


def test_shared_content_is_counted_once_over_all_chunks_and_only_between_train_and_test():
    def chunk(split, texts, users):
        return content_table(pd.Series(split, dtype="str"), {"text_span": spans(*([text] for text in texts)), "user": users})

    tables = [
        chunk(["train", "train", "test"], ["same", "mine", "same"], people([0, 1, 2], ["ann", "bob", "ann"])),
        chunk(["test", "validation", ""], ["same", "mine", "mine"], people([0, 1, 2], ["bob", "bob", "bob"])),
    ]
    assert shared_contents(tables, ["text_span", "image_region", "user", "sample"]) == {"text_span": 1, "image_region": 0, "user": 2}


def test_users_without_an_id_are_nobody_in_common():
    users = content_table(pd.Series(["train", "test", "test"], dtype="str"), {"user": people([0, 1, 2], ["", "", "bob"])})
    assert shared_contents([users], ["user"]) == {"user": 0}
    assert len(users) == 1


@pytest.mark.parametrize("nodes", [{}, {"text_span": spans()}, {"text_span": spans([], [])}])
def test_chunks_without_content_have_an_empty_table_of_the_same_types(nodes):
    table = content_table(pd.Series(["train"] * 2, dtype="str"), nodes)
    assert len(table) == 0
    assert table.dtypes.astype("str").to_dict() == {"node_type": "str", "split": "str", "digest": "uint64"}
