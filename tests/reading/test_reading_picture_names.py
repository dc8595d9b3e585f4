"""Cells that name pictures become lists of paths; no name is lost in silence."""

import pandas as pd
import pytest

from graphfuse.reading.picture_names import list_pictures, split_names
from graphfuse.reading.settings import Pictures


@pytest.fixture
def folder(tmp_path):
    for name in ("sandy_1.jpg", "b.PNG", "two.jpg", "two.png", "sub/c.webp", "notes.txt", "v1.2.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def listed(folder, cells, **settings):
    frame = pd.DataFrame({"p": pd.Series(cells, dtype=object)})
    keys = pd.Series([f"s{i}" for i in range(len(cells))])
    paths, rejections = list_pictures(frame, Pictures(columns=("p",), **settings), folder, keys)
    return paths.tolist(), [(r.row, r.key, r.reason) for r in rejections]


def test_names_without_extension_are_looked_up_by_stem(folder):
    paths, rejections = listed(folder, ["sandy_1 ", "b,sandy_1", "sub/c", "v1.2", ""])
    assert paths == [["sandy_1.jpg"], ["b.PNG", "sandy_1.jpg"], ["sub/c.webp"], ["v1.2.jpg"], []]
    assert rejections == []


def test_a_stem_without_a_file_or_with_two_is_rejected_and_the_others_stay(folder):
    paths, rejections = listed(folder, ["none_7,b", "two", "notes", "sub/none"])
    assert paths == [["b.PNG"], [], [], []]
    assert rejections == [
        (0, "s0", "picture_missing"),
        (1, "s1", "picture_ambiguous"),
        (2, "s2", "picture_missing"),
        (3, "s3", "picture_missing"),
    ]


def test_the_message_says_what_to_do(folder):
    frame = pd.DataFrame({"p": ["two"]})
    _, (rejection,) = list_pictures(frame, Pictures(columns=("p",)), folder, pd.Series(["s"]))
    assert rejection.detail == (
        "A picture must mean one file (could be two.jpg, two.png) (got 'two'). Add the file, or write the name with its extension."
    )


def test_names_with_extension_pass_as_they_are(folder):
    assert listed(folder, ["x.jpg", "B.jpeg", "c.JPE", "d.jfif"]) == ([["x.jpg"], ["B.jpeg"], ["c.JPE"], ["d.jfif"]], [])


def test_a_file_of_exactly_the_name_is_meant_whatever_its_ending(folder):
    for name in ("two", "sub/d.tiff"):
        (folder / name).write_bytes(b"")
    assert listed(folder, ["two", "sub/d.tiff", "sub/d", "sub"]) == (
        [["two"], ["sub/d.tiff"], [], []],
        [(2, "s2", "picture_missing"), (3, "s3", "picture_missing")],
    )


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "http://a/b", "~/x", "c:\\x", "a/../../x"])
def test_names_that_leave_the_folder_are_not_looked_up_and_are_left_to_be_refused(folder, name):
    (folder.parent / "secret.png").write_bytes(b"")
    assert listed(folder, [name]) == ([[name]], [])


@pytest.mark.parametrize(
    ("cell", "separator", "names"),
    [
        ("a.png, b.png ", ",", ["a.png", "b.png"]),
        ("a.png;b.png", ";", ["a.png", "b.png"]),
        ("a, b.png", None, ["a, b.png"]),
        (["a.png", " b.png"], ",", ["a.png", "b.png"]),
        ('["a,1.png", "b.png"]', ",", ["a,1.png", "b.png"]),
        ("[draft].png", ",", ["[draft].png"]),
        ("null,,NA", ",", []),
        ([], ",", []),
        ({"bytes": b"", "path": "a.png"}, ",", ["a.png"]),
        ([{"bytes": b"x", "path": None}, "b.png"], ",", ["{bytes, path}", "b.png"]),  # looked for, and counted as missing
    ],
)
def test_a_cell_may_hold_one_name_or_many(cell, separator, names):
    assert split_names(cell, separator) == names


def test_several_columns_are_read_in_order(folder):
    frame = pd.DataFrame({"q": ["b"], "p": ["x.png"]})
    paths, _ = list_pictures(frame, Pictures(columns=("p", "q")), folder, pd.Series(["s"]))
    assert paths.tolist() == [["x.png", "b.PNG"]]
