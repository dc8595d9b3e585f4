"""What people do wrong, through the command line: the message says the rule, the value and the way out.

What cannot be used goes to quarantine and is counted; what makes the whole command senseless ends with exit status 2.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_toys import EXPERIMENT, ROWS, answer, make_posts
from PIL import Image

from graphfuse.cli.main import run


def refused(*arguments: str | Path, code: str, says: tuple[str, ...]) -> None:
    """Check that a command line ends with exit status 2, a stable code and a message with all these words."""
    status, figures, words = answer(*arguments)
    assert (status, figures["error"]["code"]) == (2, code), words
    for part in says:
        assert part in words
        assert part in figures["error"]["message"]


def edit(folder: Path, *cells: tuple[int, str, object], table: str = "posts.csv") -> None:
    """Write some cells of a table."""
    frame = pd.read_csv(folder / table, dtype=str, keep_default_na=False)
    for row, column, value in cells:
        frame.loc[row, column] = value
    frame.to_csv(folder / table, index=False)


def column(name: str, value: str) -> Callable[[Path], None]:
    return lambda folder: edit(folder, *((row, name, value) for row in range(ROWS)))


def without(*names: str, table: str = "posts.csv") -> Callable[[Path], None]:
    return lambda folder: pd.read_csv(folder / table, dtype=str).drop(columns=list(names)).to_csv(folder / table, index=False)


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_posts(tmp_path_factory.mktemp("posts") / "posts")


@pytest.fixture
def mine(posts: Path, tmp_path: Path) -> Path:
    """A copy of the posts to spoil."""
    return Path(shutil.copytree(posts, tmp_path / "mine"))


# What makes the command senseless


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "posts.csv").unlink(), ("must be a file that exists", "posts.csv", "Did you mean 'users.csv'?")),
        (lambda f: (f / "users.csv").unlink(), ("must be a file that exists", "users.csv", "Did you mean 'posts.csv'?")),
        (lambda f: shutil.rmtree(f / "images"), ("must be a folder that exists", "images", "dataset.pictures.folder")),
        (without("label", "author"), ("'target' must name a column", "'label'", "'user_id' must name", "Known names: id, image")),
        (without("text"), ("modalities.text.column must name columns", "'text'", "Known names:")),
        (without("followers", table="users.csv"), ("modalities.user must name columns of users", "'followers'", "Known names:")),
        (lambda f: edit(f, (3, "id", "p0")), ("must stand in one row", "'p0' in posts.csv row 0 and posts.csv row 3", "Remove one")),
        (column("id", ""), ("must have an id", "row '0'", "Fill it in")),
        (column("label", "yes"), ("at least two classes", "'label' has only 'yes'", "Check dataset.target and dataset.split")),
        (column("label", ""), ("train rows with a target", "'label' has none in 14", "Check dataset.target")),
        (column("split", "test"), ("At least one row must be in train", "20 in test", "Check the setting `split`")),
        (write("posts.csv", b""), ("must have a header and rows", "posts.csv is empty", "Was it written to the end?")),
        (write("posts.parquet", b"PAR1no"), ("must be a whole Parquet file", "posts.parquet", "Write it again")),
        (write("posts.xlsx", b"PK"), ("must be of a known format", "posts.xlsx", "set `format`")),
    ],
)
def test_a_table_that_cannot_be_used_says_why(mine: Path, spoil: Callable[[Path], object], says: tuple[str, ...]) -> None:
    spoil(mine)
    (table,) = list(mine.glob("posts.[px]*")) or [mine / "posts.csv"]
    source = ["--set", f"dataset.path={table.name}"]
    refused("convert", mine / "experiment.yaml", "--out", mine / "store", *source, code="E_INPUT", says=says)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["model.hiden_channels=8"], ("model.hiden_channels: is not a setting here. Did you mean 'hidden_channels'?",)),
        (["trian.epochs=3"], ("trian: is not a part of an experiment. Did you mean 'train'?",)),
        (["model.name=relational_men"], ("model.name: 'relational_men' is not in models. Did you mean 'relational_mean'?",)),
        (["modalities.0.encoder.name=hashd_ngrams"], ("modalities.0.encoder.name: 'hashd_ngrams'", "Did you mean 'hashed_ngrams'?")),
        (["modalities.1.encoder.name=hashed_ngrams"], ("modalities.1.encoder.name: must encode pictures", "Use image_statistics")),
        (["modalities.1.grid=0"], ("modalities.1.grid: must be above 0 or a list (got '0').",)),
        (["edges.0={name: similarity, source: text_spn}"], ("edges.0.source:", "'text_spn'", "Did you mean 'text_span'?")),
        (["train.epochs=0"], ("train.epochs: must be at least 1 (got '0').",)),
        (["train.learning_rate=.nan"], ("train.learning_rate", "a number must be finite (got '.nan')")),
        (["convert.shard_size=0"], ("convert.shard_size: must be at least 1 (got '0').",)),
        (["model.dropout=2"], ("model.dropout: must be below 1 (got '2').",)),
        (["model={name: hgt, heads: 3}"], ("model: heads must divide hidden_channels (got 3 heads for 64 channels).",)),
        (["model={name: relational_attention, heads: 0}"], ("model.heads: must be at least 1 (got '0').",)),
        (["modalities.9.grid=2"], ("--set modalities.9.grid: '9' must be a position from 0 to 3.",)),
        (["dataset.split={by: group}"], ("dataset: split by group needs the setting `group`",)),
        (
            ["modalities.0.unti=word", "modalities.0.encoder.chanels=8", "task.name=clasification", "train.seeds=[]", "dataset.user=a"],
            (
                "modalities.0.unti: is not a setting here. Did you mean 'unit'?",
                "modalities.0.encoder.chanels: is not a setting here. Did you mean 'channels'?",
                "task.name: 'clasification' is not in tasks. Did you mean 'classification'?",
                "train.seeds: must hold at least 1 (got '[]').",
                "dataset.user: is not a setting here. Did you mean 'users'?",
            ),
        ),
    ],
)
def test_wrong_settings_are_named_all_at_once_with_the_nearest(posts: Path, tmp_path: Path, settings: list[str], says: tuple[str]) -> None:
    changed = [word for setting in settings for word in ("--set", setting)]
    refused("convert", posts / "experiment.yaml", "--out", tmp_path / "store", *changed, code="E_CONFIG", says=says)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dataset: [\n", ("is not valid YAML", "line 2", "Check the indentation")),
        (f"{EXPERIMENT}task: {{name: regression}}\n", ("the key 'task' stands here a second time", "Remove one")),
        ("a: !!python/object/apply:os.system [x]\n", ("line 1: tags are not allowed", "python/object/apply:os", "Write the plain value")),
        ("- a\n", ("must hold settings by name (got a list)", "graphfuse init TABLE")),
        ("dataset: {name: table}\n", ("dataset.path: is needed.", "modalities: is needed.", "task: is needed.", "model: is needed.")),
    ],
)
def test_an_experiment_that_cannot_be_read_says_where(tmp_path: Path, text: str, says: tuple[str, ...]) -> None:
    (tmp_path / "experiment.yaml").write_text(text, encoding="utf-8")
    refused("convert", tmp_path / "experiment.yaml", "--out", tmp_path / "store", code="E_CONFIG", says=says)


# What is counted and kept apart


def spoil_everything(folder: Path) -> None:
    """Put one of each fault into the table, its pictures and its linked tables."""
    images = folder / "images"
    (images / "0.png").write_bytes(b"no picture")
    (images / "1.png").write_bytes((images / "1.png").read_bytes()[:-300])
    Image.new("1", (9000, 9000)).save(images / "2.png")
    Image.open(images / "3.png").save(images / "3.png", "JPEG")
    Image.new("CMYK", (8, 8), (0, 255, 0, 0)).save(images / "cmyk.jpg")
    Image.open(images / "9.png").convert("P").save(images / "palette.gif")
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(images / "animated.gif", save_all=True, append_images=frames[1:])
    os.mkfifo(images / "pipe.png")
    (images / "link.png").symlink_to(folder / "users.csv")
    edit(
        folder,
        *[(4, "image", "../users.csv"), (5, "image", "https://example.org/a.png"), (6, "image", "gone.png"), (7, "image", "link.png")],
        *[(8, "image", "cmyk.jpg"), (9, "image", "palette.gif"), (10, "image", "animated.gif"), (13, "image", "pipe.png")],
        *[(11, "text", ""), (12, "text", "word. " * 4000), (13, "author", "zoe"), (14, "id", "")],
        *[(17, "author", "eve"), (18, "label", "perhaps"), (19, "split", "tset")],
    )
    edit(folder, (0, "followers", "inf"), (1, "followers", "1e999"), (2, "followers", "nan"), (3, "followers", "many"), table="users.csv")
    edit(folder, (2, "verified", "perhaps"), (4, "country", "xx"), (5, "id", "ann"), table="users.csv")
    edit(folder, (0, "when", "yesterday"), (1, "post", "p99"), (2, "parent", "r77"), table="replies.csv")


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Posts with one of each fault, converted."""
    folder = make_posts(tmp_path_factory.mktemp("spoiled") / "posts")
    spoil_everything(folder)
    status, _, words = answer("convert", folder / "experiment.yaml", "--out", folder / "store")
    assert status == 0, words
    return folder


