import json
import shutil
from pathlib import Path

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st
from PIL import Image

from graphfuse.config import load_experiment
from graphfuse.core.build import build
from graphfuse.core.errors import InputError
from graphfuse.core.strict_yaml import parse_yaml
from graphfuse.core.tables import Manifest
from graphfuse.guessing.experiment_text import guess_experiment
from graphfuse.guessing.table_roles import Roles, guess_roles
from graphfuse.making.posts import write_posts
from graphfuse.making.worlds import PostSettings
from graphfuse.pipeline import convert, init, train

SHARED = Path(__file__).parents[2] / "../shared/data"
SENTENCE = "the red house walks slowly near blue water and sees some birds today over there again with friends"


@pytest.fixture
def posts(tmp_path) -> Path:
    settings = PostSettings(train_rows=120, validation_rows=40, test_rows=40, users=30, missing_pictures=0.1, replies=1.5)
    write_posts(tmp_path / "made", settings)
    return tmp_path / "made" / "posts.csv"


def sentences(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(SENTENCE.split(), size=12)).capitalize() + "." for _ in range(count)]


def table(folder: Path, count: int = 60, **columns) -> Path:
    """Write a table with an id, sentences, and the given columns."""
    frame = pd.DataFrame({"post": [f"p{k}" for k in range(count)], "body": sentences(count), **columns})
    frame.to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / f"{name}.png")


def cycle(values, count: int = 60) -> list:
    return [values[k % len(values)] for k in range(count)]


def settings(path: Path) -> dict:
    return parse_yaml(guess_experiment(path), "experiment.yaml")


def read(path: Path) -> Manifest:
    """Write the guess, build every plug-in it names, and read the data."""
    file = path.parent / "experiment.yaml"
    file.write_text(guess_experiment(path))
    experiment = load_experiment(file)
    for room in ("modalities", "edges", "analyses"):
        for section in getattr(experiment, room):
            build(room, section.to_dict(), room)
    build("tasks", experiment.task.to_dict(), "task")
    build("models", experiment.model.to_dict(), "model")
    return build("datasets", experiment.dataset.to_dict(), "dataset").manifest(path.parent)


def main_roles(roles: Roles) -> dict[str, object]:
    names = ("target", "sample_id", "user_id", "time", "split", "group", "text", "task")
    return {name: getattr(roles, name) for name in names} | {"pictures": tuple(item.column for item in roles.pictures)}


def test_every_role_of_made_posts_is_found(posts):
    roles = guess_roles(posts)
    assert main_roles(roles) == {
        "target": "label",
        "task": "classification",
        "sample_id": "post_id",
        "user_id": "author",
        "time": "created",
        "split": "split",
        "group": "story",
        "text": ("text",),
        "pictures": ("image",),
    }
    assert roles.users is not None
    assert roles.users[1] == "id"
    assert roles.interactions is not None
    assert roles.interactions[1] == {
        "interaction_id": "id",
        "sample_id": "post_id",
        "user_id": "who",
        "kind": "kind",
        "time": "when",
        "reply_to": "parent",
        "text": "body",
    }
    assert roles.of_user.all == ("followers", "verified", "country")
    assert not roles.leaks


def test_the_answer_beside_made_posts_is_no_part_of_the_guess(posts):
    assert "planted" not in guess_experiment(posts)


def test_what_init_writes_reads_the_data_without_a_loss(posts):
    manifest = read(posts)
    assert len(manifest) == 200
    assert not manifest.rejections
    assert set(manifest.linked) == {"users", "interactions"}
    assert manifest.samples["pictures"].str.len().sum() == 180


def test_names_are_not_needed(posts):
    frame = pd.read_csv(posts, dtype=str, keep_default_na=False)
    frame.columns = [f"column {letter}" for letter in "abcdefgh"]
    frame.to_csv(posts, index=False)
    assert main_roles(guess_roles(posts)) == {
        "target": "column h",
        "task": "classification",
        "sample_id": "column a",
        "user_id": "column d",
        "time": "column e",
        "split": "column g",
        "group": "column f",
        "text": ("column b",),
        "pictures": ("column c",),
    }
    assert len(read(posts)) == 200


def test_sentences_without_blanks_between_words_are_text(tmp_path):
    rng = np.random.default_rng(0)
    texts = ["".join(chr(0x4E00 + k) for k in rng.integers(2000, size=20)) for _ in range(60)]
    path = table(tmp_path, label=cycle(["a", "b"]))
    pd.read_csv(path).assign(body=texts).to_csv(path, index=False)
    assert guess_roles(path).text == ("body",)


