"""A store that is not as it was written is refused, and the message names the file."""

import json
import random
import shutil

import pyarrow as pa
import pytest
from safetensors.numpy import save
from store_toys import FULL, SCHEMA, toy_store

from graphfuse.core.errors import GraphfuseError, InputError, IntegrityError
from graphfuse.core.files import file_entries
from graphfuse.store import blocks
from graphfuse.store.arrays import map_arrays
from graphfuse.store.blocks import checksums, frame_checksum
from graphfuse.store.graph_store import open_store
from graphfuse.store.index import seal
from graphfuse.store.integrity import check_digests, forget, verified
from graphfuse.store.layout import num_checksums

SHARD = "shards/00001.safetensors"


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << random.Random(position).randrange(8)
    path.write_bytes(content)


def rewrite_index(folder, change):
    """Change the index and give it the right digest again, as somebody who means harm would."""
    index = json.loads((folder / "index.json").read_text())
    del index["sha256"]
    change(index)
    (folder / "index.json").write_bytes(seal(index))


def replace_shard(folder, content):
    """Put another file in a shard's place, and list it with its checksums."""
    (folder / SHARD).write_bytes(content)

    def listed(index):
        record = index["shards"][1]
        record["files"].update(file_entries(folder, [SHARD]))
        record["frame"] = frame_checksum(pa.py_buffer(content), num_checksums(record))

    rewrite_index(folder, listed)


def replace_arrays(folder, **changes):
    """Change arrays of a shard, and make all its checksums right."""
    arrays = {name: array.copy() for name, array in map_arrays(folder / SHARD).items()} | changes
    size = json.loads((folder / "index.json").read_text())["shards"][1]["block_samples"]
    replace_shard(folder, save({**arrays, "blocks": checksums(arrays, SCHEMA, size)}))


def read_everything(folder):
    store = open_store(folder)
    store.batch(range(len(store)))
    for node_type in store.schema.node_types:
        for i in range(len(store)):
            store.units(node_type, i)
    return store.samples, store.quarantine, [store.state(name) for name in store.states]


@pytest.fixture
def folder(tmp_path):
    return toy_store(tmp_path / "store", FULL)


def test_whole_store_is_read(folder):
    read_everything(folder)


def test_every_flipped_bit_and_every_cut_is_noticed(folder, tmp_path):
    draw = random.Random(0)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    for round_ in range(60):
        copy = tmp_path / f"copy{round_}"
        shutil.copytree(folder, copy)
        chosen = copy / files[round_ % len(files)]
        if round_ % 3:
            flip(chosen, draw.randrange(chosen.stat().st_size))
        else:
            chosen.write_bytes(chosen.read_bytes()[: draw.randrange(chosen.stat().st_size)])
        with pytest.raises(IntegrityError) as caught:
            read_everything(copy)
        assert chosen.name in str(caught.value) or chosen.name == "index.json"


def test_damaged_shard_names_the_file_and_the_way_out(folder):
    flip(folder / SHARD, 700)

    with pytest.raises(IntegrityError, match=f"{SHARD} has changed since it was written. Repeat convert"):
        open_store(folder).batch([3])


def test_shard_cut_short_tells_both_sizes(folder):
    content = (folder / SHARD).read_bytes()
    (folder / SHARD).write_bytes(content[:-100])

    with pytest.raises(IntegrityError, match=f"{SHARD} must have {len(content):,} bytes .has {len(content) - 100:,}"):
        open_store(folder).batch([3])


@pytest.mark.parametrize("name", [SHARD, "samples.parquet", "units/text_span-00000.parquet", "entities/user.safetensors"])
def test_missing_file_is_named(folder, name):
    (folder / name).unlink()

    with pytest.raises(IntegrityError, match=f"{name} is missing"):
        read_everything(folder)


def test_folder_without_index_is_not_a_whole_store(folder):
    (folder / "index.json").unlink()

    with pytest.raises(IntegrityError, match=r"not a whole store: it has no index.json.*Repeat convert"):
        open_store(folder)


def test_missing_folder_says_how_to_make_one(tmp_path):
    with pytest.raises(InputError, match="graphfuse convert"):
        open_store(tmp_path / "nowhere")


