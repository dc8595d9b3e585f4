import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as oracle

from graphfuse.core.errors import InputError
from graphfuse.core.schema import TargetSchema
from graphfuse.tasks.multilabel import Multilabel

NAN = float("nan")


def lists(*values):
    return pd.DataFrame({"genres": pd.Series(list(values), dtype=object)})


def test_one_column_lists_labels():
    task = Multilabel()
    schema = task.fit(lists("red, green", "green", ""))
    assert schema.classes == ("green", "red")
    assert (schema.class_counts, schema.known_counts) == ((2, 1), (2, 2))
    y, unusable = task.encode(lists("red", "", "green,red"), schema)
    np.testing.assert_array_equal(y, [[0, 1], [NAN, NAN], [1, 1]])
    assert not unusable.any()


def test_json_lists_and_real_lists_are_read_too():
    task = Multilabel()
    schema = task.fit(lists('["a", "b"]', "[]", ["b"], np.array(["a"])))
    y, _ = task.encode(lists("[]", ["a", "b"]), schema)
    np.testing.assert_array_equal(y, [[0, 0], [1, 1]])


def test_nulls_and_blanks_in_a_list_are_no_labels():
    task = Multilabel()
    cells = lists('["a", null, " ", NaN]', ["b", None, "", NAN], np.array(["a", None], dtype=object), "a, ,b", "[null]")
    schema = task.fit(cells)
    assert schema.classes == ("a", "b")
    np.testing.assert_array_equal(task.encode(cells, schema)[0], [[1, 0], [0, 1], [1, 0], [1, 1], [0, 0]])


def test_brackets_nested_too_deep_for_a_list_are_text():
    task = Multilabel()
    deep = "[" * 100_000
    schema = task.fit(lists("a", "b"))
    y, unusable = task.encode(lists(deep, deep + "]" * 100_000, "a"), schema)
    assert unusable.tolist() == [True, True, False] and y[2].tolist() == [1, 0]


def test_an_empty_cell_may_mean_no_labels():
    task = Multilabel(empty="no_labels", separator="|")
    schema = task.fit(lists("a|b", ""))
    assert schema.known_counts == (2, 2)
    np.testing.assert_array_equal(task.encode(lists(""), schema)[0], [[0, 0]])


def test_an_unseen_label_makes_the_row_unusable():
    task = Multilabel()
    schema = task.fit(lists("a", "b"))
    y, unusable = task.encode(lists("a,zebra", "a"), schema)
    assert unusable.tolist() == [True, False]
    np.testing.assert_array_equal(y, [[NAN, NAN], [1, 0]])


def test_several_columns_hold_zero_and_one():
    task = Multilabel()
    table = pd.DataFrame({"sad": ["1", "0", "yes"], "glad": ["0", "", "No"]})
    schema = task.fit(table)
    assert schema.classes == ("sad", "glad")
    y, unusable = task.encode(table, schema)
    np.testing.assert_array_equal(y, [[1, 0], [0, NAN], [1, 0]])
    assert not unusable.any()
    _, unusable = task.encode(pd.DataFrame({"sad": ["maybe", ""], "glad": ["0", "1"]}), schema)
    assert unusable.tolist() == [True, False]


def test_numbers_and_booleans_hold_zero_and_one_too():
    table = pd.DataFrame({"sad": [1.0, 0.0, None], "glad": [True, False, True]})
    y, unusable = Multilabel().encode(table, Multilabel().fit(table))
    np.testing.assert_array_equal(y, [[1, 1], [0, 0], [NAN, 1]])
    assert not unusable.any()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (lists("", ""), "needs train rows with labels; 'genres' has none in 2 train rows"),
        (lists("a", "a"), "a label that some train rows have and others have not; none of 'a' is one"),
    ],
)
def test_nothing_to_learn_is_an_error_with_a_way_out(table, message):
    with pytest.raises(InputError, match=message):
        Multilabel().fit(table)


def test_metrics_equal_scikit_learn():
    task = Multilabel()
    schema = task.fit(lists("a,b", "c", "a", "b"))
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 3, generator=generator)
    y = (torch.rand(50, 3, generator=generator) < 0.4).float()
    probability = logits.double().sigmoid().numpy()
    predicted = probability >= 0.5
    assert task.metrics(logits, y, schema) == pytest.approx(
        {
            "micro_f1": oracle.f1_score(y, predicted, average="micro"),
            "macro_f1": oracle.f1_score(y, predicted, average="macro"),
            "hamming": oracle.hamming_loss(y, predicted),
            "macro_roc_auc": oracle.roc_auc_score(y, probability, average="macro"),
            "mean_average_precision": oracle.average_precision_score(y, probability, average="macro"),
        }
    )


def test_rows_with_equal_scores_share_their_place_in_rankings():
    y = torch.zeros(37, 1)
    y[-1] = 1
    schema = TargetSchema(kind="multilabel", columns=("a",), classes=("x",), class_counts=(337,), known_counts=(395,))
    for score in np.random.default_rng(0).normal(size=200).astype(np.float32):
        metrics = Multilabel().metrics(torch.full((37, 1), float(score)), y, schema)
        assert metrics["macro_roc_auc"] == 0.5
        assert metrics["mean_average_precision"] == pytest.approx(1 / 37)


def test_unknown_cells_do_not_count():
    task = Multilabel()
    schema = task.fit(lists("a", "b"))
    logits = torch.tensor([[2.0, -2.0], [2.0, 2.0]])
    result = task.metrics(logits, torch.tensor([[1.0, 0.0], [NAN, NAN]]), schema)
    assert result["hamming"] == 0
    assert "macro_roc_auc" not in result
    assert task.metrics(logits, torch.full((2, 2), NAN), schema) == {}


def test_predictions_join_the_labels():
    task = Multilabel()
    schema = task.fit(lists("a,b", "b"))
    table = task.predictions(torch.tensor([[2.0, 2.0], [-2.0, -2.0]]), schema)
    assert table["prediction"].tolist() == ["a,b", ""]
    assert list(table.columns) == ["prediction", "probability_a", "probability_b"]


def test_several_networks_are_combined_by_their_mean_probability():
    logits = [torch.tensor([[3.0, 0.0]]), torch.tensor([[-1.0, 100.0]])]
    expected = (logits[0].sigmoid() + logits[1].sigmoid()) / 2
    torch.testing.assert_close(Multilabel().combine(logits).sigmoid(), expected)


def test_balanced_weights_are_negatives_over_positives():
    task = Multilabel(weights="balanced")
    loss = task.criterion(task.fit(lists("a", "a,b", "a", "a")))
    torch.testing.assert_close(loss.positive_weight, torch.tensor([1.0, 3.0]))