def test_an_experiment_elsewhere_names_the_table_from_where_it_lies(posts, tmp_path):
    (tmp_path / "experiments").mkdir()
    text = guess_experiment(posts, tmp_path / "experiments")
    assert parse_yaml(text, "x")["dataset"]["path"] == "../made/posts.csv"


@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_several_stems_in_one_cell_are_found_in_a_folder_below(tmp_path, separator):
    pictures(tmp_path / "media", [f"shot{k}" for k in range(60)])
    cells = [f"shot{k}{separator}shot{(k + 1) % 60}" for k in range(60)]
    path = table(tmp_path, photo=cells, label=cycle(["yes", "no"]))
    assert settings(path)["dataset"]["pictures"] == {"columns": ["photo"], "separator": separator, "folder": "media"}
    assert read(path).samples["pictures"].str.len().eq(2).all()


def test_lists_of_pictures_in_json_lines_are_found(tmp_path):
    pictures(tmp_path / "media", [f"shot{k}" for k in range(40)])
    lines = [json.dumps({"text": text, "photos": [f"shot{k}.png"], "label": k % 2 == 0}) for k, text in enumerate(sentences(40))]
    (tmp_path / "posts.jsonl").write_text("\n".join(lines))
    roles = guess_roles(tmp_path / "posts.jsonl")
    assert [item.column for item in roles.pictures] == ["photos"]
    assert roles.target == "label"
    assert len(read(tmp_path / "posts.jsonl")) == 40


def test_numbers_that_happen_to_be_names_of_pictures_are_no_pictures(tmp_path):
    pictures(tmp_path / "media", [str(k) for k in range(60)])
    assert not guess_roles(table(tmp_path, likes=cycle(range(7)), label=cycle(["a", "b"]))).pictures


def test_a_file_that_only_looks_like_a_picture_is_none(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    assert not guess_roles(table(tmp_path, photo=cycle(["a.png"]), label=cycle(["a", "b"]))).pictures


def test_posts_that_share_pictures_are_split_by_the_event_in_their_names(tmp_path):
    names = [f"{event}_{kind}_{k}" for event in ("flood", "fire", "storm") for kind in ("old", "new") for k in range(3)]
    pictures(tmp_path / "media", names)
    path = table(tmp_path, 180, photo=cycle(names, 180), label=cycle(["fake", "real", "real"], 180))
    text = guess_experiment(path)
    dataset = parse_yaml(text, "x")["dataset"]
    assert dataset["group"] == {"column": "photo", "pattern": "^([A-Za-z]+)"}
    assert dataset["split"]["by"] == "group"
    assert "100.0% of the rows share their pictures with another row; a random split would" in text
    assert read(path).samples.groupby("group")["split"].nunique().eq(1).all()


def test_posts_that_share_texts_are_grouped_by_text(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]))
    frame = pd.read_csv(path)
    frame["body"] = frame["body"].to_numpy()[np.arange(60) // 2 * 2]
    frame.to_csv(path, index=False)
    dataset = settings(path)["dataset"]
    assert (dataset["group"], dataset["split"]["by"]) == ("body", "group")


def test_a_given_split_that_parts_equal_texts_is_said_to_leak(posts):
    frame = pd.read_csv(posts, dtype=str, keep_default_na=False)
    frame["split"] = cycle(["train", "test"], 200)
    frame.to_csv(posts, index=False)
    assert "of the rows share their text with a row of another split; test figures will be too high" in guess_experiment(posts)


def test_rows_in_time_are_split_by_time_and_other_rows_at_random(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]), day=[f"2024-01-{k % 28 + 1:02d}" for k in range(60)])
    assert settings(path)["dataset"]["split"]["by"] == "time"
    assert settings(table(tmp_path, label=cycle(["a", "b"])))["dataset"]["split"]["by"] == "random"


def test_a_column_that_spells_the_answer_is_left_out(tmp_path):
    path = table(tmp_path, code=cycle(["x1", "x2", "y1"]), size=cycle(range(11)), label=cycle(["x", "x", "y"]))
    roles = guess_roles(path)
    assert roles.giveaways == ("code",)
    assert roles.of_sample.all == ("size",)
    assert "Left out as features, since each of their values goes with one answer only: code" in guess_experiment(path)