@pytest.mark.parametrize(
    ("key", "reason", "says"),
    [
        ("p0", "image_unreadable", ("must be a whole JPEG, PNG", "'0.png'", "Fetch it again.")),
        ("p1", "image_unreadable", ("must be a whole JPEG, PNG", "'1.png'", "truncated", "Fetch it again.")),
        ("p2", "image_too_large", ("may have 64,000,000 pixels", "9000 x 9000 in '2.png'", "raise max_pixels")),
        ("p3", "picture_mislabelled", ("ending should say its format", "JPEG in '3.png'", "Rename it.")),
        ("p4", "path_outside", ("may not leave its folder", "'../users.csv'", "Copy the file into it.")),
        ("p5", "remote_image", ("not an address", "'https://example.org/a.png'", "Download it")),
        ("p6", "picture_missing", ("must be a file under the pictures' folder", "'gone.png'", "mend the cell")),
        ("p7", "path_outside", ("may not leave its folder", "'link.png'", "Copy the file into it.")),
        ("p13", "path_outside", ("must name a regular file", "'pipe.png'", "Put the file itself there")),
        ("p11", "text_empty", ("must hold a word", "no text nodes", "Nothing needs to be done")),
        ("p12", "text_too_long", ("may hold 20,000 characters", "24,000", "Raise max_characters.")),
        ("p13", "user_without_row", ("must have a row in the users table", "'zoe'", "Add it")),
        ("", "empty_id", ("must have an id", "row '14'", "Fill it in")),
        ("p18", "unknown_class", ("must be a class of the train rows", "'perhaps'", "mend the cell")),
        ("p19", "unknown_split", ("must be one of train", "'tset'", "Mend the cell")),
        ("ann", "not_finite", ("must be finite", "'inf'", "Mend the cell.")),
        ("bob", "not_finite", ("must be finite", "'1e999'", "Mend the cell.")),
        ("dan", "not_a_number", ("must be written in digits", "'many'", "Mend the cell.")),
        ("cyd", "not_a_boolean", ("must be true or false", "'perhaps'", "Mend the cell.")),
        ("eve", "unknown_category", ("must be one of the train rows", "'xx'", "Mend a misspelt cell")),
        ("ann", "duplicate_id", ("must have one row", "'ann'", "Remove the others.")),
        ("r0", "bad_time", ("must be ISO 8601", "'yesterday'", "Rewrite it")),
        ("r1", "unknown_sample", ("must belong to a sample that exists", "'p99'", "Add the sample")),
        ("r2", "unknown_reply", ("r77",)),
    ],
)
def test_what_cannot_be_used_is_in_quarantine_with_rule_value_and_way_out(spoiled: Path, key: str, reason: str, says: tuple[str]) -> None:
    rows = pd.read_parquet(spoiled / "store" / "quarantine.parquet")
    found = rows[(rows["key"] == key) & (rows["reason"] == reason)]
    assert len(found) == 1, rows[["key", "reason", "detail"]].to_string()
    for part in says:
        assert part in found["detail"].iloc[0]


