"""Pictures become regions; equal files are encoded once, and what cannot be used is counted, never a zero vector."""

import json
import os

import numpy as np
import pytest
from modality_toys import manifest, modality, reasons
from PIL import Image

from graphfuse.core.errors import ConfigError, InputError
from graphfuse.encoders.image_statistics import ImageStatistics
from graphfuse.modalities._pictures import decode


@pytest.fixture
def folder(tmp_path):
    """Two pictures that differ, and a copy of the first."""
    root = tmp_path / "pictures"
    root.mkdir()
    left = Image.new("RGB", (40, 20), "red")
    left.paste(Image.new("RGB", (20, 20), "blue"))
    left.save(root / "left.png")
    left.save(root / "copy.png")
    Image.new("RGB", (20, 40), "green").save(root / "green.bmp")
    return root


@pytest.fixture
def encoded(monkeypatch):
    """Count the pictures that the encoder sees."""
    seen = []
    encode = ImageStatistics.encode

    def counted(self, pictures, boxes):
        seen.extend(pictures)
        return encode(self, pictures, boxes)

    monkeypatch.setattr(ImageStatistics, "encode", counted)
    return seen


def test_grid_cells_come_row_by_row_for_every_picture_of_a_row(folder):
    table = modality(name="image", grid=[1, 2]).nodes(manifest(folder, pictures=[["left.png", "green.bmp"], []]), {})
    assert table.sample.tolist() == [0, 0, 0, 0]
    assert table.units["path"].tolist() == ["left.png", "left.png", "green.bmp", "green.bmp"]
    assert table.units["picture"].tolist() == [0, 0, 1, 1]
    assert table.units[["x0", "y0", "x1", "y1"]].to_numpy().tolist() == [[0, 0, 0.5, 1], [0.5, 0, 1, 1]] * 2
    assert not (table.x[0] == table.x[1]).all()  # blue and red


def test_the_whole_picture_can_be_a_region_too(folder):
    table = modality(name="image", grid=2, whole=True).nodes(manifest(folder, pictures=[["left.png"]]), {})
    assert len(table) == 5
    assert table.units.loc[0, ["x0", "y0", "x1", "y1"]].tolist() == [0, 0, 1, 1]


def test_equal_files_are_encoded_once_and_known_ones_not_at_all(folder, encoded):
    rows = manifest(folder, pictures=[["left.png"], ["copy.png", "left.png"], ["green.bmp"]])
    image = modality(name="image", grid=2)
    first = image.nodes(rows, {})
    assert len(encoded) == 2
    assert (first.x[:4] == first.x[4:8]).all()
    assert np.array_equal(image.nodes(rows, {}).x, first.x)
    assert len(encoded) == 2


def test_a_changed_file_is_encoded_again(folder, encoded):
    rows = manifest(folder, pictures=[["green.bmp"]])
    image = modality(name="image")
    before = image.nodes(rows, {}).x
    Image.new("RGB", (20, 41), "yellow").save(folder / "green.bmp")
    assert not np.array_equal(image.nodes(rows, {}).x, before)


def test_a_row_gives_the_same_bytes_whatever_is_beside_it(folder, monkeypatch):
    monkeypatch.setenv("GRAPHFUSE_CACHE", "off")
    rows = manifest(folder, pictures=[["left.png"], ["green.bmp"]])
    image = modality(name="image")
    alone = [image.nodes(rows.take([row]), {}).x for row in range(2)]
    assert image.nodes(rows, {}).x.tobytes() == np.concatenate(alone).tobytes()


def test_boxes_may_be_fractions_or_pixels(folder):
    cells = [json.dumps([[0, 0, 0.5, 1]]), json.dumps([[0, 0, 20, 20], [20, 0, 40, 20]]), ""]
    rows = manifest(folder, pictures=[["left.png"]] * 3, boxes=cells)
    table = modality(name="image", grid=None, boxes="boxes").nodes(rows, {})
    assert table.sample.tolist() == [0, 1, 1]
    assert table.units[["x0", "y0", "x1", "y1"]].to_numpy().tolist() == [[0, 0, 0.5, 1], [0, 0, 0.5, 1], [0.5, 0, 1, 1]]
    assert (table.x[0] == table.x[1]).all()


