"""Pictures of every kind that people bring: used as they look, or refused with a reason, before they can do harm."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from graphfuse.modalities._picture_faults import PictureError
from graphfuse.modalities._pictures import decode, find_picture

PIXELS, BYTES = 64_000_000, 64_000_000


@pytest.fixture
def opened(tmp_path):
    """Write bytes to a file and decode it as the image modality does."""

    def do(content, name="picture.png", size=512):
        (tmp_path / name).write_bytes(content)
        return decode(find_picture(tmp_path, name, PIXELS, BYTES), size)

    return do


def saved(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(side):
    """Return a picture of `side` x `side` pixels in a few bytes."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def enlarged(form, width_and_height):
    """Return a small picture whose header claims another size; the old one stands in it as `width_and_height`."""
    content = saved(Image.new("RGB", (9, 7)), form)
    assert width_and_height in content
    pack = ">HH" if form == "JPEG" else "<HH" if form == "GIF" else "<ii"
    return content.replace(width_and_height, struct.pack(pack, 60_000, 60_000), 1)


BOMBS = {
    "bomb.png": png_bomb(60_000),
    "just_over.png": png_bomb(8_001),
    "bomb.gif": enlarged("GIF", struct.pack("<HH", 9, 7)),
    "bomb.bmp": enlarged("BMP", struct.pack("<ii", 9, 7)),
    "bomb.jpg": enlarged("JPEG", struct.pack(">HH", 7, 9)),
    "really_a_bomb.webp": png_bomb(60_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_by_its_header(opened, name):
    tracemalloc.start()
    with pytest.raises(PictureError) as caught:
        opened(BOMBS[name], name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    assert caught.value.reason == "image_too_large"


def test_the_refusal_says_the_limit_and_the_size(tmp_path):
    Image.new("1", (300, 400)).save(tmp_path / "big.png")
    with pytest.raises(PictureError) as caught:
        find_picture(tmp_path, "big.png", 100_000, BYTES)
    assert caught.value.detail == "A picture may have 100,000 pixels (got 300 x 400 in 'big.png'). Shrink it, or raise max_pixels."
    with pytest.raises(PictureError, match=r"A picture file may hold 10 bytes .got .* in 'big.png'.. Shrink it."):
        find_picture(tmp_path, "big.png", PIXELS, 10)


RED = (200, 30, 30)


def red_in(mode):
    return Image.new("RGB", (8, 6), RED).convert(mode)


def transparent(mode):
    image = Image.new("RGBA", (8, 6), (200, 30, 30, 0))
    return image.convert(mode) if mode != "RGBA" else image


CORPUS = {
    "plain.png": (saved(red_in("RGB"), "PNG"), RED),
    "plain.jpg": (saved(red_in("RGB"), "JPEG", quality=100, subsampling=0), RED),
    "plain.webp": (saved(red_in("RGB"), "WEBP", lossless=True), RED),
    "plain.bmp": (saved(red_in("RGB"), "BMP"), RED),
    "plain.gif": (saved(red_in("RGB").quantize(4), "GIF"), RED),
    "palette.png": (saved(red_in("RGB").quantize(4), "PNG"), RED),
    "cmyk.jpg": (saved(Image.new("CMYK", (8, 6), (0, 200, 200, 40)), "JPEG", quality=100), (215, 46, 46)),
    "grey.png": (saved(Image.new("L", (8, 6), 90), "PNG"), (90, 90, 90)),
    "grey.jpg": (saved(Image.new("L", (8, 6), 90), "JPEG"), (90, 90, 90)),
    "bilevel.png": (saved(Image.new("1", (8, 6), 1), "PNG"), (255, 255, 255)),
    "deep.png": (saved(Image.fromarray(np.full((6, 8), 90 * 257, dtype=np.uint16)), "PNG"), (90, 90, 90)),
    "dark_deep.png": (saved(Image.fromarray(np.full((6, 8), 255, dtype=np.uint16)), "PNG"), (1, 1, 1)),
    "grey_alpha.png": (saved(Image.new("LA", (8, 6), (90, 255)), "PNG"), (90, 90, 90)),
    "transparent.png": (saved(transparent("RGBA"), "PNG"), (255, 255, 255)),
    "transparent_grey.png": (saved(Image.new("LA", (8, 6), (0, 0)), "PNG"), (255, 255, 255)),
    "transparent.webp": (saved(transparent("RGBA"), "WEBP", lossless=True), (255, 255, 255)),
    "half.png": (saved(Image.new("RGBA", (8, 6), (0, 0, 0, 128)), "PNG"), (127, 127, 127)),
    "transparent_palette.png": (saved(Image.new("P", (8, 6), 0), "PNG", transparency=0), (255, 255, 255)),
    "transparent.gif": (saved(Image.new("P", (8, 6), 0), "GIF", transparency=0), (255, 255, 255)),
    "bytes_transparency.png": (saved(Image.new("P", (8, 6), 0), "PNG", transparency=b"\x00\xff"), (255, 255, 255)),
    "colour_key.png": (saved(red_in("RGB"), "PNG", transparency=RED), (255, 255, 255)),
    "animated.gif": (saved(red_in("RGB"), "GIF", save_all=True, append_images=[Image.new("RGB", (8, 6), "blue")] * 3), RED),
    "animated.webp": (saved(red_in("RGB"), "WEBP", save_all=True, append_images=[Image.new("RGB", (8, 6), "blue")], lossless=True), RED),
    "no_ending": (saved(red_in("RGB"), "PNG"), RED),
    "one.png": (saved(Image.new("RGB", (1, 1), RED), "PNG"), RED),
    "thin.png": (saved(Image.new("RGB", (10_000, 1), RED), "PNG"), RED),
}


@pytest.mark.parametrize("name", CORPUS)
def test_a_picture_is_used_as_it_looks(opened, name):
    content, expected = CORPUS[name]
    picture = opened(content, name)
    assert picture.mode == "RGB"
    assert max(picture.size) <= 512
    assert np.abs(np.asarray(picture).astype(int) - expected).max() <= 4


def broken(name):
    content = CORPUS[name][0]
    return content[: len(content) * 2 // 3]


REFUSED = {
    "empty.png": b"",
    "text.png": b"not a picture at all",
    "page.jpg": b"<html><body>404</body></html>",
    "vector.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "scan.tiff": saved(red_in("RGB"), "TIFF"),
    "icon.ico": saved(Image.new("RGB", (16, 16)), "ICO"),
    "cut.png": broken("plain.png"),
    "cut.jpg": saved(Image.effect_noise((200, 200), 50), "JPEG")[:3000],
    "cut.webp": broken("plain.webp"),
    "cut.bmp": broken("plain.bmp"),
    "head.gif": CORPUS["plain.gif"][0][:15],
    "zero_side.png": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0)) + chunk(b"IEND", b""),
    "checksum.png": CORPUS["plain.png"][0].replace(b"IHDR\x00\x00\x00\x08", b"IHDR\x00\x00\x00\x09"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_whole_picture_is_refused_with_a_sentence(opened, name):
    with pytest.raises(PictureError) as caught:
        opened(REFUSED[name], name)
    assert caught.value.reason == "image_unreadable"
    assert caught.value.detail.startswith("A picture must ")
    assert f"'{name}'" in caught.value.detail
    assert caught.value.detail.endswith("Fetch it again.")


def test_a_compressed_comment_of_megabytes_does_no_harm(opened):
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "a" * 80_000_000, zip=True)
    with pytest.raises(PictureError, match=r"A picture must be a whole"):
        opened(saved(red_in("RGB"), "PNG", pnginfo=info))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_set_upright(opened, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.new("RGB", (64, 32), "white")
    upright.paste((200, 0, 0), (0, 0, 32, 16))  # red at the upper left
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # how a camera held that way would have stored it
    stored = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    picture = opened(saved(stored, "JPEG", exif=exif, quality=100), "turned.jpg")
    assert picture.size == (64, 32)
    assert np.abs(np.asarray(picture)[4, 4].astype(int) - (200, 0, 0)).max() < 8
    found = find_picture(tmp_path, "turned.jpg", PIXELS, BYTES)
    assert (found.width, found.height) == (64, 32)


def test_a_broken_exif_block_does_not_lose_the_picture(opened):
    content = saved(red_in("RGB"), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert opened(content, "camera.jpg").size == (8, 6)


def test_a_name_that_lies_about_the_format_is_noted_and_the_picture_used(tmp_path):
    (tmp_path / "really_png.jpg").write_bytes(CORPUS["plain.png"][0])
    found = find_picture(tmp_path, "really_png.jpg", PIXELS, BYTES)
    assert found.note == "A picture's ending should say its format (got PNG in 'really_png.jpg'); it was used all the same. Rename it."
    assert decode(found, 512).size == (8, 6)


def test_a_large_picture_is_reduced_and_keeps_its_proportions(opened):
    assert opened(saved(Image.new("RGB", (1000, 400)), "JPEG"), "wide.jpg", size=100).size == (100, 40)
    assert opened(saved(Image.new("RGB", (30, 3000)), "PNG"), "tall.png", size=100).size == (1, 100)


def test_of_a_wide_photograph_no_more_is_decoded_than_is_seen(opened, tmp_path):
    noise = Image.effect_noise((1000, 400), 80).convert("RGB")
    seen = opened(saved(noise, "JPEG"), "wide.jpg", size=500)
    with Image.open(tmp_path / "wide.jpg") as half:
        half.draft("RGB", (500, 200))
        assert np.array_equal(np.asarray(seen), np.asarray(half))


@pytest.mark.parametrize("other", ["plain.jpg", "half.png", "thin.png"])
def test_a_file_that_was_replaced_since_its_header_was_read_is_refused(tmp_path, other):
    (tmp_path / "picture.png").write_bytes(CORPUS["plain.png"][0])
    found = find_picture(tmp_path, "picture.png", PIXELS, BYTES)
    (tmp_path / "picture.png").write_bytes(CORPUS[other][0])
    with pytest.raises(PictureError, match=r"must stay the same .*'picture.png', which was replaced") as caught:
        decode(found, 512)
    assert caught.value.reason == "picture_changed"


def test_a_file_that_is_gone_since_its_header_was_read_is_refused(tmp_path):
    (tmp_path / "picture.png").write_bytes(CORPUS["plain.png"][0])
    found = find_picture(tmp_path, "picture.png", PIXELS, BYTES)
    (tmp_path / "picture.png").unlink()
    with pytest.raises(PictureError, match="No such file") as caught:
        decode(found, 512)
    assert caught.value.reason == "image_unreadable"


@pytest.mark.parametrize("name", ["plain.png", "plain.jpg", "plain.webp", "plain.gif", "plain.bmp", "palette.png", "cmyk.jpg"])
def test_flipped_bytes_never_get_past_the_reasons(opened, name):
    content = CORPUS[name][0]
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            damaged[place] = rng.integers(256)
        try:
            picture = opened(bytes(damaged), name)
        except PictureError as error:
            assert error.reason in ("image_unreadable", "image_too_large")
        else:
            assert picture.mode == "RGB"
