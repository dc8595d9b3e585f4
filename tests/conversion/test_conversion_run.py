"""A conversion gives a whole store, once, whatever happens on the way."""

import json
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_plugins import contents, toy_json, toy_manifest, toy_recipe

from graphfuse.conversion.fit import fit_states
from graphfuse.conversion.run import convert
from graphfuse.core.errors import ConfigError, InputError, LockedError
from graphfuse.core.lock import locked
from graphfuse.core.tables import Rejection
from graphfuse.store.frames import read_frame
from graphfuse.store.graph_store import open_store


def run(folder, manifest=None, recipe=None, fitted=None, **options):
    manifest, recipe = toy_manifest() if manifest is None else manifest, recipe or toy_recipe()
    return convert(manifest, recipe, fitted, folder, recipe_json=toy_json(recipe), **options)


def test_rows_become_a_store_that_opens(tmp_path):
    summary = run(tmp_path / "store")
    store = open_store(tmp_path / "store")
    assert summary["samples"] == {"test": 2, "train": 6, "validation": 2}
    assert summary["nodes"] == {"text_span": 50, "sample": 10}
    assert summary["edges"]["text_span__precedes__text_span"] == 40
    assert len(store) == 10
    assert store.sample(9)["text_span"].x.shape == (5, 3)
    assert list(store.samples.columns) == [
        "sample_id", "split", "source_row", "label", "has_text", "has_sample", "num_text_span", "num_sample",
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == [
        "index.json", "quarantine.parquet", "samples.parquet", "shards", "state", "units",
    ]  # fmt: skip


def test_the_same_rows_give_the_same_bytes_with_one_worker_and_with_two(tmp_path):
    run(tmp_path / "one")
    run(tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_whole_store_is_left_as_it_is(tmp_path):
    first = run(tmp_path, recipe=toy_recipe(log=(log := tmp_path.parent / f"{tmp_path.name}.log")))
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    chunks = log.read_text()
    again = run(tmp_path, recipe=toy_recipe(log=log))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times
    assert log.read_text() == chunks
    assert again["nodes"] == first["nodes"]


@pytest.mark.parametrize("harm", ["cut", "gone", "changed"])
def test_a_store_with_a_damaged_file_is_made_again_to_the_same_bytes(tmp_path, harm):
    run(tmp_path)
    whole = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    shard = tmp_path / "shards" / "00001.safetensors"
    if harm == "gone":
        shard.unlink()
    else:
        content = whole[shard]
        shard.write_bytes(content[:-1] if harm == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    run(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == whole


def test_progress_counts_rows(tmp_path):
    seen = []
    run(tmp_path, progress=lambda *step: seen.append(step))
    assert seen == [(0, 10, "fit"), (0, 10, "convert"), (4, 10, "convert"), (8, 10, "convert"), (10, 10, "convert")]


def test_a_class_that_train_rows_lack_is_left_out_and_counted(tmp_path):
    manifest = toy_manifest()
    manifest.samples.loc[9, "label"] = "perhaps"
    summary = run(tmp_path, manifest)
    assert summary["rejections"] == {"unknown_class": 1}
    assert (summary["num_samples"], summary["dropped"]) == (9, 1)
    (row,) = read_frame(tmp_path / "quarantine.parquet").to_dict("records")
    assert (row["key"], row["row"], row["dropped"]) == ("p9", 9, True)
    assert row["detail"].startswith("The target must be a class of the train rows (got 'perhaps').")


def test_a_chunk_of_which_nothing_is_left_makes_no_shard(tmp_path):
    manifest = toy_manifest(12)
    manifest.samples.loc[8:, "label"] = "perhaps"
    assert run(tmp_path, manifest)["shards"] == 2
    assert open_store(tmp_path).sample(7)["text_span"].x.shape == (5, 3)


def test_a_sample_without_content_stays_and_is_counted(tmp_path):
    summary = run(tmp_path, toy_manifest(row_7=""))
    assert summary["rejections"] == {"no_content": 1}
    store = open_store(tmp_path)
    assert store.sample(7)["text_span"].x.shape == (0, 3)
    assert store.samples["has_text"].tolist() == [True] * 7 + [False] + [True] * 2


def test_rows_without_a_target_column_have_no_targets(tmp_path):
    recipe, train = toy_recipe(), toy_manifest()
    new = replace(toy_manifest(3), target=())
    summary = run(tmp_path, new, recipe, fit_states(recipe, train))
    assert summary["num_samples"] == 3
    assert "label" not in open_store(tmp_path).samples


def test_new_rows_get_the_features_that_they_had_in_the_store(tmp_path):
    recipe, manifest = toy_recipe(), toy_manifest()
    run(tmp_path / "store", manifest, recipe)
    new = replace(manifest.take([9]), target=())
    run(tmp_path / "new", new, recipe, fit_states(recipe, manifest))
    old, fresh = open_store(tmp_path / "store").sample(9), open_store(tmp_path / "new").sample(0)
    assert old["text_span"].x.equal(fresh["text_span"].x)


def test_what_is_fitted_does_not_depend_on_test_rows():
    recipe, manifest = toy_recipe(), toy_manifest()
    other = toy_manifest(row_8="something else", row_9="entirely")
    first, second = fit_states(recipe, manifest), fit_states(recipe, other)
    assert [state.keys() for state in first.states.values()] == [state.keys() for state in second.states.values()]
    assert all((first.states[name][key] == second.states[name][key]).all() for name in first.states for key in first.states[name])


def test_users_outside_train_rows_are_hidden_from_fit():
    from graphfuse.conversion.fit import train_part

    manifest = toy_manifest()
    samples = manifest.samples.assign(user_id=[f"u{row}" for row in range(10)])
    users = pd.DataFrame({"user_id": [f"u{row}" for row in range(12)]})
    replies = pd.DataFrame({"sample_id": ["p0", "p9"], "user_id": ["u10", "u11"]})
    train = train_part(replace(manifest, samples=samples, linked={"users": users, "interactions": replies}))
    assert train.linked["users"]["user_id"].tolist() == ["u0", "u1", "u2", "u3", "u4", "u5", "u10"]


def test_texts_that_train_and_test_share_are_counted(tmp_path):
    summary = run(tmp_path, toy_manifest(row_8="post number 1 says yes", row_9="post number 8 says no"))
    assert summary["shared_train_test"] == {"text_span": 1}


def test_strict_names_counts_and_the_first_of_what_cannot_be_used(tmp_path):
    manifest = toy_manifest(row_1="broken", row_3="broken", row_5="broken", row_7="")
    with pytest.raises(InputError) as caught:
        run(tmp_path, manifest, strict=True)
    message = str(caught.value)
    assert "4 things are not (text_broken 3, no_content 1)" in message
    assert "samples row 1, text: text_broken. A text should be whole" in message
    assert message.count("text_broken.") == 3
    assert run(tmp_path, manifest)["resumed_shards"] == 3


def test_strict_refuses_what_the_data_set_left_out_before_any_work(tmp_path):
    left_out = Rejection(table="samples", row=3, key="p", column="id", reason="duplicate_id", detail="Once only.", dropped=True)
    with pytest.raises(InputError, match="duplicate_id 1"):
        run(tmp_path / "store", replace(toy_manifest(), rejections=(left_out,)), strict=True)
    assert not (tmp_path / "store").exists()


def test_what_the_data_set_left_out_is_in_quarantine(tmp_path):
    left_out = Rejection(table="samples", row=10, key="p", column="id", reason="duplicate_id", detail="Once only.", dropped=True)
    summary = run(tmp_path, replace(toy_manifest(), rejections=(left_out,)))
    assert (summary["dropped"], summary["rejections"]) == (1, {"duplicate_id": 1})


@pytest.mark.parametrize("name", ["has_text", "num_sample"])
def test_a_target_called_as_what_a_store_says_of_samples_is_refused(name):
    rows = toy_manifest()
    rows = replace(rows, samples=rows.samples.rename(columns={rows.target[0]: name}), target=(name,))
    with pytest.raises(InputError, match=f"may not be called '{name}'"):
        fit_states(toy_recipe(), rows)


def test_no_train_rows_are_refused(tmp_path):
    manifest = toy_manifest()
    manifest.samples["split"] = "test"
    with pytest.raises(InputError, match=r"there are none \(splits found: test\)\. Check dataset\.split"):
        run(tmp_path, manifest)


def test_no_rows_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least one row"):
        run(tmp_path, toy_manifest().take([]))


def test_no_rows_that_can_be_used_are_refused_with_the_reasons(tmp_path):
    recipe = toy_recipe()
    fitted = fit_states(recipe, toy_manifest())
    manifest = toy_manifest()
    manifest.samples["label"] = "perhaps"
    with pytest.raises(InputError, match=r"all 10 rows were left out \(unknown_class 10\)"):
        run(tmp_path, manifest, recipe, fitted)


def test_another_recipe_in_the_same_folder_is_refused_with_the_difference(tmp_path):
    run(tmp_path)
    with pytest.raises(ConfigError, match=r"convert\.shard_size: was 4, is 5.*Give another --out"):
        run(tmp_path, recipe=toy_recipe(shard_size=5))


def test_other_rows_in_the_same_folder_are_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(ConfigError, match="the rows, the linked tables or the pictures are others"):
        run(tmp_path, toy_manifest(row_9="changed"))


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("do not touch")
    with pytest.raises(InputError, match=r"with 'thesis\.tex' in it"):
        run(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "store").write_text("a file")
    with pytest.raises(InputError, match="must be a folder, and a file is in its place"):
        run(tmp_path / "store")


def test_a_second_writer_is_refused_at_once_and_told_who_is_first(tmp_path):
    with locked(tmp_path), pytest.raises(LockedError, match=rf"process {os.getpid()} on .* since"):
        run(tmp_path)
    assert run(tmp_path)["num_samples"] == 10


def test_the_lock_of_a_dead_process_does_not_block(tmp_path):
    (tmp_path / ".lock").write_text(json.dumps({"pid": 1, "host": "gone", "started": "long ago"}))
    assert run(tmp_path)["num_samples"] == 10
    assert not (tmp_path / ".lock").exists()


def test_pictures_of_another_size_are_other_inputs(tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"one")
    manifest = toy_manifest()
    samples = manifest.samples.assign(pictures=[["a.png"]] + [[]] * 9)
    manifest = replace(manifest, samples=samples, root=Path(tmp_path))
    run(tmp_path / "store", manifest)
    picture.write_bytes(b"other")
    with pytest.raises(ConfigError, match="pictures are others"):
        run(tmp_path / "store", manifest)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "one", "two words", "broken"]), st.sampled_from(["yes", "no", "", "new"])), max_size=9))
def test_every_row_is_a_sample_or_in_quarantine(rows):
    manifest = toy_manifest(6 + len(rows))
    for position, (text, label) in enumerate(rows, start=6):
        manifest.samples.loc[position, ["text", "label"]] = [text, label]
    with TemporaryDirectory() as folder:
        summary = run(Path(folder) / "store", manifest)
        quarantine = read_frame(Path(folder) / "store" / "quarantine.parquet")
    assert summary["num_samples"] + summary["dropped"] == len(manifest)
    assert summary["rejections"].get("unknown_class", 0) == sum(label == "new" for _, label in rows)
    assert len(quarantine) == sum(summary["rejections"].values())
