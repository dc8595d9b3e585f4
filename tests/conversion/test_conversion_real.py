"""Posts with texts, pictures, users and replies, through the real modalities and every edge builder."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image as PILImage
from toy_plugins import contents

from graphfuse.conversion.fit import fit_states
from graphfuse.conversion.recipe import Recipe
from graphfuse.conversion.run import convert
from graphfuse.core.compiled import has_compiler
from graphfuse.core.settings import ConvertSettings
from graphfuse.core.tables import Manifest
from graphfuse.edges import _compiled_nearest
from graphfuse.edges.authorship import AuthorshipEdges
from graphfuse.edges.candidate import CandidateEdges
from graphfuse.edges.membership import MembershipEdges
from graphfuse.edges.reference import ReferenceEdges
from graphfuse.edges.sequence import SequenceEdges
from graphfuse.edges.similarity import SimilarityEdges
from graphfuse.edges.spatial import SpatialEdges
from graphfuse.edges.temporal import TemporalEdges
from graphfuse.modalities.image import Image
from graphfuse.modalities.interaction import Interaction
from graphfuse.modalities.sample import Sample
from graphfuse.modalities.text import Text
from graphfuse.modalities.user import User
from graphfuse.store.graph_store import open_store
from graphfuse.tasks.classification import Classification

NUM_ROWS = 40


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHFUSE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def recipe():
    return Recipe(
        modalities=(
            Text(encoder={"name": "hashed_ngrams", "channels": 32}),
            Image(grid=2),
            User(numeric=("followers",), categorical=("country",)),
            Interaction(text="body"),
            Sample(),
        ),
        edges=(
            SequenceEdges(),
            SpatialEdges(),
            SimilarityEdges(top_k=2),
            CandidateEdges(),
            MembershipEdges(),
            AuthorshipEdges(),
            ReferenceEdges(users=True),
            TemporalEdges(),
        ),
        task=Classification(),
        settings=ConvertSettings(shard_size=16, fit_samples=20),
    )


@pytest.fixture
def manifest(tmp_path):
    random = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    colours = ["red", "green", "blue"]
    for row in range(12):
        pixels = random.integers(0, 60, (24, 24, 3), dtype=np.uint8)
        pixels[:, :, row % 3] += 180
        PILImage.fromarray(pixels).save(tmp_path / "images" / f"{row}.png")
    rows = np.arange(NUM_ROWS)
    samples = pd.DataFrame(
        {
            "sample_id": [f"post-{row}" for row in rows],
            "source_row": rows,
            "split": np.select([rows % 5 < 3, rows % 5 == 3], ["train", "validation"], "test"),
            "text": [f"A {colours[row % 3]} thing. Seen by number {row}! Nobody else?" for row in rows],
            "pictures": [[f"images/{row % 12}.png"] if row % 7 else ["images/gone.png"] for row in rows],
            "user_id": [f"user-{row % 6}" for row in rows],
            "time": rows * 60.0,
            "label": [colours[row % 3] for row in rows],
        }
    ).astype({"sample_id": "str", "split": "str", "text": "str", "user_id": "str", "label": "str"})
    users = pd.DataFrame(
        {"user_id": [f"user-{row}" for row in range(8)], "followers": [str(10**row) for row in range(8)], "country": ["de", "fr"] * 4}
    )
    replies = pd.DataFrame(
        {
            "interaction_id": [f"reply-{row}" for row in range(30)],
            "sample_id": [f"post-{row % 10}" for row in range(30)],
            "user_id": [f"user-{(row * 3) % 8}" for row in range(30)],
            "kind": ["reply", "like", "reply"] * 10,
            "time": [1e6 - row for row in range(30)],
            "reply_to": [f"reply-{row - 10}" if row >= 10 and row != 15 else ("gone" if row == 15 else "") for row in range(30)],
            "body": [f"I {'agree' if row % 2 else 'doubt'} it" for row in range(30)],
        }
    ).astype({"interaction_id": "str", "sample_id": "str", "user_id": "str", "kind": "str", "reply_to": "str", "body": "str"})
    return Manifest(samples=samples, linked={"users": users, "interactions": replies}, root=tmp_path, target=("label",))


def run(manifest, recipe, folder, fitted=None, **options):
    return convert(manifest, recipe, fitted, folder, recipe_json={"convert": {"shard_size": 16}}, **options)


def test_posts_become_graphs_of_every_kind(manifest, recipe, tmp_path):
    summary = run(manifest, recipe, tmp_path / "store")
    assert summary["num_samples"] == NUM_ROWS
    assert summary["pictures_missing"] == 6
    assert summary["rejections"] == {"picture_missing": 6, "reply_target_missing": 1}
    assert summary["nodes"] == {"text_span": 120, "image_region": 136, "user": len(people(manifest)), "interaction": 30, "sample": 40}
    assert summary["edges"]["text_span__may_match__image_region"] == 34 * 3 * 4
    assert summary["edges"]["interaction__replies_to__interaction"] == 19
    assert summary["edges"]["interaction__precedes__interaction"] == 20
    assert summary["edges"]["user__wrote__sample"] == 40
    assert all(count > 0 for count in summary["edges"].values())
    # 12 pictures and 6 authors go round, texts never repeat
    assert summary["shared_train_test"]["text_span"] == 0
    assert summary["shared_train_test"]["user"] == len(shared_users(manifest))
    assert 0 < summary["shared_train_test"]["image_region"] <= 12


@pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")
@pytest.mark.parametrize("workers", [1, 2])
def test_compiled_loops_write_the_same_bytes(manifest, recipe, tmp_path, monkeypatch, workers):
    run(manifest, recipe, tmp_path / "numpy")
    calls, cosines = [], _compiled_nearest.cosines
    monkeypatch.setattr(_compiled_nearest, "cosines", lambda *arguments: calls.append(1) or cosines(*arguments))
    run(manifest, replace(recipe, kernels="compiled"), tmp_path / "compiled", workers=workers)
    assert contents(tmp_path / "numpy") == contents(tmp_path / "compiled")
    assert bool(calls) == (workers == 1)  # others call it in processes of their own


def people(manifest):
    """Return each author and replier of each post, once."""
    columns = ["sample_id", "user_id"]
    return pd.concat([manifest.samples[columns], manifest.linked["interactions"][columns]]).drop_duplicates()


def shared_users(manifest):
    found = people(manifest).merge(manifest.samples[["sample_id", "split"]])
    return set(found[found["split"] == "train"]["user_id"]) & set(found[found["split"] == "test"]["user_id"])


def test_one_worker_and_two_give_the_same_bytes(manifest, recipe, tmp_path, monkeypatch):
    run(manifest, recipe, tmp_path / "one")
    monkeypatch.setenv("GRAPHFUSE_CACHE", "off")
    run(manifest, recipe, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_second_conversion_takes_its_features_from_the_cache(manifest, recipe, tmp_path):
    first = run(manifest, recipe, tmp_path / "one")
    second = run(manifest, recipe, tmp_path / "two")
    assert first["cache_misses"] > 0
    assert second["cache_misses"] == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_rows_converted_alone_get_the_graphs_that_they_have_in_the_store(manifest, recipe, tmp_path, monkeypatch):
    run(manifest, recipe, tmp_path / "store")
    fitted = fit_states(recipe, manifest)
    monkeypatch.setenv("GRAPHFUSE_CACHE", "off")
    rows = [4, 14, 39]
    run(replace(manifest.take(rows), target=()), recipe, tmp_path / "new", fitted)
    old, new = open_store(tmp_path / "store"), open_store(tmp_path / "new")
    for position, row in enumerate(rows):
        before, after = old.sample(row), new.sample(position)
        for node_type in old.schema.node_types:
            assert before[node_type].x.equal(after[node_type].x)
        for edge_type in old.schema.edge_types:
            assert before[edge_type].edge_index.equal(after[edge_type].edge_index)
            if "edge_weight" in before[edge_type]:
                assert before[edge_type].edge_weight.equal(after[edge_type].edge_weight)


def test_changing_test_rows_leaves_train_rows_and_states_as_they_were(manifest, recipe, tmp_path):
    run(manifest, recipe, tmp_path / "before")
    changed = replace(manifest, samples=manifest.samples.copy())
    test = changed.samples["split"] == "test"
    changed.samples.loc[test, "text"] = "Other words altogether."
    changed.samples.loc[test, "user_id"] = "user-7"
    run(changed, recipe, tmp_path / "after")
    before, after = open_store(tmp_path / "before"), open_store(tmp_path / "after")
    for path in sorted((tmp_path / "before" / "state").iterdir()):
        assert path.read_bytes() == (tmp_path / "after" / "state" / path.name).read_bytes()
    for row in before.indices("train").tolist():
        first, second = before.sample(row), after.sample(row)
        assert all(first[name].x.equal(second[name].x) for name in before.schema.node_types)
        assert all(first[name].edge_index.equal(second[name].edge_index) for name in before.schema.edge_types)