def test_a_fraction_that_is_a_rounding_above_one_makes_no_pixels_of_the_others(folder):
    rows = manifest(folder, pictures=[["left.png"]], boxes=["[[0.5, 0, 1.0000001, 1]]"])
    table = modality(name="image", grid=None, boxes="boxes").nodes(rows, {})
    assert table.units[["x0", "y0", "x1", "y1"]].to_numpy().tolist() == [[0.5, 0, 1, 1]]


def test_boxes_may_be_given_per_picture(folder):
    rows = manifest(folder, pictures=[["left.png", "green.bmp"]], boxes=[[[[0, 0, 1, 1]], [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]]])
    table = modality(name="image", grid=None, boxes="boxes").nodes(rows, {})
    assert table.units["picture"].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "box",
    [
        "[0.5, 0, 0.5, 1]",
        "[0.9, 0, 0.1, 1]",
        "[2000, 0, 3000, 10]",
        "[0, 0, 1]",
        "[0, 0, 1, NaN]",
        f"[0, 0, 1, 1{'0' * 400}]",
        '["a", 0, 1, 1]',
        "[null, 0, 1, 1]",
    ],
)
def test_an_invalid_box_is_left_out_and_counted(folder, box):
    rows = manifest(folder, pictures=[["left.png"]], boxes=[f"[[0, 0, 1, 1], {box}]"])
    table = modality(name="image", grid=None, boxes="boxes").nodes(rows, {})
    assert reasons(table) == [("a", "box_invalid")]
    assert "A box must be [x0, y0, x1, y1] with x0 < x1 and y0 < y1 inside the picture (got '[" in table.rejections[0].detail
    assert table.rejections[0].column == "boxes"


@pytest.mark.parametrize("cell", ["no list", '{"x": 1}', "[1, 2, 3, 4]", "[" * 100_000, "3"])
def test_a_cell_without_boxes_in_it_is_counted_and_the_picture_used(folder, cell):
    table = modality(name="image", grid=1, boxes="boxes").nodes(manifest(folder, pictures=[["left.png"]], boxes=[cell]), {})
    assert len(table) == 1
    assert reasons(table) == [("a", "boxes_unreadable")]
    assert "Boxes must be a JSON list of [x0, y0, x1, y1]" in table.rejections[0].detail


def test_too_many_boxes_and_pictures_are_cut_and_noted(folder):
    rows = manifest(folder, pictures=[["left.png", "green.bmp", "copy.png"]], boxes=[[[0, 0, 1, 1]] * 5])
    table = modality(name="image", grid=None, boxes="boxes", max_boxes=2, max_pictures=1).nodes(rows, {})
    assert len(table) == 2
    assert reasons(table) == [("a", "too_many_pictures"), ("a", "too_many_boxes")]
    assert table.rejections[0].detail == "A row may have 1 pictures (got 3); the rest was left out. Raise max_pictures."
    assert table.rejections[1].detail == "A picture may have 2 boxes (got 5); the rest was left out. Raise max_boxes."


HOSTILE = [
    ("../secret.png", "path_outside"),
    ("a/../../secret.png", "path_outside"),
    ("/etc/passwd", "path_outside"),
    ("~/secret.png", "path_outside"),
    ("..\\secret.png", "path_outside"),
    ("C:/secret.png", "path_outside"),
    ("//server/share.png", "path_outside"),
    ("link.png", "path_outside"),
    ("fifo", "path_outside"),
    (".", "path_outside"),
    ("left.png\0.jpg", "path_outside"),
    ("http://example.org/a.png", "remote_image"),
    ("file:///etc/passwd", "remote_image"),
    ("ftp://example.org/a.png", "remote_image"),
    ("%2e%2e/secret.png", "picture_missing"),
    ("absent.png", "picture_missing"),
    ("left.png/more", "picture_missing"),
    ("x" * 5000, "picture_missing"),
    ("", "path_outside"),
]