def test_what_cannot_be_used_is_counted_and_the_other_rows_stay(spoiled: Path) -> None:
    _, figures, _ = answer("inspect", spoiled / "store")
    rows = pd.read_parquet(spoiled / "store" / "quarantine.parquet")
    assert figures["rejections"] == rows["reason"].value_counts().to_dict()
    assert (figures["num_samples"], figures["dropped"]) == (ROWS - 2, 2)
    assert sorted(rows[rows["dropped"]]["reason"]) == ["empty_id", "unknown_class"]


@pytest.mark.parametrize("key", ["p3", "p8", "p9", "p10"])
def test_mislabelled_cmyk_palette_and_animated_pictures_are_used(spoiled: Path, key: str) -> None:
    _, figures, _ = answer("inspect", spoiled / "store", "--sample", key)
    assert len(figures["nodes"]["image_region"]) == 4


def test_strict_stops_with_the_counts_and_the_first_faults(spoiled: Path, tmp_path: Path) -> None:
    says = ("With --strict everything must be usable", "empty_id 1", "repeat the command without --strict")
    refused("convert", spoiled / "experiment.yaml", "--out", tmp_path / "store", "--strict", code="E_INPUT", says=says)


def test_nothing_finite_is_lost_to_what_is_not(spoiled: Path) -> None:
    """Infinite and missing numbers count as missing; no feature is NaN."""
    from graphfuse.store.graph_store import open_store

    store = open_store(spoiled / "store")
    batch = store.batch(np.arange(len(store)))
    assert all(bool(batch[name].x.isfinite().all()) for name in batch.node_types)


