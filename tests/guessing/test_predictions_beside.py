"""Tables that `predict` wrote beside the samples."""

import pandas as pd
import pytest
from guessing_toys import cycle, settings, table

from graphfuse.pipeline import convert, init, predict, train

IDS = [f"p{k}" for k in range(60)]
OURS = {
    "classes": {"target": cycle(["a", "b"]), "prediction": cycle(["b", "a"]), "probability_a": [k / 60 for k in range(60)]},
    "numbers": {"prediction": [k / 7 for k in range(60)]},
    "several numbers": {"prediction_x": [k / 7 for k in range(60)], "prediction_y": [k / 9 for k in range(60)]},
    "classes with a note": {"prediction": cycle(["b", "a"]), "probability_a": [k / 60 for k in range(60)], "note": cycle(range(7))},
}


def samples(folder):
    path = table(folder, likes=cycle(range(7)), label=cycle(["a", "b"]))
    pd.read_csv(path).rename(columns={"post": "sample_id"}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("columns", OURS.values(), ids=OURS)
def test_predictions_beside_the_samples_are_not_joined(tmp_path, columns):
    path = samples(tmp_path)
    pd.DataFrame({"sample_id": IDS, **columns}).to_csv(tmp_path / "predictions.csv", index=False)
    assert "joins" not in settings(path)["dataset"]


def test_a_table_that_only_has_a_prediction_among_its_columns_is_joined(tmp_path):
    path = samples(tmp_path)
    pd.DataFrame({"sample_id": IDS, "prediction": cycle(range(5)), "views": range(60)}).to_csv(tmp_path / "weather.csv", index=False)
    assert settings(path)["dataset"]["joins"] == [{"path": "weather.csv", "key": "sample_id"}]


def test_what_predict_writes_changes_no_guess(tmp_path):
    path = samples(tmp_path)
    before = init(path, tmp_path / "experiment.yaml")
    convert(tmp_path / "experiment.yaml", tmp_path / "store")
    train(tmp_path / "experiment.yaml", tmp_path / "store", tmp_path / "run", overrides=["train.epochs=1"])
    predict(tmp_path / "run", path, tmp_path / "predictions.parquet")
    pd.DataFrame({"sample_id": IDS, "key": IDS, "row": range(60)}).to_parquet(tmp_path / "predictions.quarantine.parquet")
    text = (tmp_path / "experiment.yaml").read_text()
    assert {**init(path, tmp_path / "again.yaml"), "experiment": ""} == {**before, "experiment": ""}
    assert (tmp_path / "again.yaml").read_text() == text
