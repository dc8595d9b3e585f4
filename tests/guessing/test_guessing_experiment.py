import shutil
from pathlib import Path

import hypothesis
import pandas as pd
import pytest
from guessing_toys import cycle, read, settings, table
from hypothesis import strategies as st

from graphfuse.core.errors import InputError
from graphfuse.core.strict_yaml import parse_yaml
from graphfuse.guessing.experiment_text import guess_experiment
from graphfuse.pipeline import convert, init, train

SHARED = Path(__file__).parents[2] / "../shared/data"


def test_the_answer_beside_made_posts_is_no_part_of_the_guess(posts):
    assert "planted" not in guess_experiment(posts)


def test_what_init_writes_reads_the_data_without_a_loss(posts):
    manifest = read(posts)
    assert len(manifest) == 200
    assert not manifest.rejections
    assert set(manifest.linked) == {"users", "interactions"}
    assert manifest.samples["pictures"].str.len().sum() == 180


def test_an_experiment_elsewhere_names_the_table_from_where_it_lies(posts, tmp_path):
    (tmp_path / "experiments").mkdir()
    text = guess_experiment(posts, tmp_path / "experiments")
    assert parse_yaml(text, "x")["dataset"]["path"] == "../made/posts.csv"


def test_a_given_split_that_parts_equal_texts_is_said_to_leak(posts):
    frame = pd.read_csv(posts, dtype=str, keep_default_na=False)
    frame["split"] = cycle(["train", "test"], 200)
    frame.to_csv(posts, index=False)
    assert "of the rows share their text with a row of another split; test figures will be too high" in guess_experiment(posts)


def test_a_table_beside_it_with_the_same_columns_is_offered_as_the_test_part(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]))
    shutil.copy(path, tmp_path / "test.csv")
    assert "path: {train: table.csv, test: test.csv}" in guess_experiment(path)
    assert "joins" not in settings(path)["dataset"]


def test_classes_that_are_rare_get_weights(tmp_path):
    assert settings(table(tmp_path, label=cycle(["a"] * 9 + ["b"])))["task"] == {"name": "classification", "weights": "balanced"}


def test_a_class_that_is_called_none_is_counted_and_named(tmp_path):
    path = table(tmp_path, label=cycle(["for", "against", "none"]))
    text = guess_experiment(path)
    assert "# 3 values: for 20, against 20, none 20" in text
    assert "# Classes like the others are: none. Where that means that there is no answer, empty the cells." in text
    assert "Classes like" not in guess_experiment(table(tmp_path, label=cycle(["for", "against", ""])))


def test_other_columns_that_could_be_the_target_are_named(tmp_path):
    text = guess_experiment(table(tmp_path, stance=cycle(["for", "against", "none"]), label=cycle(["a", "b"])))
    assert "It could also be: stance" in text


def test_what_init_writes_converts_and_trains(posts, tmp_path):
    init(posts, tmp_path / "experiment.yaml")
    convert(tmp_path / "experiment.yaml", tmp_path / "store")
    summary = train(tmp_path / "experiment.yaml", tmp_path / "store", tmp_path / "run", overrides=["train.epochs=1"])
    assert summary["splits"]["test"]["rows"] == 40


def test_a_file_whose_name_is_no_text_is_to_be_renamed(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]))
    with pytest.raises(InputError, match="must be Unicode text"):
        guess_experiment(path.rename(tmp_path / "old\udce9.csv"))


@pytest.mark.parametrize(
    "columns", [{}, {"likes": cycle(range(7))}, {"author": cycle([f"u{k}" for k in range(9)]), "followers": cycle(range(9))}]
)
def test_a_table_without_text_and_pictures_converts_and_trains(tmp_path, columns):
    path = table(tmp_path, label=cycle(["a", "b"]), **columns)
    pd.read_csv(path).drop(columns="body").to_csv(path, index=False)
    init(path, tmp_path / "experiment.yaml")
    convert(tmp_path / "experiment.yaml", tmp_path / "store")
    summary = train(tmp_path / "experiment.yaml", tmp_path / "store", tmp_path / "run", overrides=["train.epochs=1"])
    assert summary["splits"]["test"]["rows"] == 12


@pytest.mark.parametrize(("content", "message"), [("", "empty"), ("a,b\n", "must have rows")])
def test_an_empty_table_is_refused(tmp_path, content, message):
    (tmp_path / "table.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        guess_experiment(tmp_path / "table.csv")


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="must be a file that exists"):
        guess_experiment(tmp_path / "table.csv")


NAMES = [
    "no",
    "1e3",
    "a: b # c",
    'quo"te',
    "ünï\u2028code",
    "- x",
    "{y}",
    "label\nname",
    "null",
    "posts 😀",
    "a\x7fb\ufeffc\u202ed",
    "\U000e0041",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_column_name_comes_through_yaml_unharmed(tmp_path, name):
    path = table(tmp_path, **{name: cycle(["a\x1b[31m: #", "b\ndataset: {}"])})
    value = settings(path)
    assert value["dataset"]["target"] == " ".join(name.split())
    assert value["dataset"]["name"] == "table"


def test_a_file_and_columns_with_emoji_in_their_names_convert(tmp_path):
    path = table(tmp_path, **{"likes 👍": cycle(range(7)), "label": cycle(["a", "b"])}).rename(tmp_path / "posts 😀.csv")
    init(path, tmp_path / "experiment.yaml")
    assert convert(tmp_path / "experiment.yaml", tmp_path / "store")["rejections"] == {}
    assert "posts 😀.csv" in (tmp_path / "experiment.yaml").read_text()


CELLS = st.one_of(st.text(max_size=12), st.integers().map(str), st.sampled_from(["", "true", "2024-01-02", "a.png", "train", "[1, 2]"]))


@hypothesis.settings(max_examples=30, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(columns=st.dictionaries(st.text(max_size=8), st.lists(CELLS, min_size=6, max_size=6), min_size=1, max_size=5))
def test_any_table_gives_an_experiment_or_a_readable_refusal(tmp_path, columns):
    frame = pd.DataFrame({name: values * 4 for name, values in columns.items()})
    (tmp_path / "t.csv").write_bytes(frame.to_csv(index=False).encode("utf-8", "replace"))
    try:
        parsed = settings(tmp_path / "t.csv")
    except InputError:
        return
    assert parsed["dataset"]["path"] == "t.csv"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data sets are not beside this checkout")
class TestRealTables:
    def test_fake_or_real_posts(self):
        dataset = settings(SHARED / "vmu" / "dev.tsv")["dataset"]
        assert dataset["pictures"] == {"columns": ["image_id(s)"], "separator": ",", "folder": "images"}
        assert dataset["group"] == {"column": "image_id(s)", "pattern": "^([A-Za-z]+)"}
        assert [join["path"] for join in dataset["joins"]] == ["dev_post_features.csv", "dev_user_features.csv"]
        assert {key: dataset[key] for key in ("sample_id", "target", "user_id", "time")} == {
            "sample_id": "post_id",
            "target": "label",
            "user_id": "user_id",
            "time": "timestamp",
        }

    def test_films_have_no_target(self):
        with pytest.raises(InputError, match="Nearest are: 'country'"):
            guess_experiment(SHARED / "ml100k" / "metadata.csv")
