from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError, InputError
from graphfuse.making.drawing import COLOURS, PAPER, SHAPES, draw
from graphfuse.making.posts import ensure_posts, write_posts
from graphfuse.making.worlds import WORLDS, PostSettings

SMALL = PostSettings(train_rows=240, validation_rows=40, test_rows=120, users=40)


def made(folder: Path, **changes) -> pd.DataFrame:
    write_posts(folder / "posts", replace(SMALL, **changes))
    return pd.read_csv(folder / "posts" / "posts.csv", keep_default_na=False)


def histogram(path: Path) -> np.ndarray:
    pixels = np.asarray(Image.open(path)) // 32
    return np.bincount((pixels @ [64, 8, 1]).ravel(), minlength=512) / pixels[..., 0].size


def features(folder: Path, posts: pd.DataFrame) -> dict[str, np.ndarray]:
    text = CountVectorizer().fit_transform(posts["text"]).toarray().astype(float)
    image = np.stack([histogram(folder / "posts" / "images" / name) if name else np.zeros(512) for name in posts["image"]])
    return {"text": text, "image": image, "both": np.hstack([text, image])}


def accuracy(x: np.ndarray, posts: pd.DataFrame) -> float:
    train, test = (posts["split"] == "train").to_numpy(), (posts["split"] == "test").to_numpy()
    model = LogisticRegression(max_iter=500, C=10).fit(x[train], posts["label"][train])
    return float(model.score(x[test], posts["label"][test]))


def test_no_additive_model_sees_the_combination(tmp_path):
    posts = made(tmp_path)
    assert {name: accuracy(x, posts) for name, x in features(tmp_path, posts).items()} == {"text": 0.5, "image": 0.5, "both": 0.5}


@pytest.mark.parametrize(("world", "text", "image"), [("text", 1.0, 0.5), ("image", 0.5, 1.0), ("redundant", 1.0, 1.0)])
def test_each_world_carries_its_signal_where_it_says(tmp_path, world, text, image):
    posts = made(tmp_path, **{"combination": 0.0, world: 1.0})
    x = features(tmp_path, posts)
    assert abs(accuracy(x["text"], posts) - text) <= 0.1 * (text == 0.5) + 0.03
    assert abs(accuracy(x["image"], posts) - image) <= 0.1 * (image == 0.5) + 0.03


def test_weights_share_the_label_between_worlds(tmp_path):
    made(tmp_path, text=1.0, image=1.0, combination=2.0)
    worlds = pd.read_csv(tmp_path / "posts" / "planted.csv").drop_duplicates("post_id")["world"].value_counts()
    assert worlds.to_dict() == {"combination": 100, "text": 50, "image": 50}


def test_quads_are_never_split_and_hold_both_labels_of_every_text_and_picture(tmp_path):
    posts = made(tmp_path)
    quads = posts.groupby("story")
    assert (quads["split"].nunique() == 1).all()
    assert (quads.size() == 4).all()
    for column in ("text", "image"):
        assert (posts.groupby(["story", column])["label"].agg(["size", "sum"]) == [2, 1]).all(axis=None)


def test_splits_have_the_sizes_asked_for_and_are_balanced(tmp_path):
    counts = made(tmp_path, missing_pictures=0.2, noise=0.2).groupby(["split", "label"]).size()
    assert counts.to_dict() == {(name, label): n for name, n in [("train", 120), ("validation", 20), ("test", 60)] for label in (0, 1)}