def test_store_of_a_newer_format_names_both_versions_and_the_way_out(folder):
    rewrite_index(folder, lambda index: index.update(format=5, novelty={}))

    with pytest.raises(IntegrityError, match=r"store of format 5; this graphfuse reads format 4. Update graphfuse"):
        open_store(folder)


def test_store_of_an_older_format_names_both_versions_and_the_way_out(folder):
    rewrite_index(folder, lambda index: index.update(format=3))

    with pytest.raises(IntegrityError, match=r"store of format 3; this graphfuse reads format 4. Repeat convert into a new folder"):
        open_store(folder)


def test_a_file_whose_checksum_somebody_made_right_is_still_told_by_its_digest(folder):
    sha256 = file_entries(folder, [SHARD])[SHARD]["sha256"]
    flip(folder / SHARD, (folder / SHARD).stat().st_size - 1)
    entries = file_entries(folder, [SHARD])
    entries[SHARD]["sha256"] = sha256

    verified(folder, SHARD, entries)
    with pytest.raises(IntegrityError, match=f"{SHARD} has changed since it was written"):
        check_digests(folder, entries)


def test_changed_index_is_noticed(folder):
    text = (folder / "index.json").read_text()
    (folder / "index.json").write_text(text.replace('"yes"', '"yet"'))

    with pytest.raises(IntegrityError, match=r"index.json has changed"):
        open_store(folder)


@pytest.mark.parametrize("key", ["schema", "target", "shards", "files", "recipe", "samples", "weighted_edge_types"])
@pytest.mark.parametrize("value", [None, [], {"a": 1}, "text", 7])
def test_index_of_another_shape_is_an_error_for_people(folder, key, value):
    rewrite_index(folder, lambda index: index.update({key: value}))

    if (key, value) in (("recipe", {"a": 1}), ("weighted_edge_types", [])):
        open_store(folder)  # another content, the right shape
    else:
        with pytest.raises(GraphfuseError, match=r"index.json must be as convert writes it"):
            open_store(folder)


def test_shards_of_different_element_types_are_refused(folder):
    rewrite_index(folder, lambda index: index["shards"][1].update(dtype="float32"))

    with pytest.raises(IntegrityError, match="targets or features of the shards differ in kind"):
        open_store(folder)


def test_node_type_that_names_another_folder_is_refused(folder):
    rewrite_index(folder, lambda index: index["schema"]["node_types"][0].update(name="../../text_span"))

    with pytest.raises(IntegrityError, match=r"index.json"):
        open_store(folder)


def test_shard_with_an_extra_array_is_refused(folder):
    arrays = {name: array.copy() for name, array in map_arrays(folder / SHARD).items()}
    replace_shard(folder, save({**arrays, "stowaway": arrays["y"]}))

    with pytest.raises(IntegrityError, match=r"00001.safetensors.*do not belong: .'stowaway'"):
        open_store(folder).batch([3])


def test_shard_without_an_array_is_refused(folder):
    arrays = {name: array.copy() for name, array in map_arrays(folder / SHARD).items()}
    del arrays["image_region.x"]
    replace_shard(folder, save(arrays))

    with pytest.raises(IntegrityError, match=r"are missing: .'image_region.x'"):
        open_store(folder).batch([3])


def test_array_of_another_type_is_refused(folder):
    arrays = {name: array.copy() for name, array in map_arrays(folder / SHARD).items()}
    replace_shard(folder, save({**arrays, "text_span.x": arrays["text_span.x"].astype("float64")}))

    with pytest.raises(IntegrityError, match=r"'text_span.x' must be float16 .* .is float64"):
        open_store(folder).batch([3])


