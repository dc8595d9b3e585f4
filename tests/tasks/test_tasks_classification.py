import warnings
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as oracle

from graphfuse.comparison.resampling import resampled_metric
from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError, InputError
from graphfuse.nn.losses import FocalLoss
from graphfuse.tasks._metrics import class_scores
from graphfuse.tasks.classification import Classification


def frame(*values):
    return pd.DataFrame({"label": list(values)})


def fitted(*values):
    task = Classification()
    return task, task.fit(frame(*values))


def test_classes_are_sorted_and_counted():
    _, schema = fitted("real", "fake", "", "real")
    assert schema.classes == ("fake", "real")
    assert schema.class_counts == (1, 2)


def test_classes_that_are_numbers_are_sorted_by_value():
    _, schema = fitted("10", "9", "-1")
    assert schema.classes == ("-1", "9", "10")


def test_classes_are_known_however_a_program_read_them():
    task, schema = fitted("1.0", "True", "02")
    y, unusable = task.encode(frame("1", "true", 2, "1.00", "TRUE", "3"), schema)
    assert [schema.classes[number] for number in y[:5]] == ["1.0", "True", "02", "1.0", "True"]
    assert unusable.tolist() == [False] * 5 + [True]


def test_classes_that_differ_only_in_how_they_are_written_stay_apart():
    task, schema = fitted("1", "1.0")
    y, unusable = task.encode(frame("1", "1.0", "1.00"), schema)
    assert [schema.classes[number] for number in y[:2]] == ["1", "1.0"]
    assert unusable.tolist() == [False, False, True]


def test_a_class_named_nan_stands_among_the_texts_wherever_its_row_stands():
    orders = {fitted(*rows)[1].classes for rows in permutations(["10", "nan", "9", "inf", "-1"])}
    assert orders == {("-1", "9", "10", "inf", "nan")}


def test_whole_numbers_stay_whole_beside_missing_cells():
    task, schema = fitted(1.0, 0.0, None)
    assert schema.classes == ("0", "1")
    y, unusable = task.encode(frame(1, 0), schema)
    assert y.tolist() == [1, 0]
    assert not unusable.any()


def test_a_missing_target_is_unlabelled_and_an_unseen_class_is_reported():
    task, schema = fitted("a", "b")
    y, unusable = task.encode(frame("b", "", None, "c"), schema)
    assert y.dtype == np.int64
    assert y.tolist() == [1, -1, -1, -1]
    assert unusable.tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "a", ""], "at least two classes among the train rows; 'label' has only 'a'. Check dataset.target"),
        (["", "", ""], "train rows with a target; the column 'label' has none in 3 train rows"),
        ([], "has none in 0 train rows"),
    ],
)
def test_too_few_classes_are_an_error_with_a_way_out(values, message):
    with pytest.raises(InputError, match=message):
        Classification().fit(pd.DataFrame({"label": pd.Series(values, dtype="str")}))


def test_several_columns_are_an_error_that_names_multilabel():
    with pytest.raises(InputError, match="use the task multilabel"):
        Classification().fit(pd.DataFrame({"a": ["0", "1"], "b": ["0", "1"]}))


def test_binary_metrics_equal_scikit_learn():
    task, schema = fitted("a", "b")
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(40, 2, generator=generator)
    y = torch.randint(0, 2, (40,), generator=generator)
    probability = logits.double().softmax(-1).numpy()
    predicted = probability.argmax(1)
    result = task.metrics(torch.cat([logits, logits[:3]]), torch.cat([y, torch.full((3,), -1)]), schema)
    truth = y.numpy()
    assert result == pytest.approx(
        {
            "accuracy": oracle.accuracy_score(truth, predicted),
            "balanced_accuracy": oracle.balanced_accuracy_score(truth, predicted),
            "macro_f1": oracle.f1_score(truth, predicted, average="macro"),
            "f1": oracle.f1_score(truth, predicted),
            "roc_auc": oracle.roc_auc_score(truth, probability[:, 1]),
            "average_precision": oracle.average_precision_score(truth, probability[:, 1]),
            "log_loss": oracle.log_loss(truth, probability),
        }
    )


