"""What cannot be written is refused with the rule, the value and the way out; what can is the same bytes every time."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from store_toys import FULL, SCHEMA, WORDS, toy_chunk, toy_store

from graphfuse.core.errors import InputError, IntegrityError
from graphfuse.core.tables import EdgeTable
from graphfuse.store.frames import read_frame, write_frame
from graphfuse.store.graph_store import open_store
from graphfuse.store.writer import read_state, write_entities, write_shard, write_state


def write(folder, nodes, edges=(), y=None, dtype="float16"):
    return write_shard(folder, 0, SCHEMA, num_samples=3, nodes=nodes, edges=edges, y=y, dtype=dtype)


@pytest.fixture
def chunk():
    return toy_chunk(np.array([[2, 3, 1], [1, 1, 2], [4, 2, 1]]), np.random.default_rng(0))


def with_feature(nodes, value):
    x = nodes["text_span"].x.copy()
    x[0, 0] = value
    return {**nodes, "text_span": replace(nodes["text_span"], x=x)}


def test_same_input_gives_the_same_bytes(tmp_path):
    one, two = toy_store(tmp_path / "one", FULL), toy_store(tmp_path / "two", FULL)

    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(names) > 15
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_order_of_edges_from_a_builder_does_not_matter(tmp_path, chunk):
    nodes, edges = chunk
    turned = [EdgeTable(edge_type=e.edge_type, index=e.index[:, ::-1], weight=None if e.weight is None else e.weight[::-1]) for e in edges]

    assert write(tmp_path / "one", nodes, edges)["files"] == write(tmp_path / "two", nodes, turned[::-1])["files"]


def test_tables_of_one_edge_type_are_joined(tmp_path, chunk):
    nodes, _ = chunk
    edges = [
        EdgeTable(edge_type=WORDS, index=np.array([[0], [0]])),
        EdgeTable(edge_type=WORDS, index=np.array([[1], [0]]), weight=np.array([0.5], dtype=np.float32)),
    ]

    record = write(tmp_path, nodes, edges)

    assert record["edges"]["text_span__resembles__image_region"] == 2
    assert record["weighted"] == ["text_span__resembles__image_region"]


def test_features_too_large_for_float16_are_refused_and_fit_in_float32(tmp_path, chunk):
    nodes = with_feature(chunk[0], 70_000)

    with pytest.raises(InputError, match=r"'text_span' must stay within ±65,504 in float16 .got 7e\+04.*convert.dtype: float32"):
        write(tmp_path, nodes)
    assert write(tmp_path, nodes, dtype="float32")["dtype"] == "float32"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_refused(tmp_path, chunk, value):
    with pytest.raises(InputError, match="'text_span' must be finite"):
        write(tmp_path, with_feature(chunk[0], value))
    with pytest.raises(InputError, match="'user' must be finite"):
        write_entities(tmp_path, "user", np.full((1, 4), value, dtype=np.float32), "float16")
    assert not list(tmp_path.rglob("*.safetensors"))


def test_largest_float16_is_kept(tmp_path, chunk):
    write(tmp_path, with_feature(chunk[0], 65_504))


def test_edge_between_two_samples_is_refused(tmp_path, chunk):
    with pytest.raises(InputError, match="must join nodes of one sample"):
        write(tmp_path, chunk[0], [EdgeTable(edge_type=WORDS, index=np.array([[0], [5]]))])


def test_edge_to_a_node_that_does_not_exist_is_refused(tmp_path, chunk):
    with pytest.raises(InputError, match="rows 0 to 5 of 'image_region'"):
        write(tmp_path, chunk[0], [EdgeTable(edge_type=WORDS, index=np.array([[0], [60]]))])


@pytest.mark.parametrize("weight", [1.5, -0.1, np.nan])
def test_weight_outside_zero_to_one_is_refused(tmp_path, chunk, weight):
    edges = [EdgeTable(edge_type=WORDS, index=np.array([[0], [0]]), weight=np.array([weight], dtype=np.float32))]

    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        write(tmp_path, chunk[0], edges)


def test_type_outside_the_schema_is_named(tmp_path, chunk):
    with pytest.raises(InputError, match="got 'sound'"):
        write(tmp_path, {**chunk[0], "sound": chunk[0]["sample"]})


def test_nodes_out_of_order_are_refused(tmp_path, chunk):
    nodes = {**chunk[0], "text_span": replace(chunk[0]["text_span"], sample=chunk[0]["text_span"].sample[::-1])}

    with pytest.raises(InputError, match="'text_span' must stand in the order of their samples"):
        write(tmp_path, nodes)


def test_shared_node_without_its_entity_is_refused(tmp_path, chunk):
    with pytest.raises(InputError, match="'user' are shared"):
        write(tmp_path, {**chunk[0], "user": replace(chunk[0]["user"], entity=None)})


def test_targets_keep_their_kind_and_their_gaps(tmp_path, chunk):
    assert write(tmp_path, chunk[0], y=np.array([0, -1, 2], dtype=np.int32))["y"] == {"dtype": "int64", "shape": []}
    assert write(tmp_path, chunk[0], y=np.array([[0.5, np.nan]] * 3))["y"] == {"dtype": "float32", "shape": [2]}
    with pytest.raises(InputError, match="got infinity"):
        write(tmp_path, chunk[0], y=np.array([0.0, np.inf, 1.0]))
    with pytest.raises(InputError, match=r"one per sample: 3 .got 2"):
        write(tmp_path, chunk[0], y=np.array([0, 1]))


def test_state_comes_back_as_it_was(tmp_path):
    state = {
        "mean": np.arange(3.0),
        "classes": np.arange(4, dtype=np.uint8),
        "scale": np.array(2.5),
        "none": np.zeros((0, 3), dtype=np.float32),
    }

    write_state(tmp_path, "modalities-0-text", state)
    back = read_state(tmp_path, "modalities-0-text")

    assert back.keys() == state.keys()
    for name, array in state.items():
        assert back[name].dtype == array.dtype
        assert np.array_equal(back[name], array)
        assert back[name].shape == array.shape


def test_empty_state_is_a_state(tmp_path):
    write_state(tmp_path, "edges-0-sequence", {})

    assert read_state(tmp_path, "edges-0-sequence") == {}


def test_frame_comes_back_as_it_was(tmp_path):
    frame = pd.DataFrame({"id": ["001", "", "null"], "row": [1, 2, 3], "time": [0.5, np.nan, 1e300], "dropped": [True, False, True]})
    frame["many"] = [["a", "b"], [], ["c"]]

    write_frame(tmp_path / "frame.parquet", frame)
    back = read_frame(tmp_path / "frame.parquet")

    pd.testing.assert_frame_equal(back.drop(columns="many"), frame.drop(columns="many"))
    assert [list(cell) for cell in back["many"]] == frame["many"].tolist()


def test_frame_with_a_flipped_bit_is_refused(tmp_path):
    path = tmp_path / "frame.parquet"
    write_frame(path, pd.DataFrame({"text": [f"post {i}" for i in range(1000)]}))
    content = bytearray(path.read_bytes())
    content[500] ^= 4
    path.write_bytes(content)

    with pytest.raises(IntegrityError, match=r"frame.parquet must be a whole Parquet file"):
        read_frame(path)


def test_column_of_mixed_types_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"frame.parquet must hold values of one type"):
        write_frame(tmp_path / "frame.parquet", pd.DataFrame({"id": ["a", 1]}))


def test_chunk_without_any_node_of_a_type_is_written_empty(tmp_path):
    nodes, edges = toy_chunk(np.zeros((2, 3), dtype=np.int64), np.random.default_rng(0))
    del nodes["text_span"]

    record = write_shard(tmp_path, 0, SCHEMA, num_samples=2, nodes=nodes, edges=edges, y=None, dtype="float16")

    assert record["nodes"] == {"text_span": 0, "image_region": 0, "user": 0, "sample": 2}
    assert record["weighted"] == [
        "text_span__resembles__image_region",
    ]


def test_store_without_samples_opens(tmp_path):
    store = open_store(toy_store(tmp_path, []))

    assert len(store) == 0
    with pytest.raises(InputError, match="must have samples"):
        store.batches()