def test_header_with_a_name_twice_is_refused(folder):
    content = (folder / SHARD).read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    twice = json.dumps(header)[:-1] + f', "y": {json.dumps(header["y"])}}}'
    replace_shard(folder, len(twice).to_bytes(8, "little") + twice.encode() + content[8 + length :])

    with pytest.raises(IntegrityError, match="stands twice"):
        open_store(folder).batch([3])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("edges", 90, "'edges' must stay within the sample's nodes"),
        ("edges", -1, "'edges' must stay within the sample's nodes"),
        ("user.entity", 99, "'user.entity' must name rows 0 to 4"),
        ("ptr", 1, "'ptr' of 'text_span' must ascend from 0 to 4"),
    ],
)
def test_position_out_of_range_is_refused_even_with_right_checksums(folder, name, value, said):
    array = map_arrays(folder / SHARD)[name].copy()
    array.flat[0] = value
    replace_arrays(folder, **{name: array})

    with pytest.raises(IntegrityError, match=said):
        open_store(folder).batch([3])


def test_shards_that_somebody_mutated_are_read_or_refused_but_never_crash(folder):
    draw = random.Random(1)
    whole = (folder / SHARD).read_bytes()
    refused = 0
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(draw.choice([1, 1, 4])):
            content[draw.randrange(len(content) if draw.random() < 0.3 else 800)] = draw.choice(b'09-[]{}",\x00\xff')
        replace_shard(folder, bytes(content))
        try:
            open_store(folder).batch([3, 4])
        except IntegrityError:
            refused += 1
    assert refused > 75


def test_link_out_of_the_store_is_refused(folder, tmp_path):
    shutil.move(folder / SHARD, tmp_path / "elsewhere")
    (folder / SHARD).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(GraphfuseError, match="may not leave its folder"):
        open_store(folder).batch([3])


def test_checksum_is_checked_once_per_process(folder, monkeypatch):
    checked = []
    whole = verified.__globals__["checksum_bytes"]
    monkeypatch.setattr("graphfuse.store.integrity.checksum_bytes", lambda content: checked.append(len(content)) or whole(content))
    forget()

    for _ in range(3):
        open_store(folder).batch([0, 3])

    assert checked == [(folder / "entities/user.safetensors").stat().st_size]


@pytest.fixture
def in_blocks(tmp_path, monkeypatch):
    """Return a store with a shard of eight samples, each a block of its own."""
    monkeypatch.setattr("graphfuse.store.blocks.BLOCK_BYTES", 1)
    forget()
    return toy_store(tmp_path / "store", [[[2, 3, 1]] * 8])


def test_only_blocks_that_are_used_are_checked_and_each_once_per_process(in_blocks, monkeypatch):
    whole, checked = blocks._parts, []
    monkeypatch.setattr("graphfuse.store.blocks._parts", lambda *given: checked.append(given[2:]) or whole(*given))

    for _ in range(2):
        store = open_store(in_blocks)
        store.batch([6, 2])
        store.batch([2])

    assert checked == [(2, 3), (6, 7)]


def test_damage_is_noticed_in_its_block_alone(in_blocks):
    path = in_blocks / "shards/00000.safetensors"
    place = path.read_bytes().find(map_arrays(path)["text_span.x"].tobytes()) + 3 * 2 * 2 * 5  # sample 5: float16, 2 spans, 3 channels
    flip(path, place)
    store = open_store(in_blocks)

    assert store.batch([0, 1, 2, 3, 4, 6, 7]).num_graphs == 7
    with pytest.raises(IntegrityError, match=r"00000.safetensors has changed since it was written"):
        store.batch([5])


def test_shard_with_other_content_of_the_same_shape_is_noticed(folder):
    path = folder / SHARD
    arrays = {name: array.copy() for name, array in map_arrays(path).items()}
    arrays["text_span.x"] += 1
    size = json.loads((folder / "index.json").read_text())["shards"][1]["block_samples"]
    path.write_bytes(save({**arrays, "blocks": checksums(arrays, SCHEMA, size)}))  # whole in itself, but not the one listed

    with pytest.raises(IntegrityError, match=f"{SHARD} has changed since it was written"):
        open_store(folder).batch([3])


def test_checksum_is_not_checked_where_timing_is_the_aim(folder):
    (folder / "state/modalities-0-text.safetensors").write_bytes(
        (folder / "state/modalities-0-text.safetensors").read_bytes()[:-1] + b"\xff"
    )

    assert open_store(folder, verify=False).state("modalities-0-text")["mean"].shape == (3,)
    with pytest.raises(IntegrityError, match="has changed"):
        open_store(folder).state("modalities-0-text")
