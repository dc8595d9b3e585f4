import numpy as np
import pytest
import torch
from scipy import stats
from toy_training import SCHEMA, ToyFusion, made_store

from graphfuse.core.errors import IntegrityError
from graphfuse.core.schema import TargetSchema
from graphfuse.nn.pooling import row_weights
from graphfuse.tasks.multilabel import Multilabel
from graphfuse.training.checkpoint import read_tensors, write_tensors
from graphfuse.training.dropout import modality_weights
from graphfuse.training.loop import rows_of
from graphfuse.training.network import build_network
from graphfuse.training.summary import interval


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("store"))


def test_a_dropped_modality_is_dropped_for_whole_samples(store):
    batch = store.batch(np.arange(48))
    weights = modality_weights(batch, SCHEMA, {"image": 0.5}, seed=0, epoch=1)
    assert set(weights) == {"image_region"}
    per_sample = [set(weights["image_region"][batch["image_region"].batch == sample].tolist()) for sample in range(48)]
    assert all(len(values) <= 1 for values in per_sample)
    assert {0.0, 1.0} == set.union(*per_sample)


def test_the_draw_of_a_sample_does_not_depend_on_its_batch(store):
    whole, part = store.batch(np.arange(48)), store.batch([40, 7])
    of_whole = modality_weights(whole, SCHEMA, {"text": 0.5}, seed=3, epoch=2)["text_span"]
    of_part = modality_weights(part, SCHEMA, {"text": 0.5}, seed=3, epoch=2)["text_span"]
    chosen = torch.cat([of_whole[whole["text_span"].batch == sample] for sample in (40, 7)])
    assert torch.equal(of_part, chosen)


def test_a_network_is_told_from_which_probability_its_task_predicts_a_label():
    target = TargetSchema(kind="multilabel", columns=("p", "q"), classes=("p", "q"), class_counts=(1, 1), known_counts=(2, 2))
    tasks = Multilabel(threshold=0.3), Multilabel()
    assert [build_network(ToyFusion(), SCHEMA, task, target).threshold for task in tasks] == [0.3, 0.5]


@pytest.mark.parametrize(("chance", "weight"), [(0.0, 1.0), (1.0, 0.0)])
def test_chances_of_nought_and_one_are_certain(store, chance, weight):
    weights = modality_weights(store.batch(np.arange(48)), SCHEMA, {"text": chance}, seed=0, epoch=1)
    assert (weights["text_span"] == weight).all()


def test_no_modality_dropout_gives_no_weights(store):
    assert modality_weights(store.batch([0]), SCHEMA, {}, seed=0, epoch=1) is None


def test_the_interval_is_that_of_student():
    values = [0.7, 0.8, 0.75]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    found = interval(values)
    assert (found["low"], found["mean"], found["high"]) == pytest.approx((low, 0.75, high))


def test_one_seed_has_no_interval_and_an_undefined_value_stays_visible():
    assert interval([0.5]) == {"mean": 0.5, "std": None, "low": None, "high": None, "values": [0.5]}
    assert interval([0.5, None])["values"] == [0.5, None]


def test_an_infinite_value_has_a_mean_and_no_interval():
    assert interval([np.inf, 1.0]) == {"mean": np.inf, "std": None, "low": None, "high": None, "values": [np.inf, 1.0]}


def test_tensors_round_trip_with_plain_values(tmp_path):
    tensors = {"a": torch.randn(3, 2), "scalar": torch.tensor(2.0), "empty": torch.zeros(0, 4), "half": torch.ones(2, dtype=torch.bfloat16)}
    tensors["shared"] = tensors["a"][:1]
    write_tensors(tmp_path / "x.safetensors", tensors, {"epoch": 3, "score": float("-inf"), "word": "ä"})
    found, info = read_tensors(tmp_path / "x.safetensors")
    assert info == {"epoch": 3, "score": float("-inf"), "word": "ä"}
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_no_flipped_bit_goes_unnoticed(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.randn(4, 3), "b": torch.arange(5)}, {"epoch": 3})
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for bit in rng.choice(8 * len(content), 400, replace=False).tolist():
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(IntegrityError):
            read_tensors(path)


@pytest.mark.parametrize("length", [0, 7, 50, -1])
def test_a_torn_file_is_named_with_the_way_out(tmp_path, length):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.randn(4, 3)}, {})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(IntegrityError, match=r"x.safetensors must be a whole safetensors file of graphfuse .* --resume"):
        read_tensors(path)


def test_what_fits_on_rows_is_told_how_much_each_counts_where_the_data_set_says_so(tmp_path):
    counts = np.arange(48, dtype=np.float32)
    weighed, plain = made_store(tmp_path / "weighed", weights=counts), made_store(tmp_path / "plain")
    rows = rows_of(weighed, "train")
    np.testing.assert_array_equal(row_weights(rows).numpy(), counts[weighed.indices("train")])
    np.testing.assert_array_equal(row_weights(rows).numpy(), counts[weighed.indices("train")])
    assert row_weights(rows_of(plain, "train")) is None