@pytest.mark.parametrize(("classes", "sign"), [("ab", 1), ("ab", -1), ("abc", 1)])
def test_rows_of_which_a_network_is_very_sure_are_still_told_apart(classes, sign):
    task, schema = fitted(*classes)
    logits = torch.zeros(4, len(classes))
    logits[:, 1] = sign * torch.tensor([40.0, 50.0, 38.0, 60.0])
    y = torch.tensor([0, 1, 0, 1]) if sign > 0 else torch.tensor([1, 0, 1, 0])
    area, _ = resampled_metric(task, "roc_auc", logits, y, schema)
    assert task.metrics(logits, y, schema)["roc_auc"] == area(np.ones((4, 1))) == 1.0


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_scores_for_rankings_are_in_the_order_of_probabilities_and_equal_where_rows_are(classes):
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randn(500, classes, generator=generator) * 4
    probability, score = logits.double().softmax(-1).numpy(), class_scores(logits.double().log_softmax(-1))
    for column in range(classes):
        assert (np.diff(score[np.argsort(probability[:, column]), column]) >= 0).all()
    for row in logits[:50]:
        assert len(np.unique(class_scores(row.double().repeat(37, 1).log_softmax(-1)), axis=0)) == 1


def test_multi_class_metrics_equal_scikit_learn():
    task, schema = fitted("a", "b", "c")
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(60, 3, generator=generator)
    y = torch.arange(60) % 3
    probability = logits.double().softmax(-1).numpy()
    result = task.metrics(logits, y, schema)
    assert result["roc_auc"] == pytest.approx(oracle.roc_auc_score(y, probability, multi_class="ovr", average="macro"))
    assert result["average_precision"] == pytest.approx(
        np.mean([oracle.average_precision_score(y == index, probability[:, index]) for index in range(3)])
    )
    assert result["balanced_accuracy"] == pytest.approx(oracle.balanced_accuracy_score(y, probability.argmax(1)))
    assert "f1" not in result


def test_one_class_in_the_split_leaves_rankings_out():
    task, schema = fitted("a", "b")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = task.metrics(torch.randn(5, 2), torch.zeros(5, dtype=torch.int64), schema)
    assert "roc_auc" not in result
    assert "average_precision" not in result
    assert np.isfinite(list(result.values())).all()


def test_no_labelled_row_gives_no_metrics():
    task, schema = fitted("a", "b")
    assert task.metrics(torch.randn(3, 2), torch.full((3,), -1), schema) == {}


def test_predictions_are_class_names_with_probabilities():
    task, schema = fitted("fake", "real")
    table = task.predictions(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), schema)
    assert table["prediction"].tolist() == ["fake", "real"]
    np.testing.assert_allclose(table[["probability_fake", "probability_real"]].sum(axis=1), 1)


def test_several_networks_are_combined_by_their_mean_probability():
    task = Classification()
    logits = [torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 1.0]])]
    expected = (logits[0].softmax(-1) + logits[1].softmax(-1)) / 2
    torch.testing.assert_close(task.combine(logits).softmax(-1), expected)
    assert task.combine(logits[:1]) is logits[0]


def test_balanced_weights_make_every_class_count_alike():
    task = Classification(weights="balanced")
    schema = task.fit(frame("a", "a", "a", "b"))
    loss = task.criterion(schema)
    torch.testing.assert_close(loss.weight, torch.tensor([4 / 6, 2.0]))


def test_the_focal_loss_is_a_setting():
    task = build("tasks", {"name": "classification", "loss": "focal", "gamma": 1.5}, "task")
    loss = task.criterion(task.fit(frame("a", "b")))
    assert isinstance(loss, FocalLoss)
    assert loss.gamma == 1.5


def test_wrong_settings_are_named_together():
    with pytest.raises(ConfigError) as error:
        build("tasks", {"name": "classification", "weights": "some", "gamma": -1, "los": "focal"}, "task")
    assert len(error.value.problems) == 3
    assert "Did you mean 'loss'?" in str(error.value)
