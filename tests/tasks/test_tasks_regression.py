import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn import metrics as oracle

from graphfuse.core.errors import InputError
from graphfuse.tasks.regression import Regression

NAN = float("nan")


def frame(*values):
    return pd.DataFrame({"likes": list(values)})


def test_mean_and_deviation_come_from_the_train_rows():
    schema = Regression().fit(frame("1", "3", ""))
    assert (schema.mean, schema.std) == ((2.0,), (1.0,))


def test_missing_cells_are_unlabelled_and_words_are_reported():
    task = Regression()
    schema = task.fit(frame("1", "3"))
    y, unusable = task.encode(frame("2.5", "", "many", "inf", "1e300", None), schema)
    np.testing.assert_array_equal(y, np.array([[2.5], [NAN], [NAN], [NAN], [NAN], [NAN]], dtype=np.float32))
    assert unusable.tolist() == [False, False, True, True, True, False]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["", "x"], "train rows with a number; the column 'likes' has none in 2 train rows"),
        (["7", "7"], "at least two different numbers among the train rows; 'likes' is always 7"),
    ],
)
def test_nothing_to_learn_is_an_error_with_a_way_out(values, message):
    with pytest.raises(InputError, match=message):
        Regression().fit(frame(*values))


def test_metrics_are_in_the_unit_of_the_table_and_equal_scikit_learn():
    task = Regression()
    schema = task.fit(frame("10", "30", "20"))
    logits = torch.tensor([[0.1], [1.0], [-2.0], [0.4], [0.3]])
    y = torch.tensor([[12.0], [33.0], [14.0], [NAN], [29.0]])
    known = [0, 1, 2, 4]
    predicted = (logits.double().numpy() * schema.std[0] + schema.mean[0])[known, 0]
    truth = y.double().numpy()[known, 0]
    assert task.metrics(logits, y, schema) == pytest.approx(
        {
            "mae": oracle.mean_absolute_error(truth, predicted),
            "rmse": oracle.root_mean_squared_error(truth, predicted),
            "r2": oracle.r2_score(truth, predicted),
            "pearson": stats.pearsonr(truth, predicted).statistic,
            "spearman": stats.spearmanr(truth, predicted).statistic,
        }
    )


def test_constant_truth_or_predictions_leave_correlations_out():
    task = Regression()
    schema = task.fit(frame("1", "3"))
    assert set(task.metrics(torch.zeros(2, 1), torch.ones(2, 1), schema)) == {"mae", "rmse"}
    assert set(task.metrics(torch.zeros(2, 1), torch.tensor([[1.0], [2.0]]), schema)) == {"mae", "rmse", "r2"}
    assert task.metrics(torch.zeros(2, 1), torch.full((2, 1), NAN), schema) == {}


def test_several_columns_have_a_mean_and_their_own_figures():
    task = Regression()
    schema = task.fit(pd.DataFrame({"likes": ["0", "2"], "shares": ["10", "30"]}))
    result = task.metrics(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[1.0, 22.0], [2.0, 30.0]]), schema)
    assert result["mae_likes"] == 0
    assert result["mae_shares"] == 1
    assert result["mae"] == 0.5
    table = task.predictions(torch.tensor([[0.0, 1.0]]), schema)
    assert table.to_dict("records") == [{"prediction_likes": 1.0, "prediction_shares": 30.0}]


def test_several_networks_are_combined_by_their_mean():
    torch.testing.assert_close(Regression().combine([torch.tensor([[1.0]]), torch.tensor([[3.0]])]), torch.tensor([[2.0]]))
