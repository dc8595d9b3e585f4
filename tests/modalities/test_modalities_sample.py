"""Every row has its one sample node."""

import numpy as np
import pytest
from modality_toys import manifest, modality, reasons

from graphfuse.core.errors import InputError
from graphfuse.core.schema import GraphSchema
from graphfuse.nn.pooling import informative_types


def test_it_is_constant_unless_columns_are_named():
    table = modality(name="sample").nodes(manifest(text=["x", "y"]), modality(name="sample").fit(manifest(text=["x"])))
    assert table.x.tolist() == [[1], [1]]
    assert table.sample.tolist() == [0, 1]
    assert table.units["sample_id"].tolist() == ["a", "b"]
    assert table.units["user_id"].tolist() == ["", ""]
    assert np.isnan(table.units["time"]).all()


def test_columns_of_the_row_become_its_features():
    rows = manifest(likes=["1", "3"], hot=["yes", "no"], land=["de", "fr"], user_id=["u", ""], time=[1.0, 2.0])
    sample = modality(name="sample", numeric=["likes"], boolean=["hot"], categorical=["land"], log=False)
    state = sample.fit(rows)
    table = sample.nodes(rows, state)
    assert table.x.tolist() == [[-1, 1, 1, 0, 0], [1, -1, 0, 1, 0]]
    assert table.units["user_id"].tolist() == ["u", ""]


def test_a_single_feature_is_told_from_none():
    rows = manifest(price=["1", "3"])
    sample = modality(name="sample", numeric=["price"], log=False)
    state = sample.fit(rows)
    assert sample.channels(state) == 2
    assert sample.nodes(rows, state).x.tolist() == [[-1, 1], [1, 1]]
    schema = GraphSchema(
        channels_by_node_type={"sample": 2, "text_span": 3}, modality_by_node_type={"sample": "sample", "text_span": "text"}, edge_types=()
    )
    assert informative_types(schema) == ("sample", "text_span")


def test_an_infinite_cell_is_counted_and_the_row_stays():
    sample = modality(name="sample", numeric=["likes"])
    state = sample.fit(manifest(likes=["1", "2"]))
    table = sample.nodes(manifest(likes=["1", "1e999"]), state)
    assert len(table) == 2
    assert reasons(table) == [("b", "not_finite")]


def test_a_missing_column_is_named_with_the_nearest():
    with pytest.raises(InputError, match=r"modalities.sample must name columns of samples: 'like' is not there. Did you mean 'likes'\?"):
        modality(name="sample", numeric=["like"]).fit(manifest(likes=["1"]))


@pytest.mark.parametrize(("name", "rest"), [("split", {}), ("time", {"time": [1.0], "time_in_file": ["31"]})])
def test_a_column_that_means_something_else_than_in_the_file_is_no_feature(name, rest):
    with pytest.raises(InputError, match=f"'{name}' is not read from the file"):
        modality(name="sample", categorical=[name]).fit(manifest(likes=["1"], **rest))


def test_a_column_whose_name_means_nothing_here_may_stand_beside_one_in_file():
    sample = modality(name="sample", numeric=["price", "price_in_file"])
    rows = manifest(price=["1", "2"], price_in_file=["3", "4"])
    assert sample.nodes(rows, sample.fit(rows)).x.shape == (2, 2)