# Stores, runs and new rows


def verbs_that_read(store: Path, line: Path, out: Path) -> list[list[str | Path]]:
    return [
        ["inspect", store, "--sample", "p19"],
        ["train", line / "experiment.yaml", "--store", store, "--out", out / "run"],
        ["predict", line / "run", "--input", store, "--out", out / "predictions.parquet"],
        ["analyse", line / "run", "--store", store, "--out", out / "analysis"],
        ["export", store, "--format", "csv", "--out", out / "export"],
    ]


@pytest.mark.parametrize("number", range(5))
def test_every_verb_refuses_a_store_of_a_newer_format(line: Path, tmp_path: Path, number: int) -> None:
    store = Path(shutil.copytree(line / "store", tmp_path / "newer"))
    index = json.loads((store / "index.json").read_text())
    (store / "index.json").write_text(json.dumps({**index, "format": 5}))
    says = ("is a store of format 5", "reads format 4", "Update graphfuse")
    refused(*verbs_that_read(store, line, tmp_path)[number], code="E_INTEGRITY", says=says)
    refused("convert", line / "experiment.yaml", "--out", store, code="E_INTEGRITY", says=says)


@pytest.mark.parametrize("number", range(5))
def test_every_verb_refuses_a_damaged_shard_and_convert_mends_it(line: Path, tmp_path: Path, number: int) -> None:
    store = Path(shutil.copytree(line / "store", tmp_path / "damaged"))
    shard = store / "shards" / "00000.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    says = ("00000.safetensors has changed since it was written", "Repeat convert")
    refused(*verbs_that_read(store, line, tmp_path)[number], code="E_INTEGRITY", says=says)
    if number == 0:
        refused("inspect", store, code="E_INTEGRITY", says=says)
        assert answer("convert", line / "experiment.yaml", "--out", store)[0] == 0
        assert answer("inspect", store)[0] == 0
        assert shard.read_bytes() == whole


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("run/receipt.json", ("is a run of format 2", "reads up to format 1", "Update graphfuse")),
        ("run/seed-0/model.safetensors", ("model.safetensors has changed since it was written", "Train again")),
    ],
)
def test_a_newer_or_damaged_run_is_refused(line: Path, tmp_path: Path, file: str, says: tuple[str, ...]) -> None:
    copy = Path(shutil.copytree(line, tmp_path / "copy"))
    content = (copy / file).read_bytes()
    newer = json.dumps({**json.loads(content), "format": 2}).encode() if file.endswith("json") else content[:-1] + bytes([content[-1] ^ 1])
    (copy / file).write_bytes(newer)
    refused("predict", copy / "run", "--input", copy / "posts.csv", "--out", tmp_path / "p.parquet", code="E_INTEGRITY", says=says)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["predict", "run", "--input", "none.csv", "--out", "p.parquet"], "E_INPUT", ("must be a file that exists", "none.csv")),
        (["predict", "none", "--input", "posts.csv", "--out", "p.parquet"], "E_INPUT", ("A run is a folder that train made", "'none'")),
        (["predict", "run", "--input", "users.csv", "--out", "p.parquet"], "E_INPUT", ("modalities.text.column must name", "'text'")),
        (
            ["predict", "run", "--input", "posts.csv", "--out", "images"],
            "E_INPUT",
            ("--out must be a file", "'images'", "images/predictions.parquet"),
        ),
        (
            ["predict", "run", "--input", "posts.csv", "--out", "posts.csv"],
            "E_INPUT",
            ("called a Parquet file", "Name it posts.csv.parquet"),
        ),
        (
            ["predict", "run", "--input", "store", "--out", "store/samples.parquet"],
            "E_INPUT",
            ("--out must not be what is predicted, nor lie within it", "another name"),
        ),
        (["train", "experiment.yaml", "--store", "store", "--out", "."], "E_INPUT", ("train writes into a new folder", "another --out")),
        (
            ["train", "experiment.yaml", "--store", "store", "--out", "store"],
            "E_INPUT",
            ("train writes into a new folder", "another --out"),
        ),
        (["inspect", "none"], "E_INPUT", ("A store is a folder that convert made", "'none'", "graphfuse convert EXPERIMENT")),
        (["inspect", "store", "--sample", "p99"], "E_INPUT", ("must be in the store", "'p99'", "Did you mean 'p9'?")),
        (["train", "experiment.yaml", "--store", "store", "--out", "run"], "E_INPUT", ("holds a finished run", "--resume")),
        (
            ["train", "experiment.yaml", "--store", "store", "--out", "other", "--set", "train.modality_dropout={imge: 0.3}"],
            "E_CONFIG",
            ("train.modality_dropout.imge: is not a modality", "Did you mean 'image'?"),
        ),
        (
            ["analyse", "run", "--store", "store", "--out", "looks", "--analyses", "atention,oclusion"],
            "E_CONFIG",
            ("'atention' is not in analyses. Did you mean 'attention'?", "'oclusion' is not in analyses. Did you mean 'occlusion'?"),
        ),
        (["analyse", "run", "--store", "store", "--out", "looks", "--samples", "p0"], "E_INPUT", ("'p0' is in 'train'", "Choose others")),
        (
            ["analyse", "run", "--store", "store", "--out", "looks", "--pictures", "none"],
            "E_INPUT",
            ("--pictures must be a folder", "none"),
        ),
        (["export", "store", "--format", "graphml", "--out", "g", "--sample", "p99"], "E_INPUT", ("must be in the store", "'p99'")),
        (["export", "none", "--format", "csv", "--out", "g"], "E_INPUT", ("a store or an analysis at none", "Check the path")),
        (["export", "store", "--format", "grapml", "--out", "g"], "E_CONFIG", ("'--format'", "'grapml' is not one of 'graphml'")),
        (["convert", "experiment.yaml", "--out", "posts.csv"], "E_INPUT", ("--out must be a folder", "posts.csv", "another name")),
        (
            ["convert", "experiment.yaml", "--out", "new", "--engine", "ray"],
            "E_CONFIG",
            ("--engine: must be local (got 'ray')", "--workers N"),
        ),
        (["convert", "experiment.yaml", "--out", "."], "E_INPUT", ("--out must be a new folder", "one that convert made")),
        (
            ["convert", "experiment.yaml", "--out", "store", "--set", "modalities.1.grid=3"],
            "E_CONFIG",
            ("modalities.1.grid: was 2, is 3", "Give another --out"),
        ),
        (["init", "none.csv", "--out", "new.yaml"], "E_INPUT", ("must be a file that exists", "none.csv", "Check the path")),
        (["init", "posts.csv", "--out", "experiment.yaml"], "E_INPUT", ("never overwrites", "'experiment.yaml'", "another --out")),
    ],
)
def test_a_command_that_cannot_be_done_says_the_way_out(
    line: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: str, says: tuple[str, ...]
) -> None:
    monkeypatch.chdir(line)
    before = sorted(line.rglob("*"))
    refused(*arguments, code=code, says=says)
    assert sorted(line.rglob("*")) == before