@pytest.mark.parametrize(("name", "reason"), HOSTILE)
def test_no_path_leaves_the_folder_and_the_row_goes_on_without_it(folder, name, reason):
    Image.new("RGB", (4, 4)).save(folder.parent / "secret.png")
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    os.mkfifo(folder / "fifo")
    table = modality(name="image", grid=1).nodes(manifest(folder, pictures=[[name, "left.png"]]), {})
    assert reasons(table) == [("a", reason)]
    assert table.units["path"].tolist() == ["left.png"]
    detail = table.rejections[0].detail
    assert "must" in detail or "may not" in detail
    assert str(folder.parent) not in detail
    assert len(detail) < 250


def test_a_picture_without_content_has_no_node(folder):
    (folder / "empty.png").touch()
    table = modality(name="image", grid=2).nodes(manifest(folder, pictures=[["empty.png"], ["left.png"]]), {})
    assert table.sample.tolist() == [1, 1, 1, 1]
    assert reasons(table) == [("a", "image_unreadable")]
    assert table.rejections[0].detail == "A picture must have content (got an empty file, 'empty.png'). Fetch it again."


def test_a_damaged_picture_is_counted_on_every_run_for_every_row(folder):
    content = (folder / "left.png").read_bytes()
    (folder / "half.png").write_bytes(content[: len(content) // 2])
    rows = manifest(folder, pictures=[["half.png"], ["left.png"], ["half.png"]])
    image = modality(name="image", grid=1)
    for _ in range(2):
        table = image.nodes(rows, {})
        assert table.sample.tolist() == [1]
        assert reasons(table) == [("a", "image_unreadable"), ("c", "image_unreadable")]
        assert "A picture must be a whole JPEG, PNG, WEBP, GIF, BMP file (got 'half.png'" in table.rejections[0].detail


def test_a_picture_that_is_replaced_meanwhile_does_not_get_its_features_kept_for_the_other(folder, monkeypatch):
    rows = manifest(folder, pictures=[["left.png"]])
    image = modality(name="image", grid=2)
    content = (folder / "left.png").read_bytes()

    def replaced_before(picture, size):
        Image.new("RGB", (40, 20), "green").save(folder / "left.png")
        return decode(picture, size)

    with monkeypatch.context() as patch:
        patch.setattr("graphfuse.modalities.image.decode", replaced_before)
        assert reasons(image.nodes(rows, {})) == [("a", "picture_changed")]
    (folder / "left.png").write_bytes(content)
    found = image.nodes(rows, {}).x
    monkeypatch.setenv("GRAPHFUSE_CACHE", "off")
    assert (found == image.nodes(rows, {}).x).all()


def test_no_pictures_at_all_is_an_empty_table_with_its_channels(folder):
    image = modality(name="image")
    for rows in (manifest(folder, pictures=[[], []]), manifest(folder, text=["new row"])):
        assert image.nodes(rows, {}).x.shape == (0, image.channels({}))


def test_fitting_without_pictures_says_so(folder):
    with pytest.raises(InputError, match="needs pictures"):
        modality(name="image").fit(manifest(folder, text=["x"]))
    with pytest.raises(
        InputError, match=r"modalities.image.boxes must name columns of samples: 'box' is not there. Did you mean 'boxes'\?"
    ):
        modality(name="image", boxes="box").nodes(manifest(folder, pictures=[[]], boxes=[""]), {})


def test_settings_are_checked_together():
    with pytest.raises(ConfigError, match=r"modalities.0: needs a region: give grid, boxes or whole"):
        modality(name="image", grid=None)
    with pytest.raises(ConfigError, match=r"encoder.name: must encode pictures .got 'hashed_ngrams'.. Use image_statistics"):
        modality(name="image", encoder={"name": "hashed_ngrams"})
    with pytest.raises(ConfigError, match=r"modalities.0.grid"):
        modality(name="image", grid=0)