def test_columns_that_describe_the_author_become_the_user_and_others_the_sample(tmp_path):
    authors = [f"anna{k % 20}" for k in range(60)]
    path = table(tmp_path, author=authors, followers=cycle(range(9)), is_verified=cycle(["true", "false", "false"]),
                 likes=cycle(range(13)), lang=cycle(["en", "de", "fr"]), label=cycle(["a", "b"]))  # fmt: skip
    roles = guess_roles(path)
    assert (roles.user_id, roles.of_user.all, roles.of_sample.all) == ("author", ("followers", "is_verified"), ("likes", "lang"))
    assert {"name": "user", "table": "samples", "numeric": ["followers"], "boolean": ["is_verified"]} in settings(path)["modalities"]


def test_a_table_with_one_row_per_sample_beside_it_is_joined(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]))
    extra = pd.DataFrame({"post": [f"p{k}" for k in range(60)], " num_words": range(60)})
    extra.to_csv(tmp_path / "extra.csv", index=False)
    assert settings(path)["dataset"]["joins"] == [{"path": "extra.csv", "key": "post"}]
    assert {"name": "sample", "numeric": ["num_words"]} in settings(path)["modalities"]
    assert "num_words" in read(path).samples


def test_a_table_beside_it_with_the_same_columns_is_offered_as_the_test_part(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]))
    shutil.copy(path, tmp_path / "test.csv")
    assert "path: {train: table.csv, test: test.csv}" in guess_experiment(path)
    assert "joins" not in settings(path)["dataset"]


@pytest.mark.parametrize(
    ("column", "values", "task"),
    [
        ("label", ["a", "b", "c"], "classification"),
        ("rating", [1.5, 2.25, 3.75, 4.5, 0.5], "regression"),
        ("score", list(range(0, 600, 7)), "regression"),
        ("tags", ["red,green", "blue", "red", "green,blue"], "multilabel"),
    ],
)
def test_the_task_goes_by_the_values_of_the_target(tmp_path, column, values, task):
    path = table(tmp_path, 120, **{column: cycle(values, 120)})
    assert (guess_roles(path).target, guess_roles(path).task) == (column, task)
    assert len(read(path)) == 120


def test_classes_that_are_rare_get_weights(tmp_path):
    assert settings(table(tmp_path, label=cycle(["a"] * 9 + ["b"])))["task"] == {"name": "classification", "weights": "balanced"}


def test_other_columns_that_could_be_the_target_are_named(tmp_path):
    text = guess_experiment(table(tmp_path, stance=cycle(["for", "against", "none"]), label=cycle(["a", "b"])))
    assert "It could also be: stance" in text


def test_a_table_without_a_target_is_refused_with_the_nearest_columns(tmp_path):
    path = table(tmp_path, town=[f"town {k // 2}" for k in range(60)])
    with pytest.raises(InputError, match=r"A target must be a column with 2 to 20 values .* Nearest are: 'town' \(30 values\)"):
        guess_experiment(path)


def test_a_target_with_one_value_only_is_named_as_the_reason(tmp_path):
    with pytest.raises(InputError, match="'label' is always the same"):
        guess_experiment(table(tmp_path, label=cycle(["fake"])))


def test_what_init_writes_converts_and_trains(posts, tmp_path):
    init(posts, tmp_path / "experiment.yaml")
    convert(tmp_path / "experiment.yaml", tmp_path / "store")
    summary = train(tmp_path / "experiment.yaml", tmp_path / "store", tmp_path / "run", overrides=["train.epochs=1"])
    assert summary["splits"]["test"]["rows"] == 40


@pytest.mark.parametrize(("content", "message"), [("", "empty"), ("a,b\n", "must have rows")])
def test_an_empty_table_is_refused(tmp_path, content, message):
    (tmp_path / "table.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        guess_experiment(tmp_path / "table.csv")


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="must be a file that exists"):
        guess_experiment(tmp_path / "table.csv")


def test_rows_without_a_column_of_ids_are_numbered(tmp_path):
    path = table(tmp_path, label=cycle(["a", "b"]))
    pd.read_csv(path).drop(columns="post").to_csv(path, index=False)
    assert settings(path)["dataset"]["sample_id"] is None
    assert len(read(path)) == 60


@pytest.mark.parametrize("name", ["no", "1e3", "a: b # c", 'quo"te', "ünï\u2028code", "- x", "{y}", "label\nname", "null"])
def test_any_column_name_comes_through_yaml_unharmed(tmp_path, name):
    path = table(tmp_path, **{name: cycle(["a\x1b[31m: #", "b\ndataset: {}"])})
    value = settings(path)
    assert value["dataset"]["target"] == " ".join(name.split())
    assert value["dataset"]["name"] == "table"


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
