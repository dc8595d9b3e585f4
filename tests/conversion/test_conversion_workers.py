"""Workers may die; nothing hangs and nothing is lost in silence."""

from dataclasses import replace

import pytest
from toy_plugins import contents, toy_json, toy_manifest, toy_recipe

from graphfuse.conversion.run import convert
from graphfuse.conversion.workers import modules_of
from graphfuse.core.errors import InputError
from graphfuse.modalities.text import Text
from graphfuse.store.frames import read_frame
from graphfuse.store.graph_store import open_store


def run(folder, manifest, **options):
    recipe = toy_recipe(shard_size=5)
    return convert(manifest, recipe, None, folder, recipe_json=toy_json(recipe), workers=2, **options)


def test_rows_that_kill_their_worker_are_found_and_the_others_converted(tmp_path):
    summary = run(tmp_path, toy_manifest(14, row_7="it dies", row_11="is killed"))
    assert summary["rejections"] == {"crashed_worker": 2}
    assert summary["num_samples"] == 12
    quarantine = read_frame(tmp_path / "quarantine.parquet")
    assert quarantine["key"].tolist() == ["p7", "p11"]
    assert quarantine["dropped"].all()
    without = [row for row in range(14) if row not in (7, 11)]
    assert open_store(tmp_path).samples["sample_id"].tolist() == [f"p{row}" for row in without]


def test_what_every_worker_needs_is_imported_once_for_all():
    recipe = replace(toy_recipe(), modalities=(Text(encoder={"name": "hashed_ngrams"}), *toy_recipe().modalities))
    assert {"graphfuse.encoders.hashed_ngrams", "graphfuse.modalities.text", "toy_plugins"} <= set(modules_of(recipe))


def test_strict_makes_a_crash_an_error(tmp_path):
    with pytest.raises(InputError, match="crashed_worker 1"):
        run(tmp_path, toy_manifest(10, row_7="it dies"), strict=True)


def test_an_error_the_user_can_mend_keeps_its_kind_and_words(tmp_path):
    with pytest.raises(InputError, match="The rule, the value, the way out"):
        run(tmp_path, toy_manifest(row_9="refused"))


def test_a_bug_in_a_worker_comes_with_its_traceback(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*ZeroDivisionError: a bug"):
        run(tmp_path, toy_manifest(row_9="bug"))


def test_after_an_error_the_folder_can_be_resumed_to_the_same_bytes(tmp_path, monkeypatch):
    import toy_plugins

    recipe = toy_recipe(shard_size=5)
    manifest = toy_manifest(row_9="refused")
    with pytest.raises(InputError):
        convert(manifest, recipe, None, tmp_path / "resumed", recipe_json=toy_json(recipe), workers=2)
    monkeypatch.setattr(toy_plugins, "act", lambda text: None)
    for name in ("resumed", "whole"):
        convert(manifest, recipe, None, tmp_path / name, recipe_json=toy_json(recipe))
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")
