"""A picture is refused for what lies in it; what the machine lacks stops the command, and Pillow's limit stops nothing."""

import errno
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image, ImageFile

from graphfuse.core.errors import ResourceError
from graphfuse.modalities._picture_faults import PictureError
from graphfuse.modalities._pictures import decode, find_picture

PIXELS, BYTES = 64_000_000, 64_000_000


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


PASSING = [
    (OSError(errno.EIO, "Input/output error"), "Input/output error.*Repeat the command"),
    (OSError(errno.EMFILE, "Too many open files"), "Too many open files.*Repeat the command"),
    (MemoryError(), "Memory must suffice .*'plain.png'.*repeat the command"),
]


@pytest.mark.parametrize("step", ["pathlib.Path.stat", "pathlib.Path.open", "PIL.Image.open"])
@pytest.mark.parametrize(("error", "says"), PASSING)
def test_what_is_no_fault_of_the_picture_is_not_told_as_one_of_its_header(tmp_path, monkeypatch, step, error, says):
    Image.new("RGB", (8, 6)).save(tmp_path / "plain.png")
    with monkeypatch.context() as patch, pytest.raises(ResourceError, match=says):
        patch.setattr(step, failing(error))
        find_picture(tmp_path, "plain.png", PIXELS, BYTES)


@pytest.mark.parametrize("step", ["pathlib.Path.open", "PIL.ImageFile.ImageFile.load"])
@pytest.mark.parametrize(("error", "says"), PASSING)
def test_what_is_no_fault_of_the_picture_is_not_told_as_one_of_its_pixels(tmp_path, monkeypatch, step, error, says):
    Image.new("RGB", (8, 6)).save(tmp_path / "plain.png")
    found = find_picture(tmp_path, "plain.png", PIXELS, BYTES)
    with monkeypatch.context() as patch, pytest.raises(ResourceError, match=says):
        patch.setattr(step, failing(error))
        decode(found, 512)


@pytest.mark.parametrize(
    ("step", "error", "reason"),
    [
        ("pathlib.Path.stat", PermissionError(errno.EACCES, "Permission denied"), "picture_missing"),
        ("pathlib.Path.stat", OSError(errno.ENAMETOOLONG, "File name too long"), "picture_missing"),
        ("pathlib.Path.open", PermissionError(errno.EACCES, "Permission denied"), "image_unreadable"),
        ("PIL.Image.open", OSError("decoding error when reading image file"), "image_unreadable"),
    ],
)
def test_what_lies_in_the_picture_or_its_name_is_told_as_such(tmp_path, monkeypatch, step, error, reason):
    Image.new("RGB", (8, 6)).save(tmp_path / "plain.png")
    with monkeypatch.context() as patch, pytest.raises(PictureError) as caught:
        patch.setattr(step, failing(error))
        find_picture(tmp_path, "plain.png", PIXELS, BYTES)
    assert caught.value.reason == reason


@pytest.mark.parametrize("pillows", [300, 119_999])  # beyond twice its limit Pillow refuses, below it warns
def test_how_large_a_picture_may_be_is_for_max_pixels_to_say(tmp_path, monkeypatch, pillows):
    Image.new("1", (300, 400)).save(tmp_path / "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows)
    assert decode(find_picture(tmp_path, "big.png", 120_000, BYTES), 512).size == (300, 400)
    with pytest.raises(PictureError, match=r"may have 119,999 pixels .got 300 x 400 in 'big.png'"):
        find_picture(tmp_path, "big.png", 119_999, BYTES)
    assert pillows == Image.MAX_IMAGE_PIXELS


def test_the_limit_of_pillow_is_back_when_the_last_of_several_threads_is_done(tmp_path, monkeypatch):
    Image.new("1", (300, 400)).save(tmp_path / "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    found = find_picture(tmp_path, "big.png", PIXELS, BYTES)
    together, load = threading.Barrier(2, timeout=60), ImageFile.ImageFile.load

    def loaded_together(image):
        together.wait()
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", loaded_together)
    monkeypatch.setattr("graphfuse.modalities._pictures._to_rgb", lambda image: Image.new("RGB", image.size))  # which else loads again
    with ThreadPoolExecutor(2) as threads:
        assert [image.size for image in threads.map(lambda size: decode(found, size), [400, 401])] == [(300, 400)] * 2
    assert Image.MAX_IMAGE_PIXELS == 300