def test_without_edges_only_the_model_without_a_graph_is_trained_and_analysed(posts: Path, tmp_path: Path) -> None:
    bare, store = [posts / "experiment.yaml", "--set", "edges=[]"], tmp_path / "store"
    assert answer("convert", *bare, "--out", store)[0] == 0
    for name in ("relational_mean", "relational_attention", "hgt", "hetero_sage"):
        graph = ["--store", store, "--out", tmp_path / name, "--set", f"model={{name: {name}}}"]
        refused("train", *bare, *graph, code="E_CONFIG", says=("passes messages along edges (got none)", "Add edges, or choose concat"))
    assert answer("train", *bare, "--store", store, "--out", tmp_path / "concat", "--set", "model={name: concat}")[0] == 0
    every = ["--analyses", "attention,gradient,occlusion,fidelity"]
    status, figures, words = answer("analyse", tmp_path / "concat", "--store", store, "--out", tmp_path / "looks", *every)
    assert (status, figures["scores"]["gradient"]) == (0, 0), words


def test_nodes_that_no_message_reaches_are_pointed_out(posts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", str(posts / "experiment.yaml"), "--out", str(tmp_path / "store"), "--set", "edges=[{name: membership}]"]) == 0
    assert "in no edge: user. No message reaches them; add an edge builder, such as authorship for users." in capsys.readouterr().out
