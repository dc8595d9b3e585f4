"""What keeps rows with the same content on one side of a split."""

import numpy as np
import pandas as pd
import pytest
from guessing_toys import read, settings, table

ROWS = 400


def repeated(folder, name: str, values: list[str], share: float = 0.05):
    """Write a table with a column whose value goes by the text, of which a share of the rows repeats an earlier one."""
    rng = np.random.default_rng(0)
    source = np.where((rng.random(ROWS) < share) & (np.arange(ROWS) > 20), rng.integers(0, 20, ROWS), np.arange(ROWS))
    drawn = rng.choice(values, ROWS, p=_uneven(len(values)))
    path = table(folder, ROWS, **{name: drawn[source]}, label=rng.choice(["a", "b"], ROWS))
    frame = pd.read_csv(path)
    frame.assign(body=frame["body"].to_numpy()[source]).to_csv(path, index=False)
    return path


def _uneven(count: int) -> np.ndarray:
    sizes = 1.0 + np.arange(count) % 3
    return sizes / sizes.sum()


@pytest.mark.parametrize(("name", "count"), [("lang", 7), ("dialect", 7), ("country", 40)])
def test_few_large_groups_and_mere_descriptions_are_no_groups_though_equal_texts_agree_in_them(tmp_path, name, count):
    path = repeated(tmp_path, name, [f"v{k}" for k in range(count)])
    dataset = settings(path)["dataset"]
    assert (dataset["group"], dataset["split"]["by"]) == ("body", "group")
    assert "user_id" not in dataset
    assert read(path).samples["split"].nunique() == 3


def test_many_small_groups_in_which_equal_texts_agree_are_groups(tmp_path):
    assert settings(repeated(tmp_path, "source_text", [f"v{k}" for k in range(60)]))["dataset"]["group"] == "body"
    assert settings(repeated(tmp_path, "origin", [f"v{k}" for k in range(60)]))["dataset"]["group"] == "origin"