def test_equal_settings_give_equal_bytes_and_another_seed_others(tmp_path):
    for name, seed in [("one", 0), ("two", 0), ("other", 1)]:
        write_posts(tmp_path / name, replace(SMALL, seed=seed, missing_pictures=0.1))
    content = {name: {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
               for name in ("one", "two", "other")}  # fmt: skip
    assert content["one"] == content["two"]
    assert content["one"].keys() != content["other"].keys() or content["one"] != content["other"]


def silhouette(mask: np.ndarray) -> np.ndarray:
    """Return the mask cut to its object and scaled to 24 x 24."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    cut = Image.fromarray(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    return np.asarray(cut.resize((24, 24)))


def seen(path: Path, rows: int, columns: int) -> list[str]:
    """Return what each cell shows (`red circle`), found again from the pixels; "" where it is empty."""
    pixels = np.asarray(Image.open(path)).astype(float)
    palette = np.array([*COLOURS.values(), *PAPER.values()], dtype=float)
    found = []
    for cell in (part for row in np.split(pixels, rows, axis=0) for part in np.split(row, columns, axis=1)):
        nearest = np.linalg.norm(cell[:, :, None] - palette, axis=3).argmin(axis=2)
        counts = np.bincount(nearest.ravel(), minlength=len(palette))[: len(COLOURS)]
        colour = counts.argmax()
        if counts[colour] < 50:
            found.append("")
            continue
        likeness = {name: (silhouette(nearest == colour) == model).mean() for name, model in MODELS.items()}
        found.append(f"{list(COLOURS)[colour]} {max(likeness, key=likeness.get)}")
    return found


def model(shape: int) -> np.ndarray:
    pairs, rng = np.array([shape]), np.random.default_rng(0)
    drawn = draw(pairs, (1, 1), cell=96, num_shapes=len(SHAPES), tint=0, clutter=0, rng=rng)
    return silhouette(np.asarray(drawn)[:, :, 1] < 140)


MODELS = {name: model(shape) for shape, name in enumerate(SHAPES)}


@pytest.mark.parametrize("level", ["easy", "medium", "hard"])
def test_planted_edges_are_all_pairs_that_a_sentence_names_and_a_cell_shows(tmp_path, level):
    posts = made(tmp_path, level=level, train_rows=24, validation_rows=4, test_rows=4, clutter=0)
    shown = {name: seen(tmp_path / "posts" / "images" / name, *((4, 4) if level == "hard" else (2, 3))) for name in posts["image"].unique()}
    expected = {
        (post.post_id, sentence, cell)
        for post in posts.itertuples()
        for sentence, words in enumerate(post.text.split(". "))
        for cell, pair in enumerate(shown[post.image])
        if pair and pair in words
    }
    edges = pd.read_csv(tmp_path / "posts" / "planted.csv")
    assert set(edges[["post_id", "sentence", "cell"]].itertuples(index=False, name=None)) == expected
    assert edges["post_id"].value_counts().to_dict() == dict.fromkeys(posts["post_id"][posts["label"] == 1], 2 if level == "easy" else 1)


def test_every_object_lies_inside_its_own_cell_and_every_shape_looks_different():
    pictures = []
    for shape in range(len(SHAPES)):
        pairs = np.array([-1, -1, -1, -1, shape, -1, -1, -1, -1])
        rng = np.random.default_rng(0)
        pictures.append(np.asarray(draw(pairs, (3, 3), cell=32, num_shapes=len(SHAPES), tint=0, clutter=0, rng=rng)).astype(float))
        outside = np.abs(pictures[-1] - pictures[-1][0, 0]).sum(axis=2)
        outside[32:64, 32:64] = 0
        assert outside.max() == 0
    assert min(np.abs(a - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]) > 0.5


def test_a_missing_picture_says_nothing_of_the_label(tmp_path):
    for world in WORLDS:
        posts = made(tmp_path / world, **{"combination": 0.0, world: 1.0, "missing_pictures": 0.25})
        missing = posts[posts["image"] == ""]
        assert 0.2 < len(missing) / len(posts) < 0.3
        assert (missing["label"] == 1).mean() == 0.5
        assert not set(missing["post_id"]) & set(pd.read_csv(tmp_path / world / "posts" / "planted.csv")["post_id"])
        written = {path.name for path in (tmp_path / world / "posts" / "images").iterdir()}
        assert written == set(posts["image"]) - {""}


def test_noise_flips_labels_and_leaves_everything_else(tmp_path):
    plain, noisy = made(tmp_path / "plain"), made(tmp_path / "noisy", noise=0.2)
    assert (plain["label"] != noisy["label"]).mean() == pytest.approx(0.2, abs=0.01)
    assert plain.drop(columns="label").equals(noisy.drop(columns="label"))


@pytest.mark.parametrize(("signal", "low", "high"), [(0.0, 0.35, 0.65), (1.0, 1.0, 1.0)])
def test_authors_point_to_the_label_only_when_asked(tmp_path, signal, low, high):
    posts = made(tmp_path, user_signal=signal)
    trusted = posts["author"].str[1:].astype(int) < SMALL.users // 2
    assert low <= (trusted == (posts["label"] == 1)).mean() <= high


def test_replies_follow_their_post_in_time_and_answer_it_or_an_earlier_reply(tmp_path):
    posts = made(tmp_path, replies=2.0).set_index("post_id")
    replies = pd.read_csv(tmp_path / "posts" / "replies.csv", keep_default_na=False).set_index("id")
    assert set(replies["kind"]) == {"reply", "like", "share"}
    assert (replies["when"].to_numpy() > posts.loc[replies["post_id"], "created"].to_numpy()).all()
    answers = replies[replies["parent"] != ""]
    parents = replies.loc[answers["parent"]]
    assert len(answers) > 50
    assert (parents["post_id"].to_numpy() == answers["post_id"].to_numpy()).all()
    assert (parents["when"].to_numpy() < answers["when"].to_numpy()).all()
    assert ((replies["body"] != "") == (replies["kind"] == "reply")).all()
    assert len(posts.index.difference(replies["post_id"])) > 0


def test_no_replies_are_made_when_none_are_asked_for(tmp_path):
    made(tmp_path, replies=0.0)
    assert list(pd.read_csv(tmp_path / "posts" / "replies.csv").columns) == ["id", "post_id", "who", "kind", "when", "parent", "body"]


def test_a_whole_folder_is_used_again_and_a_damaged_or_other_one_is_made_anew(tmp_path):
    folder = tmp_path / "posts"
    small = replace(SMALL, train_rows=8, validation_rows=4, test_rows=4)
    ensure_posts(folder, small)
    first = (folder / "posts.csv").stat().st_ino
    ensure_posts(folder, small)
    assert (folder / "posts.csv").stat().st_ino == first
    (folder / "images" / "00000.png").write_bytes(b"")
    ensure_posts(folder, small)
    assert (folder / "images" / "00000.png").stat().st_size > 0
    ensure_posts(folder, replace(small, seed=5))
    assert '"seed": 5' in (folder / "receipt.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["posts"]


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"folder of their own .* Set dataset\.path"):
        ensure_posts(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_writing_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("graphfuse.making.posts.make_replies", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ensure_posts(tmp_path / "posts", SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"need a folder that can be written .* Set dataset\.path to another place"):
        ensure_posts(tmp_path / "file" / "posts", SMALL)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_rows": 10}, r"train_rows must be a multiple of 4 \(got 10\)"),
        ({"colours": 9}, r"colours must be 2 to 8 \(got 9\)"),
        ({"colours": 2, "shapes": 2, "matches": 2}, "colours x shapes must be at least 2 x matches"),
        ({"spans": [1, 1]}, "spans must be a range from matches to 16"),
        ({"combination": 0.0}, "one of text, image, redundant, combination must be above 0"),
        ({"missing_pictures": 2.0}, r"missing_pictures must be 0 to 1 \(got 2.0\)"),
        ({"colors": 4}, "Did you mean 'colours'"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_the_rule(settings, message):
    with pytest.raises(ConfigError, match=message):
        build("datasets", {"name": "synthetic", **settings}, "dataset")


def test_a_level_is_a_preset_that_single_settings_override():
    hard = build("datasets", {"name": "synthetic", "level": "hard", "colours": 5, "grid": 3}, "dataset").resolved()
    assert (hard.colours, hard.shapes, hard.matches, hard.grid) == (5, 6, 1, (3, 3))
    assert build("datasets", {"name": "synthetic", "grid": [3, 5]}, "dataset").resolved().objects == (10, 15)


def test_the_manifest_has_the_posts_with_their_pictures_authors_and_threads(tmp_path):
    dataset = build("datasets", {"name": "synthetic", "train_rows": 40, "validation_rows": 8, "test_rows": 8, "replies": 2.0}, "dataset")
    manifest = dataset.manifest(tmp_path)
    assert manifest.samples["split"].value_counts().to_dict() == {"train": 40, "validation": 8, "test": 8}
    assert manifest.target == ("label",)
    assert not manifest.rejections
    assert all((manifest.root / name).is_file() for names in manifest.samples["pictures"] for name in names)
    assert manifest.samples["user_id"].isin(manifest.linked["users"]["user_id"]).all()
    assert manifest.linked["interactions"]["sample_id"].isin(manifest.samples["sample_id"]).all()
    assert manifest.samples["time"].notna().all()
    assert not {"sentence", "cell", "world"} & set(manifest.samples)


def test_new_rows_are_read_from_a_table_elsewhere_with_the_linked_files_where_they_were(tmp_path):
    dataset = build("datasets", {"name": "synthetic", "train_rows": 8, "validation_rows": 4, "test_rows": 4}, "dataset")
    whole = dataset.manifest(tmp_path)
    posts = pd.read_csv(tmp_path / "synthetic" / "posts.csv", dtype=str, keep_default_na=False)
    (tmp_path / "elsewhere").mkdir()
    posts.drop(columns=["label", "split"]).iloc[:3].to_csv(tmp_path / "elsewhere" / "new.csv", index=False)
    new = dataset.for_prediction(tmp_path / "elsewhere" / "new.csv").manifest(tmp_path)
    assert list(new.samples["sample_id"]) == ["p000000", "p000001", "p000002"]
    assert not new.target
    assert (new.samples["split"] == "").all()
    assert len(new.linked["users"]) == len(whole.linked["users"])
    assert all((new.root / name).is_file() for names in new.samples["pictures"] for name in names)
